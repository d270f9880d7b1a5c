"""Who says where a continuation goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import attrs
from attrs import evolve, field, frozen

from phyrefine.adapt import as_vlm
from phyrefine.protocols import VLM, identity
from phyrefine.refine import stages
from phyrefine.refine.stages import Method
from phyrefine.types import Critique, Scenario, Shot
from phyrefine.video.clip import Clip

# A still clip is worse than any list of violations: praise of it means little.
STILL = 100.0


@frozen
class Look:
    """What a verifier is shown.

    Attributes:
        shot: What was asked of the generator.
        clip: The continuation so far, native frames; it may be shorter than the shot asks.
    """

    shot: Shot
    clip: Clip

    @property
    def scenario(self) -> Scenario:
        """The shot as a scenario, as long as the clip."""
        return evolve(scenario_of(self.shot), seconds=self.clip.duration)


def scenario_of(shot: Shot) -> Scenario:
    """A shot as a scenario; its prompt stands for the description."""
    text = shot.prompt.text or "The scene goes on."
    return Scenario(text, shot.prefix, seconds=shot.seconds, fps=shot.fps, size=shot.size)


@runtime_checkable
class Verifier(Protocol):
    """Says what is wrong with a continuation, and when it begins."""

    def verify(self, look: Look, /) -> Critique | None:
        """Violations with times in seconds of the continuation; ``None`` if it cannot tell."""
        ...


@frozen
class CriticVerifier:
    """The critique stage as a verifier.

    Attributes:
        vlm: Watches the prefix and the continuation so far.
        method: Switches of the critique stage. By default there is one look and no plan.
    """

    vlm: VLM = field(converter=as_vlm)
    method: Method = field(
        factory=lambda: Method(plan=False, second_look=False, tell_history=False)
    )

    @property
    def identity(self) -> str:
        """The VLM's, and the switches."""
        return f"critic({identity(self.vlm)}, {self.method!r})"

    def verify(self, look: Look) -> Critique | None:
        """The VLM's critique."""
        return stages.critique(self.vlm, look.clip, look.scenario, self.method)


def as_verifier(value: Any) -> Verifier:
    """A verifier itself, or the critique stage around a VLM, a function or a registry name.

    Raises:
        InvalidInputError: It is none of these.
    """
    if hasattr(value, "verify"):
        made: Verifier = value
        return made
    return CriticVerifier(value)


def with_vlm(verifier: Verifier, wrap: Callable[[VLM], VLM]) -> Verifier:
    """The verifier with its field ``vlm`` wrapped, where it is a value that has one."""
    vlm = getattr(verifier, "vlm", None)
    if vlm is None or not attrs.has(type(verifier)):
        return verifier
    changed: Verifier = evolve(verifier, vlm=wrap(vlm))  # type: ignore[misc]
    return changed


def first_start(critique: Critique) -> float | None:
    """Seconds at which the first violation begins; 0 where one has no time; ``None`` if clean."""
    if not critique.violations:
        return None
    return min(found.start or 0.0 for found in critique.violations)


def score_of(critique: Critique) -> float:
    """Minus the severity; 0 is best. A still clip is worse than any violations."""
    return -critique.severity - (STILL if critique.still else 0.0)
