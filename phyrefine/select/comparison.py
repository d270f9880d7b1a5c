"""Rules side by side on finished pools: what each chose, what that was worth, what it cost."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence

from attrs import define, evolve, field, frozen

from phyrefine.protocols import VLM, Selector, identity
from phyrefine.refine.asking import UNUSABLE
from phyrefine.select.agreement.utility import utility
from phyrefine.select.agreement.views import look
from phyrefine.select.combining.controls import (
    LEAST_MOTION,
    MOST_MOTION,
    RANDOM,
    RANDOM_GUARDED,
    controls,
)
from phyrefine.select.combining.guard import MotionGuard
from phyrefine.select.diagnostics import rank_correlation
from phyrefine.types import Answer, Attempt, Pool, Question, Scenario, pick_key
from phyrefine.video.clip import Clip

# What a rule must beat to be called useful.
BAR = (RANDOM, RANDOM_GUARDED, MOST_MOTION, LEAST_MOTION)
ORACLE = "best by truth (GROUND TRUTH)"


@define
class CountedVLM:
    """A VLM whose questions are counted."""

    vlm: VLM
    asked: int = field(default=0, init=False)

    @property
    def identity(self) -> str:
        """The VLM's."""
        return identity(self.vlm)

    def ask(self, question: Question) -> Answer:
        """Ask, and count."""
        self.asked += 1
        return self.vlm.ask(question)


@frozen
class Judged:
    """What one rule did with one pool.

    Attributes:
        picks: Keys it chose; a control that draws holds every clip it may draw.
        scores: Its scores by key.
        seconds: Wall time it took.
        questions: VLM questions it asked.
    """

    picks: tuple[str, ...]
    scores: Mapping[str, float] = field(factory=dict)
    seconds: float = 0.0
    questions: int = 0


@frozen
class Comparison:
    """One rule over all pools. Means over scenarios; ``None`` where it cannot be known.

    Attributes:
        rule: Its name.
        scenarios: Pools it was asked about.
        gain: True score of its pick over the mean of the pool.
        share: The gain as a share of what the best pick by truth gains.
        truth_correlation: Spearman's rho of its scores with the true ones.
        other_correlation: Mean rho of its scores with those of the other rules; needs no truth.
        seconds: Wall time per clip.
        questions: VLM questions per clip.
        useful: Whether it gains more than every control.
    """

    rule: str
    scenarios: int
    gain: float | None
    share: float | None
    truth_correlation: float | None
    other_correlation: float | None
    seconds: float
    questions: float
    useful: bool | None = None


def judge_pool(
    scenario: Scenario,
    attempts: Sequence[Attempt],
    rules: Mapping[str, Selector],
    vlm: CountedVLM,
) -> dict[str, Judged]:
    """Ask every rule, and the controls, about the clips of one scenario.

    Args:
        scenario: What was asked.
        attempts: At least one clip.
        rules: By name; they ask ``vlm``.
        vlm: Counts their questions.
    """
    pool = Pool.of(scenario, attempts)
    found: dict[str, Judged] = {}
    for name, rule in rules.items():
        before, begun = vlm.asked, time.perf_counter()
        try:
            choice = rule.choose(scenario, attempts)
        except UNUSABLE:  # a rule without an opinion picks as chance does
            picks, scores = pool.keys, {}
        else:
            picks, scores = (pick_key(choice.pick),), dict(choice.scores)
        seconds = time.perf_counter() - begun
        found[name] = Judged(picks, scores, seconds, vlm.asked - before)
    taken = controls(pool)
    found |= {name: Judged((taken[name],)) for name in (MOST_MOTION, LEAST_MOTION)}
    found[RANDOM] = Judged(pool.keys)
    found[RANDOM_GUARDED] = Judged(MotionGuard().apply(pool).kept)
    return found


def agreement_with(pool: Pool, truth: Clip) -> dict[str, float]:
    """Agreement of every clip with a true continuation, -100..100; 0 where nothing moves.

    Args:
        pool: Clips of one scenario.
        truth: What really happened; cut and resized as the clips are.
    """
    *made, real = look(pool.scenario, (*pool.clips, truth)).views
    found = [utility(view, real) for view in made]
    return {
        key: 100.0 * (0.0 if math.isnan(value) else value)
        for key, value in zip(pool.keys, found, strict=True)
    }


def compare(
    pools: Sequence[Mapping[str, Judged]],
    clips: Sequence[int],
    truths: Sequence[Mapping[str, float] | None],
) -> list[Comparison]:
    """One row per rule and control, and with truth the best pick by it.

    Args:
        pools: What :func:`judge_pool` found, by scenario.
        clips: Clips of each pool.
        truths: True score of each clip by key, higher is better; ``None`` where not known.
    """
    rows = [_row(name, pools, clips, truths) for name in pools[0]]
    known = [truth for truth in truths if truth]
    if known:
        best = _mean([max(truth.values()) - statistics.fmean(truth.values()) for truth in known])
        share = 1.0 if best else None
        rows.append(Comparison(ORACLE, len(known), best, share, None, None, 0.0, 0.0))
    bar = [row.gain for row in rows if row.rule in BAR and row.gain is not None]
    return [_marked(row, bar) for row in rows]


def _marked(row: Comparison, bar: Sequence[float]) -> Comparison:
    if row.gain is None or not bar or row.rule in (*BAR, ORACLE):
        return row
    return evolve(row, useful=row.gain > max(bar))


def _row(
    name: str,
    pools: Sequence[Mapping[str, Judged]],
    clips: Sequence[int],
    truths: Sequence[Mapping[str, float] | None],
) -> Comparison:
    mine = [pool[name] for pool in pools]
    gains, most, rhos = [], [], []
    for judged, truth in zip(mine, truths, strict=True):
        if not truth:
            continue
        mean = statistics.fmean(truth.values())
        gains.append(statistics.fmean(truth[key] for key in judged.picks) - mean)
        most.append(max(truth.values()) - mean)
        rhos.append(_rho(judged.scores, truth))
    total = sum(clips)
    return Comparison(
        name,
        len(pools),
        _mean(gains),
        sum(gains) / sum(most) if sum(most) > 0 else None,
        _mean([rho for rho in rhos if rho is not None]),
        _mean(_with_others(name, pools)),
        sum(judged.seconds for judged in mine) / total,
        sum(judged.questions for judged in mine) / total,
    )


def _with_others(name: str, pools: Sequence[Mapping[str, Judged]]) -> list[float]:
    found = [
        _rho(pool[name].scores, other.scores)
        for pool in pools
        for rule, other in pool.items()
        if rule != name
    ]
    return [rho for rho in found if rho is not None]


def _rho(one: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    keys = [key for key in one if key in other]
    if len(keys) < 2:
        return None
    return rank_correlation([one[key] for key in keys], [other[key] for key in keys])


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None
