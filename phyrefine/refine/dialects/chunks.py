"""A prompt for each chunk of a continuation."""

from __future__ import annotations

import itertools
import re

from attrs import evolve

from phyrefine.refine.dialects.assembling import Setting, assemble, overlaps, part_of, sentence
from phyrefine.refine.dialects.dialect import Dialect
from phyrefine.types import GeneratorProfile, Plan, Prompt, Scenario

Span = tuple[float, float]
STAMP = re.compile(r"\[\s*(\d+(?:\.\d+)?)\s*(?:s\s*)?(?:-|–|to)\s*(\d+(?:\.\d+)?)\s*s?\s*\]\s*")


def borders(profile: GeneratorProfile, scenario: Scenario) -> tuple[Span, ...]:
    """(start, end) of each chunk in seconds after the seam; one span if there is one prompt only.

    Args:
        profile: The generator's; ``chunk_frames`` at its own rate.
        scenario: Its prefix may fill part of the first chunk.
    """
    whole = ((0.0, scenario.seconds),)
    if profile.chunk_frames is None:
        return whole
    fps = profile.fps or scenario.fps
    frames = max(1, round(scenario.seconds * fps))
    first = profile.chunk_frames
    if profile.chunks_from_prefix and scenario.prefix is not None:
        used = round(scenario.prefix.duration * fps)
        if profile.context_frames is not None:
            used = min(used, profile.context_frames)
        first -= used % profile.chunk_frames
    edges = [0, *range(first, frames, profile.chunk_frames), frames]
    times = [edge / fps for edge in edges[:-1]] + [scenario.seconds]
    return tuple(itertools.pairwise(times))


def stamped(text: str) -> list[tuple[Span | None, str]]:
    """Sentences of a timed text with their spans; ``None`` for those that hold throughout."""
    parts = STAMP.split(text)
    found: list[tuple[Span | None, str]] = []
    if parts[0].strip():
        found.append((None, parts[0].strip()))
    for begin, stop, said in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        if said.strip():
            found.append(((float(begin), float(stop)), said.strip()))
    return found


def unstamped(text: str) -> str:
    """A timed text without its spans."""
    return " ".join(said for _, said in stamped(text))


def cut(text: str, plan: Plan, dialect: Dialect, spans: tuple[Span, ...]) -> tuple[str, ...]:
    """A timed text cut at the chunks' borders: what holds throughout, then what happens in each.

    A chunk in which nothing is said to happen goes on with what happened last.

    Args:
        text: Sentences with spans, as the rewriter gave them.
        plan: For the handover to the next chunk.
        dialect: Says whether chunks hand over.
        spans: Of the chunks.
    """
    said = stamped(text)
    standing = [words for span, words in said if span is None]
    timed = [(span, words) for span, words in said if span is not None]
    chunks = []
    for index, (start, end) in enumerate(spans):
        here = [words for span, words in timed if overlaps(*span, start, end)]
        if not here:
            here = [words for span, words in timed if span[0] < end][-1:]
        following = _following(plan, spans, index) if dialect.handover else ""
        chunks.append(" ".join([*standing, *here, *([following] if following else [])]))
    return tuple(chunks)


def assembled(
    plan: Plan, dialect: Dialect, setting: Setting, spans: tuple[Span, ...]
) -> tuple[str, ...]:
    """Every chunk's prompt from the plan by the dialect's template."""
    return tuple(
        assemble(
            part_of(plan, start, end, seconds=setting.seconds),
            dialect,
            evolve(
                setting,
                seconds=end - start,
                needs_motion=setting.needs_motion and index == 0,
                following=_following(plan, spans, index) if dialect.handover else "",
            ),
        )
        for index, (start, end) in enumerate(spans)
    )


def _following(plan: Plan, spans: tuple[Span, ...], index: int) -> str:
    """What the next chunk begins with; empty for the last one, or when nothing new begins."""
    if index + 1 >= len(spans):
        return ""
    start, end = spans[index + 1]
    timed = plan.timed(spans[-1][1])
    new = next((e for e in timed.events if start <= (e.start or 0.0) < end), None)
    return (
        f"Right after this: {sentence(new.what)[0].lower()}{sentence(new.what)[1:]}" if new else ""
    )


def keep_accepted(old: Prompt, new: Prompt, accepted: int) -> Prompt:
    """``new`` with the chunks' prompts of ``old`` where chunks are accepted already.

    In backtracking only what is still to be made may be worded anew: the accepted chunks were
    made under their own prompts, and keep them.

    Args:
        old: The prompt the accepted chunks were made from.
        new: The rewritten one.
        accepted: Chunks that stay.
    """
    if not new.chunks or not old.chunks:
        return new
    return evolve(new, chunks=(*old.chunks[:accepted], *new.chunks[accepted:]))
