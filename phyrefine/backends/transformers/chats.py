"""Questions as the chats that models of transformers take: texts, pictures, videos."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen, validators

from phyrefine._optional import require
from phyrefine.backends.calling.media import frame_count, shown_frames
from phyrefine.backends.calling.wording import (
    schema_request,
    still_label,
    stills_label,
    video_label,
)
from phyrefine.backends.transformers.loading import FEATURE
from phyrefine.types import Question
from phyrefine.video.clip import Clip

Chat = list[dict[str, Any]]


@frozen
class Answering:
    """How a local model looks and answers.

    Attributes:
        max_tokens: Most new tokens; doubled once when they cut JSON.
        temperature: 0 is greedy, and the default; repeated looks are then drawn at 0.7.
        seed: Of what is drawn; repeated looks add their number.
        fps: Frames a second shown on average; denser where things move.
        max_frames: Most frames of one question.
        side: Longer side of a frame in pixels.
        video: ``"frames"``, or ``"native"`` for the processor's own video path.
        batch_size: Most questions answered at once by ``ask_many``.
    """

    max_tokens: int = field(default=1024, validator=validators.ge(1))
    temperature: float = field(default=0.0, validator=validators.ge(0))
    seed: int = 0
    fps: float = field(default=8.0, validator=validators.gt(0))
    max_frames: int = field(default=32, validator=validators.ge(1))
    side: int | None = 448
    video: Literal["frames", "native"] = field(
        default="frames", validator=validators.in_(("frames", "native"))
    )
    batch_size: int = field(default=4, validator=validators.ge(1))


def chat_of(question: Question, how: Answering, *, takes_clips: bool) -> Chat:
    """System and user message of a question."""
    in_words = schema_request(question)
    system = "\n\n".join(filter(None, (question.instruction, in_words)))
    if not takes_clips:
        user: Any = question.text
        head: Any = system
    else:
        user = [*_clip_parts(question, how), {"type": "text", "text": question.text}]
        head = [{"type": "text", "text": system}]
    chat = [{"role": "system", "content": head}] if system else []
    return [*chat, {"role": "user", "content": user}]


def _clip_parts(question: Question, how: Answering) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    labels = question.labels or tuple("AB")
    each = max(1, how.max_frames // max(1, len(question.clips)))
    for index, clip in enumerate(question.clips):
        if how.video == "native":
            if len(question.clips) > 1:
                parts.append({"type": "text", "text": video_label(labels[index])})
            parts.append({"type": "video", "video": _even_frames(clip, how, each)})
            continue
        count = frame_count(clip, how.fps, each)
        label = stills_label(question, index, clip, count)
        parts.append({"type": "text", "text": f"{label}\n"})
        for seconds, frame in shown_frames(clip, count, side=how.side, seam=question.seam):
            parts.append({"type": "text", "text": f"{still_label(seconds)} "})
            parts.append({"type": "image", "image": _picture(frame)})
    return parts


def video_kwargs(batch: list[Question], how: Answering) -> dict[str, Any]:
    """Tells a native video path when each frame was, so that it samples nothing itself."""
    if how.video != "native":
        return {}
    told = []
    for question in batch:
        each = max(1, how.max_frames // max(1, len(question.clips)))
        for clip in question.clips:
            count = frame_count(clip, how.fps, each)
            told.append({"fps": count / clip.duration, "total_num_frames": count,
                         "frames_indices": list(range(count))})  # fmt: skip
    return {"video_metadata": told, "do_sample_frames": False}


def _picture(frame: Any) -> Any:
    return require("PIL.Image", extra="transformers", feature=FEATURE).fromarray(frame)


def _even_frames(clip: Clip, how: Answering, most: int) -> list[Any]:
    count = frame_count(clip, how.fps, most)
    even = clip.resample(count / clip.duration, count=count)
    return [_picture(frame) for _, frame in shown_frames(even, count, side=how.side)]


def without_system(chat: Chat) -> Chat:
    """System and user message in one."""
    if chat[0]["role"] != "system":
        return chat
    system, user = chat[0]["content"], chat[1]["content"]
    both = f"{system}\n\n{user}" if isinstance(user, str) else [*system, *user]
    return [{"role": "user", "content": both}]


def in_plain_text(chat: Chat) -> str:
    """A chat for a model that has no template of its own."""
    return "\n\n".join(str(message["content"]) for message in chat) + "\n\n"
