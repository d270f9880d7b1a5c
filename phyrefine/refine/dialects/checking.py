"""Whether a prompt says what its plan says, and nothing else. No model is asked.

Words are compared by stem and by listed groups of meaning; the lists are in ``lexicon.toml``. What
is not listed is not seen: the check is strict on things, numbers, directions and contacts, and
lenient on the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from attrs import frozen

from phyrefine._json import parse_json
from phyrefine.refine.dialects.chunks import STAMP, unstamped
from phyrefine.refine.dialects.dialect import Dialect
from phyrefine.refine.dialects.lexicon import Lexicon, lexicon, numbers
from phyrefine.refine.dialects.wording import CRITICISM, LAW_NAMES, CountTokens, sentences
from phyrefine.refine.similarity import cues
from phyrefine.types import GeneratorProfile, Plan, Statement

Fault = Literal["length", "form", "leak", "lost", "invented", "flipped", "negated"]

# Shares of a statement's content words that a sentence must hold to be its wording; tuned on the
# seeded rewrites of the tests.
FOUND, FOUND_TELLING = 0.67, 0.34
_NEGATION = re.compile(r"\b(?:not|never|no|without|cannot|nothing|none)\b|n't\b", re.IGNORECASE)


@frozen
class Problem:
    """What is wrong with a prompt.

    Attributes:
        fault: Its kind.
        text: In words, for the rewriter.
    """

    fault: Fault
    text: str


def check(
    text: str,
    plan: Plan,
    dialect: Dialect,
    profile: GeneratorProfile,
    count: CountTokens,
    *,
    must: Plan | None = None,
    stamps: bool = False,
) -> list[Problem]:
    """Everything that keeps ``text`` from being the prompt of ``plan``.

    Args:
        text: A tidied prompt.
        plan: What may be said.
        dialect: The form.
        profile: The generator's limits.
        count: The generator's tokenizer.
        must: What has to be said, where not all of ``plan`` fits; by default all of it.
        stamps: The text carries spans in seconds.
    """
    stamps = stamps or dialect.kind == "timed"
    found = [*_form(text, dialect, stamps=stamps), *_length(text, dialect, profile, count)]
    if any(problem.fault == "form" for problem in found):
        return found
    prose = _as_prose(text, dialect)
    found += _leaks(prose, dialect)
    parts = sentences(unstamped(prose))
    wanted = [item for item in (must or plan).statements() if item.kind in dialect.says]
    words = lexicon()
    names = words.meanings(cues(" ".join(_names(plan))))
    aligned: dict[int, list[Statement]] = {}
    for item in wanted:
        place = _place(item, parts, names, words)
        if place is None:
            found.append(Problem("lost", f'It does not say: "{item.text}"'))
        else:
            found += _turned(item, " ".join(parts[index] for index in place), words)
            for index in place:
                aligned.setdefault(index, []).append(item)
    found += _invented(prose, plan, words)
    found += _flipped(parts, aligned, words)
    if not dialect.negations:
        found += _negated(parts, plan)
    return found


# -- form and length ---------------------------------------------------------------------------


def _form(text: str, dialect: Dialect, *, stamps: bool) -> Iterator[Problem]:
    if not text.strip():
        yield Problem("form", "The prompt is empty.")
    elif "```" in text:
        yield Problem("form", "It holds a code fence.")
    elif dialect.kind == "json":
        yield from _json_form(text, dialect)
    elif text.lstrip().startswith(("{", "[{")) or re.search(r'"\w+"\s*:', text):
        yield Problem("form", "It holds JSON; the model reads plain sentences.")
    elif stamps and not STAMP.search(text):
        yield Problem("form", 'Its sentences have no spans such as "[0.0-0.6]".')
    elif not stamps and STAMP.search(text):
        yield Problem("form", "It holds time stamps; the model reads plain sentences.")


def _json_form(text: str, dialect: Dialect) -> Iterator[Problem]:
    try:
        parsed: Any = parse_json(text)
    except json.JSONDecodeError as error:
        yield Problem("form", f"It is not valid JSON: {error}.")
        return
    if not isinstance(parsed, dict):
        yield Problem("form", "It is not a JSON object.")
    elif missing := [key for key in dialect.keys if key not in parsed]:
        yield Problem("form", f"It lacks the keys {', '.join(missing)}.")


def _length(
    text: str, dialect: Dialect, profile: GeneratorProfile, count: CountTokens
) -> Iterator[Problem]:
    words, tokens = dialect.limits(profile)
    if len(text.split()) > words:
        yield Problem("length", f"It has {len(text.split())} words; at most {words} fit.")
    elif tokens is not None and (counted := count(text)) > tokens:
        yield Problem("length", f"It has {counted} tokens; at most {tokens} fit.")


def too_long(text: str, dialect: Dialect, profile: GeneratorProfile, count: CountTokens) -> bool:
    """Whether a text breaks the limits of dialect or generator."""
    return any(True for _ in _length(text, dialect, profile, count))


def _as_prose(text: str, dialect: Dialect) -> str:
    """The values of a JSON prompt as sentences; other prompts as they are."""
    if dialect.kind != "json":
        return text
    return " ".join(_strings(parse_json(text)))


def _strings(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        if "name" in value and "motion" in value:  # an object: its values make one sentence
            yield f"{', '.join(str(item) for item in value.values() if item)}."
            return
        for name, item in value.items():
            yield from _strings(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)
    elif key not in ("frames", "seconds", "time") and str(value).strip():
        said = str(value).strip()
        said = said[0].upper() + said[1:]
        yield said if said[-1] in ".!?" else f"{said}."


# -- what may not stand in it ------------------------------------------------------------------


def _leaks(prose: str, dialect: Dialect) -> Iterator[Problem]:
    if criticism := CRITICISM.search(prose):
        yield Problem(
            "leak", f'It speaks about a video instead of the scene ("{criticism.group()}").'
        )
    if not dialect.laws and (law := LAW_NAMES.search(prose)):
        yield Problem("leak", f'It names a law instead of what one sees ("{law.group()}").')


def _invented(prose: str, plan: Plan, words: Lexicon) -> Iterator[Problem]:
    given = everything(plan)
    if extra := words.things(prose) - words.things(given):
        yield Problem("invented", f"It adds things the plan does not have: {_listed(extra)}.")
    if extra := words.ways(prose) - words.ways(given):
        yield Problem("invented", f"It adds directions the plan does not have: {_listed(extra)}.")
    known = numbers(given) | {
        f"{at:g}" for event in plan.events for at in (event.start, event.end) if at is not None
    }
    if extra := numbers(STAMP.sub(" ", prose)) - known:
        yield Problem("invented", f"It adds numbers the plan does not have: {_listed(extra)}.")


def everything(plan: Plan) -> str:
    """All words of a plan, in one text."""
    return " ".join(
        (*(item.text for item in plan.statements()), *(thing.name for thing in plan.objects))
    )


def _listed(words: Sequence[str] | frozenset[str]) -> str:
    return ", ".join(sorted(words))


def _flipped(
    parts: list[str], aligned: dict[int, list[Statement]], words: Lexicon
) -> Iterator[Problem]:
    for index, items in aligned.items():
        meant = frozenset[str]().union(*(words.ways(item.text) for item in items))
        for way in sorted(words.ways(parts[index]) - meant):
            if words.opposite.get(way) in meant:
                yield Problem(
                    "flipped",
                    f'"{parts[index]}" says "{way}" where the plan says "{words.opposite[way]}".',
                )


def _turned(item: Statement, said: str, words: Lexicon) -> Iterator[Problem]:
    """A direction of the statement that is missing where its opposite stands."""
    has = words.ways(said)
    for way in sorted(words.ways(item.text) - has):
        if words.opposite.get(way) in has:
            yield Problem("flipped", f'"{said}" lacks the "{way}" of "{item.text}".')


def _negated(parts: list[str], plan: Plan) -> Iterator[Problem]:
    meant = len(_NEGATION.findall(everything(plan)))
    said = [part for part in parts if _NEGATION.search(part)]
    if sum(len(_NEGATION.findall(part)) for part in said) > meant:
        yield Problem("negated", f'Say what is seen, not what is not: "{said[-1]}"')


# -- what must stand in it ---------------------------------------------------------------------


def _place(
    item: Statement, parts: list[str], names: frozenset[str], words: Lexicon
) -> tuple[int, ...] | None:
    """The sentence, or two neighboring ones, that say a statement; ``None`` if none does."""
    wanted = words.meanings(cues(item.text))
    if not wanted:
        return (0,) if parts else None
    telling = wanted - names or wanted
    ways, contacts = words.ways(item.text), words.touches(item.text)
    best: tuple[float, tuple[int, ...]] | None = None
    for size in (1, 2):
        for index in range(len(parts) - size + 1):
            said = " ".join(parts[index : index + size])
            has = words.meanings(cues(said))
            shares = len(wanted & has) / len(wanted), len(telling & has) / len(telling)
            if shares[0] < FOUND or shares[1] < FOUND_TELLING:
                continue
            if contacts and not contacts & words.touches(said):
                continue
            # Of two like sentences the one that goes the same way is meant.
            score = sum(shares) + 0.2 * len(ways & words.ways(said)) - 0.3 * (size - 1)
            if best is None or score > best[0]:
                best = score, tuple(range(index, index + size))
    return None if best is None else best[1]


def _names(plan: Plan) -> list[str]:
    """Names of the things, from the objects and from nouns that many statements share."""
    shared = [thing.name for thing in plan.objects]
    texts = [item.text for item in plan.statements()]
    common = [
        word
        for word in set(cues(" ".join(texts)))
        if sum(word in cues(text) for text in texts) > len(texts) / 2
    ]
    return [*shared, *(common if len(texts) > 2 else [])]
