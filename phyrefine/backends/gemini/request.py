"""One Gemini request in the making: parts and config, and how they change after a fault."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from attrs import define, evolve, field, frozen, validators

from phyrefine.backends.calling.asking import Observed, Sampling
from phyrefine.backends.calling.policy import Fault
from phyrefine.backends.calling.service import Service
from phyrefine.backends.calling.wording import schema_request
from phyrefine.types import Question

Route = Literal["auto", "inline", "files", "frames"]

# Names under which a service may complain about a parameter.
PARAMETERS = {
    "temperature": r"temperature",
    "top_p": r"top_?p\b",
    "seed": r"\bseed\b",
    "thinking": r"thinking",
    "media_resolution": r"media_?resolution",
    "schema": r"response_?(json_?)?schema|response_?mime|responseFormat",
}
# Thinking effort in words against the 2.5 family's budget in tokens.
BUDGETS = {"minimal": 128, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 32_768}


@frozen
class Looking:
    """How Gemini looks at a clip.

    Attributes:
        fps: Frames a second it samples, above 0 and up to 24. Its own default of 1 misses
            physics.
        media_resolution: ``"low"``, ``"medium"`` or ``"high"``; ``None`` for the service's own.
        side: Longer side in pixels of what is sent; ``None`` never shrinks.
        max_frames: Most still frames, where frames are sent.
    """

    fps: float = field(default=8.0, validator=[validators.gt(0), validators.le(24)])
    media_resolution: str | None = field(
        default=None, validator=validators.in_((None, "low", "medium", "high"))
    )
    side: int | None = 1280
    max_frames: int = field(default=64, validator=validators.ge(1))


@define
class Draft:
    """A request that can still change.

    Attributes:
        question: What is asked.
        sampling: How to answer; changes when an answer is cut.
        looking: How to look; changes when a request is too large.
        route: How the clips travel.
        observed: What the client knows about the service.
        service: Who is asked.
        prepare: Makes the parts of the clips anew.
        another_route: Whether the route may change.
        parts: Parts of the clips.
        shift: Added to the seed.
    """

    question: Question
    sampling: Sampling
    looking: Looking
    route: Route
    observed: Observed
    service: Service
    prepare: Callable[[Draft], list[Any]]
    another_route: bool = False
    parts: list[Any] = field(factory=list)
    shift: int = 0

    def amend(self, fault: Fault) -> bool:
        """Change what a fault is about; ``False`` when nothing is left to change."""
        if fault.change == "longer":
            self.sampling = evolve(self.sampling, max_tokens=2 * self.sampling.max_tokens)
        elif fault.change == "parameter":
            return self.observed.drop(fault.detail, self.service)
        elif fault.change == "seed":
            self.shift += 1000
        elif fault.change == "smaller":
            return self._shrink()
        elif fault.change == "file":
            self.parts = self.prepare(self)
        return True

    def _shrink(self) -> bool:
        if not self.question.clips:
            return False
        if self.another_route and self.route == "inline":
            self.route = "files"
        else:
            look = self.looking
            self.looking = evolve(
                look, fps=look.fps / 2, media_resolution="low", max_frames=-(-look.max_frames // 2)
            )
        self.parts = self.prepare(self)
        return True

    def sent(self) -> dict[str, str]:
        """Optional parameters in the request, each with a pattern that names it."""
        return {name: PARAMETERS[name] for name in PARAMETERS if name in self._options()}

    def config(self, timeout: float) -> dict[str, Any]:
        """``config`` of ``generate_content``; ``timeout`` in seconds."""
        options = self._options()
        schema = options.pop("schema", None)
        if schema is not None:
            options |= {"response_mime_type": "application/json", "response_json_schema": schema}
        thinking = options.pop("thinking", None)
        if thinking is not None:
            options["thinking_config"] = thinking_config(self.service.model, thinking)
        if "media_resolution" in options:
            level = str(options["media_resolution"]).upper()
            options["media_resolution"] = f"MEDIA_RESOLUTION_{level}"
        in_words = schema_request(self.question) if schema is None else ""
        system = "\n\n".join(filter(None, (self.question.instruction, in_words)))
        return options | {
            "system_instruction": system or None,
            "max_output_tokens": self.sampling.max_tokens,
            "http_options": {"timeout": max(1, int(timeout * 1000))},
            "should_return_http_response": True,
        }

    def _options(self) -> dict[str, Any]:
        sampling, seed = self.sampling, self.sampling.seed
        number = self.question.sample + self.shift
        wanted = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            # A retry after RECITATION needs another draw, asked for or not.
            "seed": (seed or 0) + number if seed is not None or self.shift else None,
            "thinking": sampling.thinking,
            "media_resolution": self.looking.media_resolution if self.question.clips else None,
            "schema": self.question.schema,
        }
        dropped = self.observed.dropped
        return {name: v for name, v in wanted.items() if v is not None and name not in dropped}


def thinking_config(model: str, thinking: str | int) -> dict[str, Any]:
    """Effort in words or tokens as the model's family takes it.

    The 2.5 family takes a budget in tokens (0 off, -1 automatic), Gemini 3 and later a level.
    """
    takes_budget = re.match(r"(models/)?gemini-2", model) is not None
    if takes_budget:
        budget = BUDGETS[thinking.lower()] if isinstance(thinking, str) else thinking
        return {"thinking_budget": budget}
    if isinstance(thinking, int):
        thinking = next((word for word, most in BUDGETS.items() if thinking <= most), "xhigh")
    return {"thinking_level": thinking.upper()}
