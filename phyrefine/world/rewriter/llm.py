"""An extractive LLM: it chooses and orders sentences, and never invents one.

Prompt length is a real trade-off for small generators, so within the word limit the scene comes
first, then what answers the faults of the last video, then events in order of time.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any, Literal

from attrs import frozen

from phyrefine.types import Answer, Question, Usage
from phyrefine.world.rewriter.paraphrase import paraphrase
from phyrefine.world.wordings import part, part_seconds

Variant = Literal["extractive", "paraphrase"]

_NAME = "world-rewriter"
_DEFAULT_WORDS = 120
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\"'(\[A-Z0-9])")
# A prompt speaks of the scene, not of a video, a law or a fault.
_TALK = re.compile(
    r"\b(?:video|clip|frame|seam|violat\w+|law|laws|conservation|newton\w*|critique|prompt|"
    r"implausib\w+|physically|according to|continuation|prefix)\b",
    re.IGNORECASE,
)
# Where things are when the new part begins is seen in the prefix and needs no words.
_STATE = re.compile(
    r"\b(?:is|are) (?:at rest|high|low|half way|out of view|in the (?:middle|upper|lower)|"
    r"on the (?:left|right))\b"
)
# A line of a plan: a span in seconds, or the kind of what holds throughout.
_STATEMENT = re.compile(r"- (?:\[(?P<span>[\d.]+-[\d.]+)[^\]]*\]|\((?P<kind>\w+)\)) (?P<what>.+)")
_STOP = frozenset(
    "a an the of in on at to and or is are was it its by with as from that this than for into no "
    "not does do then while after before but be has have although".split()
)


@frozen
class WorldLLM:
    """Rewrites a physics text into a prompt by choosing its sentences.

    Attributes:
        variant: ``"extractive"`` keeps every sentence as it stands; ``"paraphrase"`` says it in
            other words, chosen by the text itself and ``Question.sample``.
    """

    variant: Variant = "extractive"

    @property
    def identity(self) -> str:
        """Name, version and variant."""
        return f"{_NAME}-2 {self.variant}"

    def ask(self, question: Question) -> Answer:
        """Write the prompt that a compose question asks for."""
        begin = time.perf_counter()
        prompt = self._prompt(question)
        reply = json.dumps({"prompt": prompt, "negative": ""})
        text = reply if question.schema is not None else prompt
        return Answer(text, _NAME, Usage(calls=1, seconds=time.perf_counter() - begin, usd=0.0))

    def _prompt(self, question: Question) -> str:
        if plan := part(question.text, "plan"):
            return self._planned(question, plan)
        limit = _limit(part(question.text, "limit"))
        scene = sentences(part(question.text, "description"))
        told = sentences(part(question.text, "physics_text") or _untagged(question.text))
        moving = sentences(part(question.text, "motion"))
        chosen = choose(scene, moving, told, part(question.text, "violations"), limit)
        if self.variant == "paraphrase":
            kept = len(scene)
            chosen = chosen[:kept] + [
                paraphrase(sentence, question.sample) for sentence in chosen[kept:]
            ]
            chosen = _within(chosen, limit)
        return shape(chosen, part(question.text, "style"), scene, part_seconds(question.text))

    def _planned(self, question: Question, plan: str) -> str:
        """Every statement of the plan: what holds throughout, then what happens, in order."""
        found = [_STATEMENT.match(line) for line in plan.splitlines()]
        lines = [(match["span"], match["kind"], match["what"]) for match in found if match]
        standing = [what for span, kind, what in lines if not span and kind != "end"]
        happening = [(span, what) for span, kind, what in lines if span or kind == "end"]
        if self.variant == "paraphrase":
            happening = [(span, paraphrase(what, question.sample)) for span, what in happening]
        spans = part(question.text, "style").endswith("with spans")
        seconds = part_seconds(question.text)
        told = [
            f"[{span or f'{max(0.0, seconds - 0.5):.1f}-{seconds:.1f}'}] {_whole(what)}"
            if spans else _whole(what)
            for span, what in happening
        ]  # fmt: skip
        description = sentences(part(question.text, "description"))
        return " ".join([*description, *(_whole(what) for what in standing), *told])


def _whole(text: str) -> str:
    """With its full stop."""
    return text if text[-1] in ".!?" else f"{text}."


def sentences(text: str) -> list[str]:
    """Whole sentences of a text, each with its full stop."""
    found = [item.strip() for item in _SENTENCE.split(" ".join(text.split())) if item.strip()]
    return [item if item[-1] in ".!?" else f"{item}." for item in found]


def choose(
    scene: list[str], moving: list[str], told: list[str], violations: str, limit: int
) -> list[str]:
    """The sentences of the prompt, in the order in which they are read.

    Args:
        scene: The description; always kept.
        moving: Measured motion at the seam.
        told: The physics text, in order of time.
        violations: Faults of the last video, one per line.
        limit: Most words.
    """
    usable = [item for item in dict.fromkeys(told) if not _TALK.search(item)]
    usable = [item for item in usable if not _STATE.search(item)] or usable
    fresh = [item for item in usable if item.lower() not in {s.lower() for s in scene}]
    faults = [_words(line) for line in violations.splitlines() if line.strip()]
    urgent = sorted(
        (item for item in fresh if _answers(item, faults) > 0.0),
        key=lambda item: -_answers(item, faults),
    )
    best = urgent[: 2 * len(faults)]
    ranked = [*moving, *best, *(item for item in fresh if item not in best)]
    kept = _within([*scene, *ranked], limit)
    # What was chosen by weight is told in order of time, faults first.
    body = [item for item in kept if item not in scene]
    stressed = [item for item in body if item in best]
    return [
        *[item for item in kept if item in scene],
        *[item for item in body if item in moving],
        *sorted(stressed, key=fresh.index),
        *[item for item in body if item not in moving and item not in stressed],
    ]


def _within(ranked: list[str], limit: int) -> list[str]:
    """Sentences in order of rank as far as whole ones fit; the first is always kept."""
    kept: list[str] = []
    used = 0
    for sentence in dict.fromkeys(ranked):
        words = len(sentence.split())
        if not kept or used + words <= limit:
            kept.append(sentence)
            used += words
    return kept


def _words(text: str) -> frozenset[str]:
    found = re.findall(r"[a-z]+", text.lower())
    return frozenset(_stem(word) for word in found if word not in _STOP)


def _stem(word: str) -> str:
    for ending in ("ing", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _answers(sentence: str, faults: list[frozenset[str]]) -> float:
    """How well a sentence answers the nearest fault: shared words beyond the objects' names."""
    words = _words(sentence)
    shares = [len((words & fault) - _NAMES) / max(1, len(fault - _NAMES)) for fault in faults]
    denies = bool(re.search(r"\b(?:not|never|no)\b", sentence))
    best = max(shares, default=0.0)
    return best + 0.25 * denies if best > 0.0 else 0.0


