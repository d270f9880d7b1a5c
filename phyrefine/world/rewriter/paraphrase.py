"""Rule-based paraphrases: other words and sentence shapes, the same statement.

The choice depends on the sentence and a sample number only, so the same question gives the same
words.
"""

from __future__ import annotations

import re
import zlib

# Each group holds phrases that may stand for each other in sentences about motion.
_GROUPS: tuple[tuple[str, ...], ...] = (
    ("becomes faster and faster", "gains speed all the time", "accelerates"),
    ("gains speed", "picks up speed", "becomes faster"),
    ("does not sink into it", "stays on top of it", "is stopped at its surface"),
    ("hits the floor", "strikes the ground", "reaches the floor"),
    ("bounces back up", "springs back upward", "rebounds"),
    ("bounces off the floor", "rebounds from the floor", "springs off the ground"),
    ("and rises again", "and moves upward again", "and goes up once more"),
    ("comes to rest", "settles", "stops moving"),
    ("lies still", "remains at rest", "stays there"),
    ("stays visible the whole time", "remains in view throughout", "can be seen to the end"),
    ("keeps its shape, size and colour", "does not change its shape, size or colour"),
    ("keeps swinging back and forth", "swings from side to side", "goes on oscillating"),
    ("with a constant period", "in an even rhythm"),
    ("rolls straight on", "keeps rolling in a straight line", "rolls ahead"),
    ("rolls away", "moves off", "rolls off"),
    ("almost stops", "comes nearly to rest", "slows down abruptly"),
    ("little by little", "gradually", "bit by bit"),
    ("without sudden jumps", "smoothly"),
    ("keeps falling", "continues to fall", "goes on falling"),
    ("does not hang or float in the air", "does not stay up in mid-air"),
    ("does not disappear", "never vanishes"),
    ("keeps moving", "goes on moving", "continues to move"),
    ("lower than the one before", "smaller than the last"),
    ("Each bounce", "Every bounce"),
    ("about two thirds of", "roughly two thirds of"),
    ("about a third of", "roughly a third of"),
    ("falls straight down", "drops straight down"),
    ("faster and faster", "with growing speed"),
    ("almost the same", "nearly the same"),
)
_LEADS = ("", "", "Then ", "Now ", "At the same time ")
_PLAIN_START = re.compile(r"^The (?!\w+ (?:is|are) )")


def paraphrase(sentence: str, sample: int = 0) -> str:
    """The same statement in other words.

    Args:
        sentence: One English sentence about motion.
        sample: Another number gives another wording where there is one.
    """
    seed = zlib.crc32(sentence.encode()) + sample
    text = sentence
    for number, group in enumerate(_GROUPS):
        text = _swap(text, group, seed + number)
    lead = _LEADS[seed % len(_LEADS)]
    if lead and _PLAIN_START.match(text):
        text = lead + text[0].lower() + text[1:]
    return text


def _swap(text: str, group: tuple[str, ...], seed: int) -> str:
    for phrase in group:
        if re.search(rf"\b{re.escape(phrase)}\b", text):
            others = [other for other in group if other != phrase]
            return re.sub(rf"\b{re.escape(phrase)}\b", others[seed % len(others)], text, count=1)
    return text
