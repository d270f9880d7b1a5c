"""What a tracker is told of an attempt and of a result: plain numbers and texts, no secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from phyrefine._secrets import scrub, scrub_json
from phyrefine.run.comparing.rows import rows
from phyrefine.run.endings import ended_well
from phyrefine.run.spec import RunSpec
from phyrefine.types import Attempt, Refinement, Usage, pick_key
from phyrefine.video.clip import Clip

# What a table of attempts shows; the rest of a row is in the metrics.
COLUMNS = (
    "attempt", "candidate", "loop", "baseline", "seed", "steps", "prompt", "violations",
    "severity", "score", "chosen",
)  # fmt: skip


@frozen
class Entry:
    """What is logged in one step.

    Attributes:
        key: Names it for good: an entry of the same key is logged once, however often a run is
            started.
        metrics: Numbers by name.
        clips: (name, clip, caption).
        table: (name, columns, rows); ``None`` for none.
    """

    key: str
    metrics: Mapping[str, float]
    clips: tuple[tuple[str, Clip, str], ...] = ()
    table: tuple[str, tuple[str, ...], list[list[Any]]] | None = None


def settings_of(spec: RunSpec | None) -> dict[str, Any]:
    """What a run is held to, one level deep."""
    if spec is None:
        return {}
    groups = {
        "backend": spec.backends,
        "setting": {**spec.defaults, **spec.args},
        "limit": spec.limits,
    }
    flat = {
        f"{group}.{name}": value
        for group, values in groups.items()
        for name, value in values.items()
    }
    scrubbed: dict[str, Any] = scrub_json(flat)
    return scrubbed


def attempt_entry(place: Mapping[str, Any], attempt: Attempt, *, clips: bool) -> Entry:
    """An attempt: the critic's numbers, the scores, what it took, its clips with their prompt.

    Args:
        place: Details of the event: ``scenario``, ``scenario_id``, ``position``.
        attempt: What was made.
        clips: Whether its clips are logged.
    """
    position, name = int(place["position"]), scrub(str(place["scenario"]))
    numbers: dict[str, Any] = {
        "loop": attempt.index,
        "clips": len(attempt.candidates),
        "prompt_words": attempt.prompt.words,
        **{f"score_{scorer}": score for scorer, score in attempt.scores.items()},
        **_taken(attempt.usage),
    }
    if attempt.critique is not None:
        numbers["violations"] = len(attempt.critique.violations)
        numbers["severity"] = attempt.critique.severity
    made = [candidate.clip for candidate in attempt.candidates] if clips else []
    caption = scrub(f"attempt {position}: {attempt.prompt.text}")
    return Entry(
        "/".join(
            [
                str(place["scenario_id"]),
                str(position),
                *(one.clip.digest for one in attempt.candidates),
            ]
        ),
        {f"attempt/{key}": float(value) for key, value in numbers.items()},
        tuple(
            (f"clips/{name}" if number == 0 else f"clips/{name} candidate {number}", clip, caption)
            for number, clip in enumerate(made)
        ),
    )


def result_entry(place: Mapping[str, Any], refinement: Refinement, *, clips: bool) -> Entry:
    """A result: its numbers, a table of its attempts with prompts and scores, the chosen clip.

    Args:
        place: Details of the event: ``scenario``, ``scenario_id``.
        refinement: What came out.
        clips: Whether the chosen clip is logged.
    """
    name, choice = scrub(str(place["scenario"])), refinement.choice
    numbers: dict[str, Any] = {
        "finished": ended_well(refinement.stopped_by),
        "attempts": len(refinement.attempts),
        **_taken(refinement.usage),
    }
    shown: tuple[tuple[str, Clip, str], ...] = ()
    if choice is not None:
        best, score = refinement.best, choice.scores.get(pick_key(choice.pick))
        numbers |= {} if score is None else {"score": score}
        if best.critique is not None:
            numbers["violations"] = len(best.critique.violations)
            numbers["severity"] = best.critique.severity
        caption = scrub(f"{refinement.stopped_by}; {choice.selector}: {best.prompt.text}")
        shown = ((f"chosen/{name}", refinement.video, caption),) if clips else ()
    table = [[scrub_json(row.get(column)) for column in COLUMNS] for row in rows(refinement)]
    picked = "none" if choice is None else pick_key(choice.pick)
    return Entry(
        "/".join(
            [
                str(place["scenario_id"]),
                refinement.stopped_by,
                str(len(refinement.attempts)),
                picked,
            ]
        ),
        {f"result/{key}": float(value) for key, value in numbers.items()},
        shown,
        (f"attempts/{name}", COLUMNS, table) if table else None,
    )


def _taken(usage: Usage) -> dict[str, float]:
    """What calls took; dollars only where all of them are known."""
    known = {} if usage.usd is None else {"usd": usage.usd}
    tokens = float(sum(usage.tokens.values()))
    return {
        "calls": usage.calls,
        "tokens": tokens,
        "seconds": usage.seconds,
        "gpu_seconds": usage.gpu_seconds,
        **known,
    }
