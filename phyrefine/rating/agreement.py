"""Whether automatic selectors prefer what people prefer."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from attrs import field, frozen

from phyrefine.errors import InvalidInputError
from phyrefine.protocols import Selector
from phyrefine.rating.study import Place, Study
from phyrefine.refine.asking import UNUSABLE
from phyrefine.select.people import HumanChoice, Preference, win_matrix
from phyrefine.select.simple import CriticsPick
from phyrefine.types import Pick, Pool, Refinement, pick_key

log = logging.getLogger(__name__)

CRITIC = "critics_pick"


@frozen
class RuleAgreement:
    """One selector against people.

    Attributes:
        rule: Its name; one that saw the truth, or people, says so.
        alike: Pairs that its scores order as the majority of people does; a score tie is half.
        pairs: Pairs that it scored and a majority decided.
        picks_alike: Scenarios in which its pick is the clip that people prefer.
        scenarios: Scenarios in which it picked and people preferred one.
    """

    rule: str
    alike: float
    pairs: int
    picks_alike: int
    scenarios: int


@frozen
class _Opinion:
    """Of one selector about one scenario of a run."""

    pick: str | None
    scores: Mapping[str, float] = field(factory=dict)


def agreements(
    study: Study,
    preferences: Sequence[Preference],
    refinements: Iterable[tuple[Place, Refinement]],
    more: Mapping[str, Selector] | None = None,
) -> tuple[RuleAgreement, ...]:
    """Every selector that the runs recorded, their scorers, controls and critic.

    Args:
        study: What was compared.
        preferences: What people said.
        refinements: The runs, as :func:`~phyrefine.rating.study.read_runs` gives them.
        more: Further selectors by name; they are asked about every scenario.
    """
    human = HumanChoice(tuple(preferences))
    totals: dict[str, list[float]] = defaultdict(lambda: [0.0, 0, 0, 0])
    for place, refinement in refinements:
        opinions = opinions_of(refinement)
        opinions |= _asked(refinement, more or {})
        decided = _decided(study, preferences, place)
        preferred = _preferred(human, refinement)
        for rule, opinion in opinions.items():
            total = totals[rule]
            for better, worse in decided:
                if better in opinion.scores and worse in opinion.scores:
                    gap = opinion.scores[better] - opinion.scores[worse]
                    total[0] += 0.5 if gap == 0 else float(gap > 0)
                    total[1] += 1
            if preferred is not None and opinion.pick is not None:
                total[2] += opinion.pick == preferred
                total[3] += 1
    return tuple(
        RuleAgreement(rule, alike, int(pairs), int(same), int(scenarios))
        for rule, (alike, pairs, same, scenarios) in totals.items()
    )


def _asked(refinement: Refinement, selectors: Mapping[str, Selector]) -> dict[str, _Opinion]:
    found = {}
    for name, selector in selectors.items():
        try:
            choice = selector.choose(refinement.scenario, refinement.attempts)
        except UNUSABLE as error:  # no opinion of this scenario
            log.warning("%s has no opinion of %s: %s", name, refinement.scenario.name, error)
            continue
        found[name] = _Opinion(pick_key(choice.pick), choice.scores)
    return found


def opinions_of(refinement: Refinement) -> dict[str, _Opinion]:
    """What is recorded of every selector: the run's own, its parts, controls and the critic's."""
    found: dict[str, _Opinion] = {}
    choice = refinement.choice
    if choice is not None:
        found[choice.label] = _Opinion(pick_key(choice.pick), choice.scores)
        for name, scores in choice.parts.items():
            best = max(scores, key=lambda key: scores[key]) if scores else None
            found.setdefault(name, _Opinion(best, scores))
        found |= {f"control: {name}": _Opinion(key) for name, key in choice.controls.items()}
    for name in {name for attempt in refinement.attempts for name in attempt.scores}:
        scores = {
            pick_key(Pick(index)): attempt.scores[name]
            for index, attempt in enumerate(refinement.attempts)
            if name in attempt.scores
        }
        found.setdefault(name, _Opinion(max(scores, key=lambda key: scores[key]), scores))
    judged = [attempt for attempt in refinement.attempts if attempt.critique is not None]
    if judged:
        critic = CriticsPick().choose(refinement.scenario, refinement.attempts)
        found.setdefault(CRITIC, _Opinion(pick_key(critic.pick), critic.scores))
    return found


def _decided(
    study: Study, preferences: Sequence[Preference], place: Place
) -> list[tuple[str, str]]:
    """(better, worse) keys of the pairs of one run and scenario that a majority decided."""
    clips = study.by_id
    found = []
    for first, second in study.pairs:
        a, b = clips[first], clips[second]
        if (a.run, a.scenario) != place or (b.run, b.scenario) != place:
            continue
        wins = win_matrix(preferences, (a.digest, b.digest))
        if wins[0, 1] != wins[1, 0]:
            found.append((a.key, b.key) if wins[0, 1] > wins[1, 0] else (b.key, a.key))
    return found


def _preferred(human: HumanChoice, refinement: Refinement) -> str | None:
    if not any(attempt.candidates for attempt in refinement.attempts):
        return None
    pool = Pool.of(refinement.scenario, refinement.attempts)
    if len(pool.entries) < 2:
        return None
    try:
        return pick_key(human.choose(refinement.scenario, refinement.attempts).pick)
    except InvalidInputError:
        return None  # nobody rated these
