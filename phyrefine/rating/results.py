"""What came of a study: how strong each contestant is, who is consistent, which rules agree."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from attrs import field, frozen

from phyrefine._atomic import write_bytes
from phyrefine.protocols import Selector
from phyrefine.rating.agreement import RuleAgreement, agreements
from phyrefine.rating.answers import RatingLog, to_csv
from phyrefine.rating.study import Place, Study
from phyrefine.run.store.disk import writing
from phyrefine.select.people import HumanChoice, Preference, win_matrix
from phyrefine.select.scorers.strengths import Matrix, bradley_terry
from phyrefine.table import Table
from phyrefine.types import Refinement

# Two-sided 95 % of a normal distribution.
NORMAL = 1.96
# With fewer scenarios, resampling them says little.
ENOUGH_SCENARIOS = 5
RESAMPLES = 500
CAUTION = (
    "A score tie counts half. Chance is a share of 0.5. Pairs of one scenario are alike, so the "
    "intervals are too narrow."
)
_WON = {"left": 1.0, "same": 0.5, "right": 0.0}


@frozen
class Contestant:
    """How people rate a run, or a loop, over all scenarios.

    Attributes:
        name: What it is.
        strength: Bradley-Terry log strength; all sum to 0. A difference of 1 is odds of 2.7 to 1.
        low: Lower end of the 95 % interval.
        high: Upper end.
        won: Comparisons won, a tie counting half.
        compared: Comparisons.
    """

    name: str
    strength: float
    low: float
    high: float
    won: float
    compared: int


@frozen
class RaterCheck:
    """How far one person can be relied on.

    Attributes:
        rater: Name.
        answers: Pairs answered, repetitions left out.
        trials: Pairs shown, with repetitions.
        same_again: Repeated pairs answered alike.
        repeated: Repeated pairs answered.
        left: Share of decided answers that named the left clip; near one half unless the person
            favors a side.
        ties: Share of answers ``same``.
        broken: Pairs that did not play.
        seconds: Median seconds to an answer.
    """

    rater: str
    answers: int
    trials: int
    same_again: int
    repeated: int
    left: float | None
    ties: float | None
    broken: int
    seconds: float | None


@frozen
class StudyResults:
    """What :func:`results` gives.

    Attributes:
        contestants: Strongest first.
        raters: By number.
        rules: Agreement of selectors with people.
        same_pairs: Pairs that two people answered, counted per two people.
        same_answers: Those they answered alike.
        preferences: For :class:`~phyrefine.select.people.HumanChoice`.
        rows: One per answer, for the CSV.
        notes: What a reader must know.
    """

    contestants: tuple[Contestant, ...]
    raters: tuple[RaterCheck, ...]
    rules: tuple[RuleAgreement, ...]
    same_pairs: int
    same_answers: int
    preferences: tuple[Preference, ...]
    rows: tuple[tuple[object, ...], ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def tables(self) -> dict[str, Table]:
        """Strengths, agreement and raters, by the name of their CSV."""
        return {
            "strengths": Table(
                ("contestant", "strength", "95 % from", "to", "won", "of"),
                [(c.name, round(c.strength, 3), round(c.low, 3), round(c.high, 3), c.won,
                  c.compared) for c in self.contestants],
                caption="HUMAN RATINGS: Bradley-Terry strengths (log; all sum to 0)",
                notes=self.notes,
            ),
            "agreement": Table(
                ("automatic selector", "pairs alike", "of", "share", "95 % from", "to",
                 "picks alike", "scenarios"),
                [(r.rule, r.alike, r.pairs, _share(r.alike, r.pairs), *_wilson(r.alike, r.pairs),
                  r.picks_alike, r.scenarios) for r in self.rules],
                caption="Agreement of automatic selectors with people",
                notes=(CAUTION,),
            ),
            "raters": Table(
                ("rater", "answers", "trials", "same again", "repeated", "left share", "ties",
                 "broken", "median seconds"),
                [(r.rater, r.answers, r.trials, r.same_again, r.repeated, r.left, r.ties, r.broken,
                  r.seconds) for r in self.raters],
                caption="Raters",
                notes=_between(self.same_answers, self.same_pairs),
            ),
        }  # fmt: skip


ROW = (
    "rater", "trial", "repeats", "scenario", "left_run", "left_clip", "left_contestant",
    "right_run", "right_clip", "right_contestant", "answer", "better", "seconds", "at",
)  # fmt: skip


def results(
    study: Study,
    logs: Sequence[RatingLog],
    refinements: Iterable[tuple[Place, Refinement]] = (),
    more: Mapping[str, Selector] | None = None,
) -> StudyResults:
    """Count the answers.

    Repetitions of a pair count for consistency only. Broken pairs count for nothing.

    Args:
        study: What was compared.
        logs: Everybody's answers.
        refinements: The runs, for the agreement of their selectors, as
            :func:`~phyrefine.rating.study.read_runs` gives them; none without them.
        more: Further selectors by name, which the runs did not record.
    """
    preferences = preferences_of(study, logs)
    contestants, notes = _contestants(study, logs)
    alike, pairs = _between_raters(logs)
    return StudyResults(
        contestants,
        tuple(_check(log) for log in logs),
        agreements(study, preferences, refinements, more),
        pairs,
        alike,
        preferences,
        tuple(_rows(study, logs)),
        (*notes, *study.notes),
    )


def human_choice(folder: Path) -> HumanChoice:
    """The selector that a study stands for.

    Raises:
        StoreError: The folder holds no readable study.
    """
    from phyrefine.rating.answers import read_logs
    from phyrefine.rating.study import read_study

    study = read_study(folder)
    return HumanChoice(preferences_of(study, read_logs(folder, study)))


def preferences_of(study: Study, logs: Sequence[RatingLog]) -> tuple[Preference, ...]:
    """What each person said of each pair, once."""
    clips = study.by_id
    return tuple(
        Preference(clips[one.left].digest, clips[one.right].digest, _WON[one.answer], log.rater)
        for log in logs
        for trial in log.trials
        if trial.repeats is None
        and (one := log.ratings.get(trial.number)) is not None
        and one.answer in _WON
    )


def write_results(found: StudyResults, folder: Path) -> tuple[Path, ...]:
    """Write ``ratings.csv`` and a CSV per table; gives their paths."""
    texts = {"ratings": to_csv(found.rows, ROW)}
    texts |= {name: to_csv(table.rows, table.columns) for name, table in found.tables.items()}
    paths = []
    for name, text in texts.items():
        path = folder / f"{name}.csv"
        with writing(path):
            write_bytes(path, text.encode())
        paths.append(path)
    return tuple(paths)


def _contestants(
    study: Study, logs: Sequence[RatingLog]
) -> tuple[tuple[Contestant, ...], tuple[str, ...]]:
    clips = study.by_id
    by_scenario: dict[str, list[Preference]] = defaultdict(list)
    for log in logs:
        for trial in log.trials:
            one = log.ratings.get(trial.number)
            if trial.repeats is None and one is not None and one.answer in _WON:
                left, right = clips[one.left], clips[one.right]
                said = Preference(left.contestant, right.contestant, _WON[one.answer], log.rater)
                by_scenario[left.scenario].append(said)
    if not by_scenario:
        return (), ("Nobody has answered yet.",)
    told_all = [one for told in by_scenario.values() for one in told]
    compared = {name for one in told_all for name in (one.first, one.second)}
    names = [name for name in dict.fromkeys(c.contestant for c in study.clips) if name in compared]
    each = [win_matrix(told, names) for told in by_scenario.values()]
    wins = np.sum(each, axis=0)
    found = bradley_terry(wins)
    if len(each) >= ENOUGH_SCENARIOS:
        low, high = _resampled(each, study.seed)
        note = f"Intervals: {RESAMPLES} resamples of {len(each)} scenarios."
    else:
        low, high = found.log - NORMAL * found.errors, found.log + NORMAL * found.errors
        note = (
            f"Intervals know the noise of answers only: {len(each)} scenarios are too few to "
            "resample, and say little about others."
        )
    order = np.argsort(-found.log, kind="stable")
    rows = tuple(
        Contestant(
            names[i], float(found.log[i]), float(low[i]), float(high[i]),
            float(wins[i].sum()), int(wins[i].sum() + wins[:, i].sum()),
        )
        for i in order
    )  # fmt: skip
    half = "Half a win each way is added to every two contestants, which pulls strengths to 0."
    return rows, (note, half)


def _resampled(each: Sequence[Matrix], seed: int) -> tuple[Matrix, Matrix]:
    """Percentile bootstrap over scenarios."""
    drawn = np.random.default_rng(seed).integers(0, len(each), (RESAMPLES, len(each)))
    stacked = np.stack(each)
    logs = np.array([bradley_terry(stacked[one].sum(axis=0)).log for one in drawn])
    low, high = np.quantile(logs, (0.025, 0.975), axis=0)
    return low, high


def _check(log: RatingLog) -> RaterCheck:
    trials = log.trials
    first = [log.ratings[t.number] for t in trials if t.repeats is None and t.number in log.ratings]
    decided = [one.answer for one in log.ratings.values() if one.answer in ("left", "right")]
    mirrored = {"left": "right", "right": "left", "same": "same"}
    twice = [
        (log.ratings[t.repeats].answer, log.ratings[t.number].answer)
        for t in trials
        if t.repeats is not None and t.number in log.ratings and t.repeats in log.ratings
    ]
    twice = [(a, b) for a, b in twice if "broken" not in (a, b)]
    usable = [one.answer for one in first if one.answer != "broken"]
    return RaterCheck(
        log.rater,
        len(first),
        len(trials),
        sum(mirrored[a] == b for a, b in twice),
        len(twice),
        decided.count("left") / len(decided) if decided else None,
        usable.count("same") / len(usable) if usable else None,
        len(first) - len(usable),
        statistics.median(one.seconds for one in first) if first else None,
    )


def _between_raters(logs: Sequence[RatingLog]) -> tuple[int, int]:
    """(answered alike, both answered) over every two people and the pairs both saw."""
    said: dict[tuple[str, str], list[str]] = defaultdict(list)
    for log in logs:
        for trial in log.trials:
            one = log.ratings.get(trial.number)
            if trial.repeats is None and one is not None and one.answer != "broken":
                better = {"left": one.left, "right": one.right, "same": "same"}[one.answer]
                a, b = sorted((one.left, one.right))
                said[a, b].append(better)
    alike = both = 0
    for answers in said.values():
        for index, one_answer in enumerate(answers):
            for other in answers[index + 1 :]:
                both += 1
                alike += one_answer == other
    return alike, both


def _rows(study: Study, logs: Sequence[RatingLog]) -> Iterator[tuple[object, ...]]:
    clips = study.by_id
    for log in logs:
        for trial in log.trials:
            one = log.ratings.get(trial.number)
            if one is None:
                continue
            left, right = clips[one.left], clips[one.right]
            better = {"left": left.contestant, "right": right.contestant}.get(one.answer, "")
            repeats = "" if trial.repeats is None else trial.repeats
            yield (log.rater, trial.number, repeats, left.scenario, left.run, left.key,
                   left.contestant, right.run, right.key, right.contestant, one.answer, better,
                   one.seconds, one.at)  # fmt: skip


def _between(alike: int, pairs: int) -> tuple[str, ...]:
    if not pairs:
        return ()
    return (f"Two people gave the same answer to {alike} of {pairs} pairs that both saw.",)


def _share(alike: float, pairs: int) -> float | None:
    return round(alike / pairs, 3) if pairs else None


def _wilson(alike: float, pairs: int) -> tuple[float | None, float | None]:
    """Wilson's 95 % interval of a share."""
    if not pairs:
        return None, None
    share, z2 = alike / pairs, NORMAL**2
    middle = (share + z2 / (2 * pairs)) / (1 + z2 / pairs)
    reach = NORMAL * math.sqrt(share * (1 - share) / pairs + z2 / (4 * pairs**2)) / (1 + z2 / pairs)
    return round(max(0.0, middle - reach), 3), round(min(1.0, middle + reach), 3)
