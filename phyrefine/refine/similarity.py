"""How alike two prompts are, and whether they contradict each other.

Embeddings are not used: a sentence and its negation lie as close together as two honest
paraphrases. Two prompts count as one only when their cues agree *and* nothing in them is opposed.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections import Counter

from attrs import frozen

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:\.\d+)?")

_STOP = frozenset(
    """a an the this that these those of in on at to into onto from by with for as and or but then
    while when until before after where which who whose it its itself they them their there here
    is are was were be been being am do does did done has have had will would shall should can
    could may might must so such very quite just also too again still over under through toward
    towards along across about around both each every all some any out off up down away
    slowly gradually steadily gently smoothly briefly finally soon now next first second
    scene video camera shot frame view seen visible clear clearly
    new part entire whole remains remain stays stay kept keeps keep""".split()
)
# Words that turn a statement round; their parity is compared per clause.
_NEGATIONS = frozenset(
    "no not never none nothing without cannot can't doesn't don't isn't aren't won't nor neither "
    "hardly fails fail instead stops avoids".split()
)
# Pairs a physics text must not confuse. Each word is reduced to its stem first.
_OPPOSITES: tuple[tuple[str, str], ...] = (
    ("up", "down"), ("upward", "downward"), ("upwards", "downwards"), ("rise", "fall"),
    ("rise", "sink"), ("rise", "drop"), ("rising", "falling"), ("left", "right"),
    ("leftward", "rightward"), ("clockwise", "counterclockwise"), ("forward", "backward"),
    ("fast", "slow"), ("faster", "slower"), ("quickly", "slowly"), ("accelerate", "decelerate"),
    ("speed", "slow"), ("gain", "lose"), ("grow", "shrink"), ("increase", "decrease"),
    ("higher", "lower"), ("high", "low"), ("taller", "shorter"), ("longer", "shorter"),
    ("larger", "smaller"), ("bigger", "smaller"), ("more", "less"), ("heavier", "lighter"),
    ("brighter", "dimmer"), ("brighten", "dim"), ("brighter", "darker"), ("lighter", "darker"),
    ("warm", "cool"), ("hot", "cold"), ("heat", "cool"), ("melt", "freeze"), ("float", "sink"),
    ("attract", "repel"), ("pull", "push"), ("toward", "away"), ("towards", "away"),
    ("open", "close"), ("empty", "fill"), ("start", "stop"), ("vanish", "remain"),
    ("disappear", "remain"), ("appear", "disappear"), ("solid", "liquid"), ("rough", "smooth"),
    ("wide", "narrow"), ("widen", "narrow"), ("spread", "gather"), ("stretch", "shorten"),
    ("separate", "join"), ("above", "below"), ("before", "after"), ("expand", "contract"),
    ("early", "late"), ("tight", "loose"), ("thicken", "thin"), ("steep", "flat"),
    ("near", "far"), ("top", "bottom"), ("inward", "outward"), ("tilt", "level"),
    ("unchanged", "changing"), ("even", "uneven"), ("same", "different"), ("sharp", "blurred"),
    ("move", "motionless"), ("bounce", "stick"), ("clear", "cloudy"), ("straight", "curved"),
)  # fmt: skip


def normalize(text: str) -> str:
    """Lower case, single spaces, no punctuation but digits' points."""
    return " ".join(_WORD.findall(text.lower().replace("’", "'")))


def stem(word: str) -> str:
    """A crude English stem: enough to bring ``falls``, ``falling`` and ``fall`` together."""
    irregular = {"fell": "fall", "fallen": "fall", "rose": "rise", "risen": "rise",
                 "swung": "swing", "sank": "sink", "sunk": "sink", "slid": "slide",
                 "lost": "lose", "losing": "lose", "struck": "strike", "hit": "hit",
                 "came": "come", "spun": "spin", "rebound": "bounce", "rebounding": "bounce",
                 "rebounds": "bounce"}  # fmt: skip
    if word in irregular:
        return irregular[word]
    for ending, keep in (("ies", "y"), ("ing", ""), ("edly", ""), ("ed", ""), ("es", ""),
                         ("ly", ""), ("s", ""), ("e", "")):  # fmt: skip
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            base = word[: -len(ending)] + keep
            doubled = len(base) > 3 and base[-1] == base[-2] and base[-1] not in "lsz"
            return base[:-1] if doubled else base
    return word


@functools.lru_cache(maxsize=4096)
def cues(text: str) -> frozenset[str]:
    """Stems of the words that carry content; numbers as they stand."""
    return frozenset(stem(word) for word in normalize(text).split() if word not in _STOP)


def edit_similarity(one: str, two: str) -> float:
    """0..1: matching words in order (difflib's ratio on normalized words)."""
    return difflib.SequenceMatcher(
        None, normalize(one).split(), normalize(two).split(), autojunk=False
    ).ratio()


def cue_overlap(one: str, two: str) -> float:
    """0..1: shared content words over all content words (Jaccard)."""
    first, second = cues(one), cues(two)
    return len(first & second) / len(first | second) if first | second else 1.0


def cue_imbalance(one: str, two: str) -> int:
    """Content words only one prompt has, beyond those the other has in their place.

    A paraphrase trades words one for one; an added statement leaves words without a partner.
    """
    first, second = cues(one), cues(two)
    return abs(len(second - first) - len(first - second))


@frozen
class Opposition:
    """Why two prompts cannot mean the same; empty fields mean no conflict of that kind."""

    negated: tuple[str, ...] = ()
    opposed: tuple[tuple[str, str], ...] = ()
    numbers: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.negated or self.opposed or self.numbers)


def opposition(one: str, two: str) -> Opposition:
    """Negations, antonyms and numbers in which two prompts differ."""
    first, second = _bag(one), _bag(two)
    only_first, only_second = first - second, second - first
    opposed = tuple(
        (a, b)
        for a, b in _OPPOSITES
        if (stem(a) in only_first and stem(b) in only_second)
        or (stem(b) in only_first and stem(a) in only_second)
    )
    negations = [sum(bag[word] for word in _NEGATIONS) for bag in (first, second)]
    negated = (
        (f"{negations[0]} against {negations[1]} negations",) if len(set(negations)) > 1 else ()
    )
    numbers = tuple(sorted(word for word in {*only_first, *only_second} if word[0].isdigit()))
    return Opposition(negated, opposed, numbers)


def _bag(text: str) -> Counter[str]:
    words = normalize(text).split()
    return Counter(word if word in _NEGATIONS else stem(word) for word in words)