_NAMES = frozenset("ball block object red blue green orange purple black grey white yellow".split())


def _limit(text: str) -> int:
    found = re.search(r"\d+", text)
    return max(1, int(found.group())) if found else _DEFAULT_WORDS


def _untagged(text: str) -> str:
    return re.sub(r"<(\w+)>.*?</\1>", " ", text, flags=re.DOTALL)


def shape(chosen: list[str], style: str, scene: list[str], seconds: float = 5.0) -> str:
    """The chosen sentences in a prompt style: ``prose``, ``json`` or ``timed``.

    Timed sentences share the ``seconds`` evenly; the scene holds for all of them.
    """
    body = [item for item in chosen if item not in scene]
    if style == "json":
        structured: dict[str, Any] = {
            "scene": " ".join(scene) or chosen[0],
            "motion": " ".join(body[:-1] or body),
            "end": body[-1] if len(body) > 1 else "",
            "camera": "fixed",
        }
        return json.dumps(structured)
    if style == "timed" and body:
        each = seconds / len(body)
        spans = [
            f"[{number * each:.1f}-{(number + 1) * each:.1f}] {item}"
            for number, item in enumerate(body)
        ]
        whole = [f"[0.0-{seconds:.1f}] {item}" for item in scene]
        return " ".join([*whole, *spans])
    return " ".join(chosen)
