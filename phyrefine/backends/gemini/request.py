"""One Gemini request in the making: parts and config, and how they change after a fault."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from attrs import define, evolve, field, frozen, validators

from phyrefine.backends.calling.asking import Sampling
from phyrefine.backends.calling.learned import Learned, Room
from phyrefine.backends.calling.models import BUDGETS, budget_of, level_of_tokens, levels_of
from phyrefine.backends.calling.policy import Fault
from phyrefine.backends.calling.service import Service
from phyrefine.backends.calling.wording import schema_request
from phyrefine.types import Question

Route = Literal["auto", "inline", "files", "frames"]

# Frames a second that the service samples at most.
MOST_FPS = 24.0

# Names under which a service may complain about a parameter.
PARAMETERS = {
    "temperature": r"temperature",
    "top_p": r"top_?p\b",
    "seed": r"\bseed\b",
    "thinking": r"thinking",
    "media_resolution": r"media_?resolution",
    "schema": r"schema|response_?mime|responseFormat|json mode|constrained decoding",
    "system": r"(developer|system)[ _]?(instruction|role|message|prompt)",
}


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

    fps: float = field(default=8.0, validator=[validators.gt(0), validators.le(MOST_FPS)])
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
        learned: What is known about the model, for this question.
        service: Who is asked.
        prepare: Makes the parts of the clips anew.
        another_route: Whether the route may change.
        has_files: Whether the service has a Files API.
        extra_body: Fields of the body that the user wants.
        parts: Parts of the clips.
        shift: Added to the seed.
        room: Most output tokens.
    """

    question: Question
    sampling: Sampling
    looking: Looking
    route: Route
    learned: Learned
    service: Service
    prepare: Callable[[Draft], list[Any]]
    another_route: bool = False
    has_files: bool = True
    extra_body: Mapping[str, Any] = field(factory=dict)
    parts: list[Any] = field(factory=list)
    shift: int = 0
    room: Room = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.room = Room(self.sampling.max_tokens, self.learned)

    def amend(self, fault: Fault) -> bool:
        """Change what a fault is about; ``False`` when nothing is left to change."""
        if fault.change == "longer":
            return self.room.longer(fault)
        elif fault.change == "shorter":
            return self.room.shorter(fault.detail)
        elif fault.change == "parameter":
            return self._replace(fault)
        elif fault.change == "seed":
            self.shift += 1000
        elif fault.change == "smaller":
            return self._shrink()
        elif fault.change == "file":
            self.parts = self.prepare(self)
        return True

    def _replace(self, fault: Fault) -> bool:
        """Another value where the service takes one, else leave the parameter out."""
        if fault.detail == "thinking" and self._rethink(fault.said):
            return True
        return self.learned.drop(fault.detail)

    def _rethink(self, said: str) -> bool:
        sent = self._thinking() or {}
        if "thinking_level" in sent:
            return self.learned.refuse_level(sent["thinking_level"].lower(), said)
        bounds = re.search(r"between (\d+) and (\d+)", said)
        if bounds is not None and self.learned.budgets is None:
            self.learned.budgets = (int(bounds.group(1)), int(bounds.group(2)))
            return True
        if re.search(r"thinking_?level", said, re.IGNORECASE):
            return self.learned.drop("thinking_budget")
        if sent.get("thinking_budget") == 0 and self.learned.budgets is None:
            self.learned.budgets = (BUDGETS["minimal"], BUDGETS["max"])
            return True
        return False

    def _thinking(self) -> dict[str, Any] | None:
        thinking = self.sampling.thinking
        if thinking is None or "thinking" in self.learned.dropped:
            return None
        return thinking_config(self.service.model, thinking, self.learned)

    def _shrink(self) -> bool:
        if not self.question.clips:
            return self.room.now > 1 and self.room.shorter()
        if self.another_route and self.has_files and self.route == "inline":
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
        names = set(self._options())
        if self._instruction() and "system" not in self.learned.dropped:
            names.add("system")
        return {name: PARAMETERS[name] for name in PARAMETERS if name in names}

    def contents(self) -> list[dict[str, Any]]:
        """``contents`` of ``generate_content``."""
        front = self._instruction() if "system" in self.learned.dropped else ""
        before = [{"text": front}] if front else []
        parts = [*before, *self.parts, {"text": self.question.text}]
        return [{"role": "user", "parts": parts}]

    def _instruction(self) -> str:
        taken = self.question.schema is not None and "schema" not in self.learned.dropped
        in_words = "" if taken else schema_request(self.question)
        return "\n\n".join(filter(None, (self.question.instruction, in_words)))

    def config(self, timeout: float) -> dict[str, Any]:
        """``config`` of ``generate_content``; ``timeout`` in seconds."""
        options = self._options()
        schema = options.pop("schema", None)
        if schema is not None:
            options |= {"response_mime_type": "application/json", "response_json_schema": schema}
        thinking = options.pop("thinking", None)
        if thinking is not None:
            options["thinking_config"] = thinking
        if "media_resolution" in options:
            level = str(options["media_resolution"]).upper()
            options["media_resolution"] = f"MEDIA_RESOLUTION_{level}"
        system = self._instruction() if "system" not in self.learned.dropped else ""
        http: dict[str, Any] = {"timeout": max(1, int(timeout * 1000))}
        # A client given may retry by itself; the one retry layer is ours.
        http["retry_options"] = {"attempts": 1}
        if self.extra_body:
            http["extra_body"] = dict(self.extra_body)
        return options | {
            "system_instruction": system or None,
            "max_output_tokens": self.room.now,
            "http_options": http,
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
            "thinking": self._thinking(),
            "media_resolution": self.looking.media_resolution if self.question.clips else None,
            "schema": self.question.schema,
        }
        dropped = self.learned.dropped
        return {name: v for name, v in wanted.items() if v is not None and name not in dropped}


def thinking_config(
    model: str, thinking: str | int, learned: Learned | None = None
) -> dict[str, Any] | None:
    """Effort in words or tokens as the model's family takes it; ``None`` sends nothing.

    The 2.5 family takes a budget in tokens (0 off, -1 automatic), Gemini 3 and later a level: the
    nearest one that the model takes. There -1 is what happens anyhow.
    """
    known = learned or Learned()
    tokens = BUDGETS[thinking.lower()] if isinstance(thinking, str) else thinking
    if known.budgets is not None:
        return {"thinking_budget": min(known.budgets[1], max(known.budgets[0], tokens))}
    budget = budget_of(model, tokens)
    if budget is not None and "thinking_budget" not in known.dropped:
        return {"thinking_budget": budget}
    if tokens < 0:
        return None
    asked = thinking.lower() if isinstance(thinking, str) else level_of_tokens(tokens)
    level = known.level(asked, levels_of("gemini", model))
    return None if level is None else {"thinking_level": level.upper()}
