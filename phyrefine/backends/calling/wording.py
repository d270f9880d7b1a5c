"""The few words adapters add to a question: what is shown when, and which JSON is wanted.

What the method asks is in ``refine/prompts``; here is only what a wire format forces on us.
"""

from __future__ import annotations

import json

from phyrefine.types import Question
from phyrefine.video.clip import Clip


def video_label(label: str) -> str:
    """Put before each of several videos."""
    return f"Video {label}:"


def stills_label(question: Question, index: int, clip: Clip, count: int) -> str:
    """Put before the ``count`` frames that stand for a video."""
    name = question.labels[index] if len(question.clips) > 1 and question.labels else ""
    title = f"Video {name}" if name else "The video"
    seam = question.seam
    made = f" The part from {seam:.2f} s on was made by a model." if seam else ""
    return (
        f"{title} ({clip.duration:.2f} s) is given as {count} still frames in order, each "
        f"after its time in seconds; more frames where things move.{made}"
    )


def excerpt_label(seam: float, rate: float) -> str:
    """Put before the first second of the made part, shown again at a higher rate."""
    return (
        f"The first second that a model made, again, at {rate:g} frames a second; its beginning "
        f"is {seam:.2f} s of the video:"
    )


def still_label(seconds: float) -> str:
    """Put before each frame."""
    return f"{seconds:.2f} s"


def schema_request(question: Question) -> str:
    """Asks in words for JSON, where a server cannot be made to send it; empty without schema."""
    if question.schema is None:
        return ""
    schema = json.dumps(question.schema, ensure_ascii=False, separators=(",", ":"))
    return (
        "Answer with one JSON object and nothing else: no fences, no words around it. It must "
        f"satisfy this JSON schema: {schema}"
    )
