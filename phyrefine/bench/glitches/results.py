"""What a critic finds, and when, against what people annotated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import asdict, frozen

from phyrefine.bench.glitches.annotations import Annotated
from phyrefine.bench.glitches.matching import Meeting, meet
from phyrefine.bench.glitches.watching import Seen
from phyrefine.bench.scoring.intervals import RESAMPLES
from phyrefine.table import Table


@frozen
class Share:
    """A count out of a count, with its 95 % bootstrap interval over clips.

    Attributes:
        part: Counted.
        whole: Out of.
        low: Lower end of the interval; ``None`` where there is none.
        high: Upper end.
    """

    part: float
    whole: int
    low: float | None = None
    high: float | None = None

    @property
    def value(self) -> float | None:
        """The share; ``None`` out of nothing."""
        return self.part / self.whole if self.whole else None

    def shown(self) -> str:
        """For a table."""
        if self.value is None:
            return "–"
        part = f"{self.part:.1f}" if self.part % 1 else f"{self.part:.0f}"
        told = f"{self.value:.1%} ({part} of {self.whole})"
        if self.low is None or self.high is None:
            return told
        return f"{told} [{self.low:.1%}, {self.high:.1%}]"


@frozen
class GlitchResult:
    """A critic against annotated glitches.

    Attributes:
        critic: Its name.
        clips: Clips watched.
        detected: Faulty clips in which it found anything.
        false_alarms: Clean clips in which it found anything.
        precision: Its times that meet an annotated one.
        recall: Annotated times that one of its times meets.
        chance: The same recall if its times were shifted at random.
        covered: Share of the clips that its times cover.
        untimed: Violations without a time.
        notes: What a reader must know.
    """

    critic: str
    clips: int
    detected: Share
    false_alarms: Share
    precision: Share
    recall: Share
    chance: Share
    covered: float
    untimed: int
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> Table:
        """Two columns: what, and how much."""
        rows = [
            ("faulty clips found", self.detected.shown()),
            ("clean clips called faulty (false alarms)", self.false_alarms.shown()),
            ("its times that meet a glitch (precision)", self.precision.shown()),
            ("glitches that one of its times meets (recall)", self.recall.shown()),
            ("the same recall by chance", self.chance.shown()),
            ("share of the clips that its times cover", f"{self.covered:.1%}"),
            ("violations without a time", self.untimed),
        ]
        caption = f"Critic: {self.critic}, {self.clips} clips"
        return Table(("", "share"), rows, caption=caption, notes=self.notes)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def glitch_result(
    critic: str,
    clips: Sequence[Annotated],
    seen: Mapping[str, Seen],
    *,
    tolerance: float,
    notes: Sequence[str] = (),
) -> GlitchResult:
    """Count what met what.

    Args:
        critic: Its name.
        clips: Annotated clips.
        seen: What the critic said, by name; clips without are left out.
        tolerance: Seconds that two times may lie apart and still meet.
        notes: Further notes.
    """
    known = [one for one in clips if one.name in seen and seen[one.name].usable]
    # Times count where people gave any: elsewhere there is nothing to meet.
    timed = [one for one in known if one.glitches or not one.faulty]
    meetings = [
        meet(seen[one.name].times, one.glitches, tolerance=tolerance,
             duration=seen[one.name].duration, seed=number)
        for number, one in enumerate(timed)
    ]  # fmt: skip
    faulty = [float(seen[one.name].found > 0) for one in known if one.faulty]
    clean = [float(seen[one.name].found > 0) for one in known if not one.faulty]
    length = sum(seen[one.name].duration for one in timed)
    covered = sum(m.covered * seen[o.name].duration for m, o in zip(meetings, timed, strict=True))
    unusable = sum(not one.usable for one in seen.values())
    without = sum(one.untimed for one in known)
    told = list(notes)
    told.append(f"Two times meet if they lie at most {tolerance:g} s apart, each used once.")
    if without:
        told.append(
            f"{without} descriptions of glitches hold no time that could be read: their clips "
            "count as faulty, and not for times unless they have others."
        )
    if unusable:
        told.append(f"{unusable} clips left out: the critic said nothing usable of them.")
    return GlitchResult(
        critic,
        len(known),
        _share([(value, 1) for value in faulty]),
        _share([(value, 1) for value in clean]),
        _share(_counts(meetings, lambda m: m.met, lambda m: m.given)),
        _share(_counts(meetings, lambda m: m.met, lambda m: m.annotated)),
        _share(_counts(meetings, lambda m: m.by_chance, lambda m: m.annotated), interval=False),
        covered / length if length else 0.0,
        sum(seen[one.name].found - len(seen[one.name].times) for one in known),
        tuple(told),
    )


def _counts(
    meetings: Sequence[Meeting],
    part: Callable[[Meeting], float],
    whole: Callable[[Meeting], int],
) -> list[tuple[float, int]]:
    return [(part(one), whole(one)) for one in meetings]


def _share(counts: Sequence[tuple[float, int]], *, interval: bool = True) -> Share:
    part, whole = sum(one for one, _ in counts), sum(one for _, one in counts)
    if not interval or len(counts) < 2 or not whole:
        return Share(part, whole)
    array = np.asarray(counts, float)
    random = np.random.default_rng(0)
    shares = []
    for _ in range(RESAMPLES // 100):
        drawn = array[random.integers(0, len(array), (100, len(array)))].sum(axis=1)
        shares.append(drawn[:, 0] / np.maximum(drawn[:, 1], 1))
    low, high = np.quantile(np.concatenate(shares), (0.025, 0.975))
    return Share(part, whole, float(low), float(high))
