"""The self-test of a judge: does it like a clip better than the spoiled variants of it?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from attrs import field, frozen

from phyrefine.errors import InvalidInputError
from phyrefine.protocols import Scorer
from phyrefine.refine.asking import UNUSABLE
from phyrefine.select.judging.variants import KINDS, variants
from phyrefine.table import Table
from phyrefine.types import JSON, Scenario
from phyrefine.video.clip import Clip

# A judge may choose that scores the clean clip above the variant in at least three of four.
NEEDED = 0.75
FEWEST = 4


@frozen
class Comparison:
    """A clip against one spoiled variant of it.

    Attributes:
        clip: Name of the clip.
        kind: Kind of the variant.
        clean: Score of the clip; NaN where the judge said nothing usable.
        variant: Score of the variant; ``None`` where there is no such variant.
        note: Why there is none, or what the judge said instead.
    """

    clip: str
    kind: str
    clean: float
    variant: float | None = None
    note: str = ""

    @property
    def counts(self) -> bool:
        """Whether there was a variant to compare with."""
        return self.variant is not None

    @property
    def won(self) -> bool:
        """The clean clip scored strictly higher; a tie or an unusable reply is no win."""
        return self.variant is not None and self.clean > self.variant


@frozen
class JudgeTest:
    """What the self-test of a judge found.

    Attributes:
        judge: Its name.
        comparisons: Every clip against every kind of variant.
        unusable: What the judge said instead of a score, each reason once.
        clean: Score of each clean clip by name.
        alarm_below: A clean clip that scores below this is called faulty; ``None`` if the judge
            has no such mark.
    """

    judge: str
    comparisons: tuple[Comparison, ...]
    clean: Mapping[str, float] = field(factory=dict)
    alarm_below: float | None = None
    unusable: tuple[str, ...] = ()

    @property
    def counted(self) -> tuple[Comparison, ...]:
        """Comparisons with a variant."""
        return tuple(one for one in self.comparisons if one.counts)

    @property
    def wins(self) -> int:
        """Comparisons that the clean clip won."""
        return sum(one.won for one in self.counted)

    @property
    def false_alarms(self) -> int | None:
        """Clean clips called faulty; ``None`` if the judge has no mark for that."""
        if self.alarm_below is None:
            return None
        return sum(score < self.alarm_below for score in self.clean.values())

    @property
    def usable(self) -> bool:
        """Whether it may choose: three of four comparisons won, of at least four."""
        return len(self.counted) >= FEWEST and self.wins >= NEEDED * len(self.counted)

    @property
    def verdict(self) -> str:
        """One sentence for reports."""
        count = len(self.counted)
        told = f"{self.judge} scored the clean clip above the spoiled one in {self.wins} of {count}"
        alarms = self.false_alarms
        if alarms is not None:
            told += f" and called {alarms} of {len(self.clean)} clean clips faulty"
        if self.usable:
            return f"{told}: it may choose."
        why = f"fewer than {FEWEST} comparisons" if count < FEWEST else "fewer than 3 in 4"
        return f"{told}: {why}, so it may write text but not choose."

    @property
    def table(self) -> Table:
        """A row for each comparison, then the verdict."""
        rows = [
            (one.clip, one.kind, _number(one.clean), _number(one.variant),
             ("yes" if one.won else "no") if one.counts else "not counted", one.note)
            for one in self.comparisons
        ]  # fmt: skip
        columns = ("clip", "variant", "clean", "spoiled", "clean above", "note")
        caption = f"Self-test of {self.judge}"
        notes = (*self.by_kind, *self.unusable, self.verdict)
        return Table(columns, rows, caption=caption, notes=notes)

    def to_json(self) -> dict[str, JSON]:
        """Plain values: scores, wins and the verdict; NaN becomes null."""
        return {
            "judge": self.judge,
            "usable": self.usable,
            "verdict": self.verdict,
            "wins": self.wins,
            "comparisons": [
                {"clip": one.clip, "variant": one.kind, "clean": _plain(one.clean),
                 "spoiled": _plain(one.variant), "won": one.won if one.counts else None,
                 "note": one.note}
                for one in self.comparisons
            ],
            "false_alarms": self.false_alarms,
            "unusable": list(self.unusable),
        }  # fmt: skip

    @property
    def by_kind(self) -> tuple[str, ...]:
        """Wins by kind of variant, in words."""
        counts = Counter(one.kind for one in self.counted)
        wins = Counter(one.kind for one in self.counted if one.won)
        return tuple(f"{kind}: {wins[kind]} of {counts[kind]}" for kind in KINDS if counts[kind])


def self_test(
    scorer: Scorer,
    clips: Mapping[str, tuple[Scenario, Clip]],
    *,
    irreversible: bool | None = None,
    alarm_below: float | None = None,
    seed: int = 0,
) -> JudgeTest:
    """Score clips and spoiled variants of them.

    Args:
        scorer: The judge; asked once for each clip and each variant.
        clips: By name, what was asked for and the clip. A clip is taken to be clean, so real
            footage is best.
        irreversible: See :func:`~phyrefine.select.judging.variants.variants`.
        alarm_below: Score under which the judge calls a clip faulty.
        seed: Of the shuffled order.

    Raises:
        InvalidInputError: No clips, or nothing moves in one of them.
        BackendError: The judge could not be asked at all.
    """
    if not clips:
        raise InvalidInputError("A judge is tested on at least one clip.")
    # All variants are made first: a clip that cannot be used costs no question.
    made = {
        name: variants(clip, irreversible=irreversible, seed=seed)
        for name, (_, clip) in clips.items()
    }
    comparisons: list[Comparison] = []
    clean: dict[str, float] = {}
    unusable: dict[str, None] = {}
    for name, (scenario, clip) in clips.items():
        clean[name] = _score(scorer, scenario, clip, unusable)
        for variant in made[name]:
            if variant.clip is None:
                one = Comparison(name, variant.kind, clean[name], note=variant.note)
            else:
                score = _score(scorer, scenario, variant.clip, unusable)
                one = Comparison(name, variant.kind, clean[name], score)
            comparisons.append(one)
    return JudgeTest(scorer.name, tuple(comparisons), clean, alarm_below, tuple(unusable))


def _score(scorer: Scorer, scenario: Scenario, clip: Clip, unusable: dict[str, None]) -> float:
    try:
        return scorer.score(scenario, clip)
    except UNUSABLE as error:
        unusable[f"No usable reply: {error}"] = None
        return math.nan


def _plain(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return "no score" if math.isnan(value) else f"{value:.2f}"
