"""One OpenAI-style request in the making, and how it changes after a fault."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from attrs import asdict, define, evolve, frozen, validators
from attrs import field as attrs_field

from phyrefine.backends.calling.asking import Sampling
from phyrefine.backends.calling.learned import Learned, Room
from phyrefine.backends.calling.media import Recent, encoded, frame_count, stills
from phyrefine.backends.calling.models import levels_of
from phyrefine.backends.calling.policy import Fault
from phyrefine.backends.calling.wording import (
    schema_request,
    still_label,
    stills_label,
    video_label,
)
from phyrefine.backends.openai.connection import Connection
from phyrefine.types import JSON, Question

Api = Literal["chat", "responses"]
Clips = Literal["frames", "video_url"]

# Names under which a server may complain about a parameter; the first that fits counts.
PARAMETERS = {
    "temperature": r"temperature",
    "top_p": r"top_?p\b",
    "seed": r"\bseed\b",
    "enable_thinking": r"enable_thinking",
    "thinking": r"reasoning(_effort|\.effort)?\b|thinking (level|budget)",
    "max_completion_tokens": r"max_completion_tokens",
    "max_tokens": r"\bmax_tokens",
    "detail": r"\bdetail\b",
    "json": r"json.?mode|json_validate_failed|structured.?output|too many states|schema is too"
    r"|(invalid|unsupported|complex) schema",
    "json_schema": r"response_format|json_schema|text\.format|schema",
    "json_object": r"response_format|json_object|text\.format",
    "system": r"(system|developer)( |_)(role|message|prompt|instruction)"
    r"|\brole\W.{0,40}\b(system|developer)\b|roles must alternate|only user and assistant roles",
}

# The model's fault, not the request's: next time it may do better.
_FAILED_JSON = re.compile(r"json_validate_failed|failed to (generate|validate) json", re.IGNORECASE)


@frozen
class Looking:
    """How an OpenAI-style model looks at a clip.

    Attributes:
        fps: Frames a second shown on average; denser where things move.
        max_frames: Most frames of one question.
        side: Longer side of a frame in pixels; ``None`` never shrinks.
        detail: OpenAI's image detail: ``"low"``, ``"high"``, ``"auto"``, ``"original"``.
        clips: ``"frames"``, or ``"video_url"`` for servers that take a whole video.
    """

    fps: float = attrs_field(default=8.0, validator=validators.gt(0))
    max_frames: int = attrs_field(default=64, validator=validators.ge(2))
    side: int | None = 512
    detail: str = attrs_field(
        default="low", validator=validators.in_(("low", "high", "auto", "original"))
    )
    clips: Clips = attrs_field(default="frames", validator=validators.in_(("frames", "video_url")))

    def sent(self, *, official: bool, rate_is_told: bool) -> dict[str, Any]:
        """What of it reaches the model.

        Args:
            official: The server takes OpenAI's image detail.
            rate_is_told: It takes a rate beside a whole video.
        """
        told = asdict(self)
        if self.clips == "video_url":
            told |= {"max_frames": None, "detail": None}
            told["fps"] = self.fps if rate_is_told else None
        elif not official:
            told["detail"] = None
        return told


@define
class Draft:
    """A request that can still change.

    Attributes:
        question: What is asked.
        sampling: How to answer; changes when an answer is cut.
        looking: How to look; changes when a request is too large.
        learned: What is known about the model, for this question.
        to: Who is asked.
        api: Which of the two APIs.
        encodings: Videos encoded for earlier questions.
        extra_body: Fields of the body that the user wants.
        parts: Parts of the clips, made once.
        room: Most output tokens.
        in_words: The schema is asked for in words, this time.
    """

    question: Question
    sampling: Sampling
    looking: Looking
    learned: Learned
    to: Connection
    api: Api
    encodings: Recent
    extra_body: Mapping[str, Any] = attrs_field(factory=dict)
    parts: list[dict[str, Any]] | None = None
    room: Room = attrs_field(init=False)
    in_words: bool = False

    def __attrs_post_init__(self) -> None:
        self.room = Room(self.sampling.max_tokens, self.learned)

    # -- after a fault -------------------------------------------------------------------------

    def amend(self, fault: Fault) -> bool:
        """Change what a fault is about; ``False`` when nothing is left to change."""
        if fault.change == "longer":
            return self.room.longer(fault)
        if fault.change == "shorter":
            return self.room.shorter(fault.detail)
        if fault.change == "parameter":
            return self._replace(fault)
        if fault.change == "smaller":
            self._shrink()
            return True
        return False

    def _replace(self, fault: Fault) -> bool:
        name = fault.detail
        if name == "thinking":
            level = self._level()
            if level is not None and self.learned.refuse_level(level, fault.said):
                return True
        if name == "enable_thinking":
            self.learned.extra["enable_thinking"] = False
            return True
        if name == "json" and _FAILED_JSON.search(fault.said):
            self.in_words = True
            return True
        if name == "json":
            return self.learned.drop("json_schema") | self.learned.drop("json_object")
        return self.learned.drop(name)

    def _level(self) -> str | None:
        """Level of thinking to ask for, if any."""
        asked = self.sampling.thinking
        if not isinstance(asked, str) or "thinking" in self.learned.dropped:
            return None
        model = self.to.service.model
        return self.learned.level(asked, levels_of("openai", model) if self.to.official else None)

    def _shrink(self) -> None:
        look = self.looking
        if not self.question.clips:
            self.room.shorter()
        elif look.clips == "video_url":
            self.looking = evolve(look, clips="frames")
        else:
            self.looking = evolve(look, fps=look.fps / 2, max_frames=max(2, look.max_frames // 2))
        self.parts = None

    # -- as sent -------------------------------------------------------------------------------

    def sent(self) -> dict[str, str]:
        """Optional parameters in the request, each with a pattern that names it."""
        names = {*self._options(), self._limit_name(), self.schema_form() or ""}
        if self.schema_form() is not None:
            names.add("json")
        if self.question.clips:
            names.add("detail")
        if self._instruction() and "system" not in self.learned.dropped:
            names.add("system")
        if "enable_thinking" not in self._extra():
            names.add("enable_thinking")
        return {name: pattern for name, pattern in PARAMETERS.items() if name in names}

    def schema_form(self) -> str | None:
        """How the schema is asked for; ``None`` in words, or not at all."""
        dropped = self.learned.dropped
        if self.question.schema is None or self.in_words:
            return None
        forms = ["json_schema"] if self.to.official else ["json_schema", "json_object"]
        return next((form for form in forms if form not in dropped), None)

    def _instruction(self) -> str:
        # Only json_schema is sure to be known; json_object may enforce no more than braces.
        in_words = schema_request(self.question) if self.schema_form() != "json_schema" else ""
        return "\n\n".join(filter(None, (self.question.instruction, in_words)))

    def body(self) -> dict[str, Any]:
        """Keyword arguments of ``create``."""
        form, system = self.schema_form(), self._instruction()
        options = {**self._options(), self._limit_name(): self.room.now}
        thinking = options.pop("thinking", None)
        extra = self._extra()
        body = {"model": self.to.service.model, **options}
        if extra:
            body["extra_body"] = extra
        front = ""
        if "system" in self.learned.dropped:
            front, system = system, ""
        if self.api == "responses":
            return body | self._responses_body(system, front, form, thinking)
        if thinking is not None:
            body["reasoning_effort"] = thinking
        if form is not None:
            body["response_format"] = _chat_format(form, self.question)
        messages = [{"role": "system", "content": system}] if system else []
        return body | {"messages": [*messages, {"role": "user", "content": self._content(front)}]}

    def _extra(self) -> dict[str, Any]:
        """Fields only this server knows: learned ones, the rate of a video, the user's."""
        extra: dict[str, Any] = dict(self.learned.extra)
        rate, server = self._rate(), self.to.server
        if rate is not None and server is not None and server.video_rate == "processor":
            extra["mm_processor_kwargs"] = {"fps": rate, "do_sample_frames": True}
        return _merged(extra, self.extra_body)

    def _rate(self) -> float | None:
        """Frames a second of whole videos, where the server can be told."""
        if self.looking.clips != "video_url" or not self.question.clips:
            return None
        return min(self.looking.fps, max(clip.fps for clip in self.question.clips))

    def _responses_body(
        self, system: str, front: str, form: str | None, thinking: Any
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "input": [{"role": "user", "content": [_input(part) for part in self._list(front)]}],
            "store": False,
        }
        if system:
            body["instructions"] = system
        if form is not None:
            schema = _chat_format("json_schema", self.question)["json_schema"]
            body["text"] = {"format": {"type": "json_schema", **schema}}
        if thinking is not None:
            body["reasoning"] = {"effort": thinking}
        return body

    def _options(self) -> dict[str, Any]:
        sampling = self.sampling
        seed = None if sampling.seed is None else sampling.seed + self.question.sample
        wanted = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed if self.api == "chat" else None,
            "thinking": self._level(),
        }
        dropped = self.learned.dropped
        return {name: v for name, v in wanted.items() if v is not None and name not in dropped}

    def _limit_name(self) -> str:
        if self.api == "responses":
            return "max_output_tokens"
        names = ["max_completion_tokens", "max_tokens"]
        if not self.to.official:
            names.reverse()
        return next((name for name in names if name not in self.learned.dropped), names[0])

    def _content(self, front: str) -> str | list[dict[str, Any]]:
        if self.question.clips:
            return self._list(front)
        return "\n\n".join(filter(None, (front, self.question.text)))

    def _list(self, front: str) -> list[dict[str, Any]]:
        """Parts of the message: ``front``, where no system message is taken, clips, question."""
        if self.parts is None:
            self.parts = self._clip_parts()
        before = [{"type": "text", "text": front}] if front else []
        return [*before, *self.parts, {"type": "text", "text": self.question.text}]

    def _clip_parts(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        look, clips = self.looking, self.question.clips
        labels = self.question.labels or tuple("AB")
        for index, clip in enumerate(clips):
            if look.clips == "video_url":
                video = self.encodings.get(
                    f"{clip.digest} {look.side}", partial(encoded, clip, side=look.side)
                )
                url = base64.b64encode(video).decode()
                if len(clips) > 1:
                    parts.append({"type": "text", "text": video_label(labels[index])})
                address = {"url": f"data:video/mp4;base64,{url}"}
                parts.append({"type": "video_url", "video_url": address, **self._part_rate()})
                continue
            count = frame_count(clip, look.fps, max(2, look.max_frames // len(clips)))
            shown = stills(clip, count, side=look.side, seam=self.question.seam)
            label = stills_label(self.question, index, clip, len(shown))
            parts.append({"type": "text", "text": label})
            for still in shown:
                parts.append({"type": "text", "text": still_label(still.seconds)})
                parts.append({"type": "image_url", "image_url": self._image(still.data_url)})
        return parts

    def _part_rate(self) -> dict[str, Any]:
        in_part = self.to.server is not None and self.to.server.video_rate == "part"
        return {"fps": self._rate()} if in_part else {}

    def _image(self, url: str) -> dict[str, str]:
        told = self.to.official and "detail" not in self.learned.dropped
        return {"url": url, "detail": self.looking.detail} if told else {"url": url}


def _merged(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """``theirs`` over ``ours``, objects inside objects too."""
    merged = dict(ours)
    for name, value in theirs.items():
        mine = merged.get(name)
        both = isinstance(mine, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(mine, value) if both else value  # type: ignore[arg-type]
    return merged


def _chat_format(form: str, question: Question) -> dict[str, Any]:
    schema: Mapping[str, JSON] = question.schema or {}
    if form == "json_object":
        return {"type": "json_object", "schema": dict(schema)}
    return {
        "type": "json_schema",
        "json_schema": {"name": question.stage, "strict": True, "schema": dict(schema)},
    }


def _input(part: dict[str, Any]) -> dict[str, Any]:
    """A chat part as the responses API spells it."""
    if part["type"] == "text":
        return {"type": "input_text", "text": part["text"]}
    image = part["image_url"]
    detail = image.get("detail", "auto")
    return {"type": "input_image", "image_url": image["url"], "detail": detail}
