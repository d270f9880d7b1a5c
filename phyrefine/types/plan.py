"""The plan: what is to be seen after the seam, statement by statement, before it is worded.

Times are seconds after the seam, where the prefix ends. A plan holds no wording of any model: a
dialect (:mod:`phyrefine.refine.dialects`) turns it into a prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeVar

from attrs import evolve, field, frozen, validators

from phyrefine.video.motion import Motion

Kind = Literal[
    "description", "scene", "camera", "object", "event", "end", "unchanged", "law"
]  # fmt: skip
T = TypeVar("T")


@frozen
class PlanObject:
    """One thing in the scene.

    Attributes:
        name: What it is called everywhere, such as ``"the red ball"``.
        material: What it is made of; empty if unknown.
        place: Where it is at the seam.
        motion: How it moves at the seam, in words.
        measured: The same, measured from the prefix; ``None`` where it could not be.
    """

    name: str
    material: str = ""
    place: str = ""
    motion: str = ""
    measured: Motion | None = None

    def in_words(self) -> str:
        """One sentence with everything that is known."""
        name = self.name[:1].upper() + self.name[1:]
        made = f", made of {self.material}," if self.material else ""
        parts = [_predicate(part) for part in (self.place, self.motion) if part.strip(" .")]
        return f"{name}{made} {' and '.join(parts) or 'is in view'}."


# Words a predicate may begin with beside verbs in -s.
_NO_VERBS = frozenset("across towards towards upwards downwards sideways backwards always".split())


def _predicate(text: str) -> str:
    """``moving left`` and ``at rest`` get their ``is``; ``moves left`` stands."""
    words = text.strip(" .").split()
    first = words[0].lower()
    verb = first.endswith("s") and len(first) > 2 and first not in _NO_VERBS
    if not verb and first != "is":
        words = ["is", *words]
    return " ".join(words)


@frozen
class PlanEvent:
    """One thing that happens, or one steady behavior.

    Attributes:
        what: One observable statement.
        start: Seconds after the seam at which it begins; ``None`` if not stated.
        end: Seconds after the seam at which it ends; ``None`` if not stated.
        broken: How many loops showed it broken. What was broken stays longest in a prompt.
    """

    what: str = field(validator=validators.min_len(1))
    start: float | None = None
    end: float | None = None
    broken: int = 0


@frozen
class Statement:
    """One statement of a plan, and where it stands.

    Attributes:
        kind: Part of the plan.
        index: Position within that part.
        text: The statement.
        start: Seconds after the seam; events only.
        end: Seconds after the seam; events only.
    """

    kind: Kind
    index: int
    text: str
    start: float | None = None
    end: float | None = None

    @property
    def key(self) -> tuple[Kind, int]:
        """What :meth:`Plan.without` takes."""
        return self.kind, self.index


@frozen
class Plan:
    """What the continuation shows.

    Attributes:
        description: D, the user's line about the scene; never dropped.
        scene: What is in the prefix, as the VLM saw it.
        camera: What the camera does.
        objects: Things in view, with their motion at the seam.
        events: What happens, in order of time.
        end: What the last moment shows.
        unchanged: What stays as it is.
        laws: Laws at work, by name; only dialects with a place for them say them.
        avoid: What the last video showed wrong; for negative prompts.
    """

    description: str = ""
    scene: str = ""
    camera: str = ""
    objects: tuple[PlanObject, ...] = ()
    events: tuple[PlanEvent, ...] = ()
    end: str = ""
    unchanged: tuple[str, ...] = ()
    laws: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()

    def statements(self) -> Iterator[Statement]:
        """Every statement, in the order in which a reader expects them."""
        for kind, text in (("description", self.description), ("scene", self.scene)):
            if text:
                yield Statement(kind, 0, text)  # type: ignore[arg-type]
        for index, thing in enumerate(self.objects):
            yield Statement("object", index, thing.in_words())
        for index, event in enumerate(self.events):
            yield Statement("event", index, event.what, event.start, event.end)
        if self.end:
            yield Statement("end", 0, self.end)
        for index, text in enumerate(self.unchanged):
            yield Statement("unchanged", index, text)
        if self.camera:
            yield Statement("camera", 0, self.camera)
        for index, text in enumerate(self.laws):
            yield Statement("law", index, text)

    def without(self, *keys: tuple[Kind, int]) -> Plan:
        """The plan without some statements.

        Args:
            *keys: ``Statement.key`` of each.
        """
        gone = set(keys)

        def left(kind: Kind, items: tuple[T, ...]) -> tuple[T, ...]:
            return tuple(item for i, item in enumerate(items) if (kind, i) not in gone)

        return evolve(
            self,
            description="" if ("description", 0) in gone else self.description,
            scene="" if ("scene", 0) in gone else self.scene,
            camera="" if ("camera", 0) in gone else self.camera,
            end="" if ("end", 0) in gone else self.end,
            objects=left("object", self.objects),
            events=left("event", self.events),
            unchanged=left("unchanged", self.unchanged),
            laws=left("law", self.laws),
        )

    def timed(self, seconds: float) -> Plan:
        """Every event with a start and an end; times that are given stay.

        Events without a time share the time between their timed neighbors evenly, in order; an
        end that is not stated is the next event's start.

        Args:
            seconds: Length of the continuation.
        """
        starts = _filled([event.start for event in self.events], seconds)
        events = []
        for index, event in enumerate(self.events):
            start = min(max(0.0, starts[index]), seconds)
            later = next((at for at in starts[index + 1 :] if at > start), seconds)
            end = later if event.end is None else min(event.end, seconds)
            events.append(evolve(event, start=round(start, 2), end=round(max(start, end), 2)))
        return evolve(self, events=tuple(events))


def _filled(starts: list[float | None], seconds: float) -> list[float]:
    """Starts with the gaps between known ones shared evenly."""
    filled: list[float] = []
    for index, start in enumerate(starts):
        if start is not None:
            filled.append(start)
            continue
        before = filled[-1] if filled else 0.0
        after = next(((j, at) for j, at in enumerate(starts) if j > index and at is not None), None)
        position, goal = after if after is not None else (len(starts), seconds)
        first = 0 if not filled else 1
        steps = position - index + first
        share = (max(goal, before) - before) / steps if steps else 0.0
        filled.append(before + (share if filled else 0.0))
    return filled
