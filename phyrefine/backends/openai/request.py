"""One OpenAI-style request in the making, and how it changes after a fault."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from attrs import define, evolve, frozen, validators
from attrs import field as attrs_field

from phyrefine.backends.calling.asking import Observed, Sampling
from phyrefine.backends.calling.media import Recent, encoded, frame_count, stills
from phyrefine.backends.calling.policy import Fault
from phyrefine.backends.calling.service import Service
from phyrefine.backends.calling.wording import (
    schema_request,
    still_label,
    stills_label,
    video_label,
)
from phyrefine.types import JSON, Question

Api = Literal["chat", "responses"]
Clips = Literal["frames", "video_url"]

# Names under which a server may complain about a parameter.
PARAMETERS = {
    "temperature": r"temperature",
    "top_p": r"top_?p\b",
    "seed": r"\bseed\b",
    "thinking": r"reasoning(_effort)?\b",
    "max_completion_tokens": r"max_completion_tokens",
    "max_tokens": r"\bmax_tokens",
    "detail": r"\bdetail\b",
    "json_schema": r"response_format|json_schema|text\.format|schema",
    "json_object": r"response_format|json_object|text\.format",
}


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


@define
class Draft:
    """A request that can still change.

    Attributes:
        question: What is asked.
        sampling: How to answer; changes when an answer is cut.
        looking: How to look; changes when a request is too large.
        observed: What the client knows about the server.
        service: Who is asked.
        official: It is OpenAI's own endpoint.
        api: Which of the two APIs.
        encodings: Videos encoded for earlier questions.
        parts: Parts of the clips, made once.
    """

    question: Question
    sampling: Sampling
    looking: Looking
    observed: Observed
    service: Service
    official: bool
    api: Api
    encodings: Recent
    parts: list[dict[str, Any]] | None = None

    # -- after a fault -------------------------------------------------------------------------

    def amend(self, fault: Fault) -> bool:
        """Change what a fault is about; ``False`` when nothing is left to change."""
        if fault.change == "longer":
            self.sampling = evolve(self.sampling, max_tokens=2 * self.sampling.max_tokens)
            return True
        if fault.change == "parameter":
            return self.observed.drop(fault.detail, self.service)
        if fault.change == "smaller":
            self._shrink()
            return True
        return False

    def _shrink(self) -> None:
        look = self.looking
        if not self.question.clips:
            self.sampling = evolve(self.sampling, max_tokens=-(-self.sampling.max_tokens // 2))
        elif look.clips == "video_url":
            self.looking = evolve(look, clips="frames")
        else:
            self.looking = evolve(look, fps=look.fps / 2, max_frames=max(2, look.max_frames // 2))
        self.parts = None

    # -- as sent -------------------------------------------------------------------------------

    def sent(self) -> dict[str, str]:
        """Optional parameters in the request, each with a pattern that names it."""
        names = {*self._options(), self._limit_name(), self.schema_form() or ""}
        if self.question.clips:
            names.add("detail")
        return {name: pattern for name, pattern in PARAMETERS.items() if name in names}

    def schema_form(self) -> str | None:
        """How the schema is asked for; ``None`` in words, or not at all."""
        dropped = self.observed.dropped
        if self.question.schema is None:
            return None
        forms = ["json_schema"] if self.official else ["json_schema", "json_object"]
        return next((form for form in forms if form not in dropped), None)

    def body(self) -> dict[str, Any]:
        """Keyword arguments of ``create``."""
        form = self.schema_form()
        # Only json_schema is sure to be known; json_object may enforce no more than braces.
        in_words = schema_request(self.question) if form != "json_schema" else ""
        system = "\n\n".join(filter(None, (self.question.instruction, in_words)))
        options = {**self._options(), self._limit_name(): self.sampling.max_tokens}
        thinking = options.pop("thinking", None)
        body = {"model": self.service.model, **options}
        if self.api == "responses":
            return body | self._responses_body(system, form, thinking)
        if thinking is not None:
            body["reasoning_effort"] = thinking
        if form is not None:
            body["response_format"] = _chat_format(form, self.question)
        messages = [{"role": "system", "content": system}] if system else []
        return body | {"messages": [*messages, {"role": "user", "content": self._content()}]}

    def _responses_body(self, system: str, form: str | None, thinking: Any) -> dict[str, Any]:
        body: dict[str, Any] = {
            "input": [{"role": "user", "content": [_input(part) for part in self._list()]}],
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
            "thinking": sampling.thinking,
        }
        dropped = self.observed.dropped
        return {name: v for name, v in wanted.items() if v is not None and name not in dropped}

    def _limit_name(self) -> str:
        if self.api == "responses":
            return "max_output_tokens"
        names = ["max_completion_tokens", "max_tokens"]
        if not self.official:
            names.reverse()
        return next((name for name in names if name not in self.observed.dropped), names[0])

    def _content(self) -> str | list[dict[str, Any]]:
        return self._list() if self.question.clips else self.question.text

    def _list(self) -> list[dict[str, Any]]:
        if self.parts is None:
            self.parts = self._clip_parts()
        return [*self.parts, {"type": "text", "text": self.question.text}]

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
                parts.append({"type": "video_url", "video_url": address})
                continue
            count = frame_count(clip, look.fps, max(2, look.max_frames // len(clips)))
            shown = stills(clip, count, side=look.side, seam=self.question.seam)
            label = stills_label(self.question, index, clip, len(shown))
            parts.append({"type": "text", "text": label})
            for still in shown:
                parts.append({"type": "text", "text": still_label(still.seconds)})
                parts.append({"type": "image_url", "image_url": self._image(still.data_url)})
        return parts

    def _image(self, url: str) -> dict[str, str]:
        told = self.official and "detail" not in self.observed.dropped
        return {"url": url, "detail": self.looking.detail} if told else {"url": url}


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
