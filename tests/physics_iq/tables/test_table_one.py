"""Table 1 from stored attempts, against brute force."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.layout import PLAIN, VIEWS, Edition, RunKey
from phyrefine.physics_iq.metrics.measures import PairMetrics
from phyrefine.physics_iq.scoring.aggregate import headline
from phyrefine.physics_iq.scoring.results import ResultTable, ViewResult
from phyrefine.physics_iq.tables.attempts import Attempts, oracle_picks
from phyrefine.physics_iq.tables.table_one import table_one


def pair(rng: np.random.Generator, low: float, high: float, frames: int = 6) -> PairMetrics:
    return PairMetrics(
        mse=tuple(rng.uniform(0.001, 0.02, frames).tolist()),
        spatiotemporal_iou=tuple(rng.uniform(low, high, frames).tolist()),
        spatial_iou=float(rng.uniform(low, high)),
        weighted_spatial_iou=float(rng.uniform(low, high)),
    )


def attempts(edition: Edition, *, loops: int = 2, seeds: int = 1, samples: int = 6) -> Attempts:
    """Random measurements; the real takes of a sample are the same in every run."""
    categories = {}
    takes: dict[str, tuple[str, str, PairMetrics]] = {}
    for index in range(samples):
        rng = np.random.default_rng([7, index])
        scene, view = f"trimmed-s{index // 3}", VIEWS[index % 3]
        name = f"{index + 1:04d}_{view}_{scene}"
        takes[name] = (scene, view, pair(rng, 0.5, 0.9))
        categories[name] = "Optics" if index // 3 else "Solid Mechanics"
    results = {}
    for loop, seed in itertools.product(range(loops + 1), range(seeds)):
        rng = np.random.default_rng([11, loop, seed])
        results[RunKey(loop, 16, seed)] = {
            name: ViewResult(scene, view, pair(rng, 0.1, 0.7), pair(rng, 0.1, 0.7), variance)
            for name, (scene, view, variance) in takes.items()
        }
    return Attempts(edition, results, categories)


def every_ensemble(stored: Attempts, keys: list[RunKey]) -> list[float]:
    names = stored.samples
    return [
        headline(stored.combined(dict(zip(names, picks, strict=True))), stored.edition)
        for picks in itertools.product(keys, repeat=len(names))
    ]


@pytest.mark.parametrize("edition", list(Edition))
def test_the_oracle_is_the_best_of_all_ensembles(edition: Edition) -> None:
    stored = attempts(edition, samples=3)
    keys = [RunKey(1, 16, 0), RunKey(2, 16, 0), RunKey(PLAIN, 16, 0)]
    best = headline(stored.combined(oracle_picks(stored, keys)), edition)
    scores = every_ensemble(stored, keys)
    assert best == pytest.approx(max(scores), abs=0.005)
    assert best > np.mean(scores) + 1


@pytest.mark.parametrize("edition", list(Edition))
def test_rows_and_ensembles_against_brute_force(edition: Edition) -> None:
    stored = attempts(edition)
    names = stored.samples
    keys = [RunKey(1, 16, 0), RunKey(2, 16, 0)]
    rng = np.random.default_rng(3)
    judge = {name: {key: float(rng.random()) for key in keys} for name in names}
    table = table_one(stored, subsets=[(2,)], selectors={"judge": judge})

    assert [row.number for row in table.of_kind("loop")] == [1, 2]
    for row, key in zip(table.of_kind("loop"), keys, strict=True):
        own = ResultTable.of(stored.results[key][name] for name in names)
        assert row.score.mean == pytest.approx(headline(own, edition), abs=1e-9)
    plain = table.of_kind("plain")[0]
    assert plain.score.mean == headline(stored.table(RunKey(PLAIN, 16, 0)), edition)

    scores = every_ensemble(stored, keys)
    oracle = {row.label: row.score.mean for row in table.of_kind("oracle")}
    assert oracle["best of {1,2}"] == pytest.approx(max(scores), abs=0.005)
    assert oracle["best of {2}"] == table.of_kind("loop")[1].score.mean
    drawn = {row.label: row.score.mean for row in table.of_kind("random")}
    assert drawn["random pick of {1,2}"] == pytest.approx(np.mean(scores), abs=0.01)

    picked = {name: max(keys, key=lambda key: judge[name][key]) for name in names}
    chosen = {row.label: row for row in table.of_kind("reference-free")}["judge of {1,2}"]
    assert chosen.score.mean == headline(stored.combined(picked), edition)
    assert chosen.kind == "reference-free"


def test_mean_and_deviation_over_seeds() -> None:
    stored = attempts(Edition.VERIFIED, seeds=3)
    table = table_one(stored)
    scores = [headline(stored.table(RunKey(1, 16, seed)), Edition.VERIFIED) for seed in range(3)]
    row = table.of_kind("loop")[0]
    assert row.score.mean == pytest.approx(np.mean(scores))
    assert row.score.std == pytest.approx(np.std(scores, ddof=1))
    assert table.seeds == (0, 1, 2)


def test_categories_are_scored_on_their_own_samples() -> None:
    stored = attempts(Edition.VERIFIED)
    row = table_one(stored).of_kind("loop")[0]
    names = [name for name in stored.samples if stored.categories[name] == "Optics"]
    alone = ResultTable.of(stored.results[RunKey(1, 16, 0)][name] for name in names)
    assert row.categories["Optics"].mean == pytest.approx(headline(alone, Edition.VERIFIED))
    assert set(row.categories) == {"Optics", "Solid Mechanics"}


def test_what_is_shown_labels_the_oracle() -> None:
    text = str(table_one(attempts(Edition.ORIGINAL), subsets=[(1, 2)]).shown())
    assert "ORACLE" in text
    assert "plain description, 16 steps" in text


@pytest.mark.parametrize("seeds", [1, 2])
def test_the_json_is_strict(seeds: int) -> None:
    table = table_one(attempts(Edition.VERIFIED, seeds=seeds))

    def constant(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    said = json.loads(table.to_json(), parse_constant=constant)
    assert said["edition"] == "verified"
    assert said["seeds"] == list(range(seeds))
    for row, stored in zip(table.rows, said["rows"], strict=True):
        std = None if seeds == 1 else row.score.std
        assert stored["score"] == {"mean": row.score.mean, "std": std}
        assert stored["categories"].keys() == row.categories.keys()
        assert stored["kind"] == row.kind


def test_one_row_alone_makes_no_ensemble_of_itself() -> None:
    table = table_one(attempts(Edition.VERIFIED, loops=1), subsets=[(0, 1)])
    labels = [row.label for row in table.rows]
    assert labels == [
        "plain description, 16 steps",
        "loop 1, 16 steps",
        "random pick of {0,1}",
        "best of {0,1}",
    ]


def test_rows_are_numbered_by_steps_then_loop() -> None:
    results = attempts(Edition.VERIFIED).results
    both = {
        RunKey(key.loop, steps, 0): views for key, views in results.items() for steps in (32, 16)
    }
    assert Attempts(Edition.VERIFIED, both).rows == ((1, 16), (2, 16), (1, 32), (2, 32))


def test_what_does_not_fit_is_refused() -> None:
    stored = attempts(Edition.VERIFIED)
    with pytest.raises(InvalidInputError, match="rows 1 to 2"):
        table_one(stored, subsets=[(1, 3)])
    with pytest.raises(InvalidInputError, match="no score of"):
        table_one(stored, selectors={"judge": {}})
    keys = list(stored.results)
    torn = dict(stored.results)
    torn[keys[0]] = dict(list(torn[keys[0]].items())[1:])
    with pytest.raises(InvalidInputError, match="other samples"):
        Attempts(Edition.VERIFIED, torn)


def some(*keys: RunKey) -> Attempts:
    """Only these runs."""
    results = attempts(Edition.VERIFIED, seeds=2).results
    return Attempts(Edition.VERIFIED, {key: results[key] for key in keys})


def test_rows_without_a_common_seed_make_no_table() -> None:
    apart = some(RunKey(1, 16, 0), RunKey(2, 16, 1))
    with pytest.raises(InvalidInputError, match="loop1-steps16-seed0; loop2-steps16-seed1"):
        table_one(apart)
    with pytest.raises(InvalidInputError, match=r"no refined row.*: plain-steps16-seed0, plain-"):
        table_one(some(RunKey(PLAIN, 16, 0), RunKey(PLAIN, 16, 1)))


def test_runs_that_are_left_out_are_told() -> None:
    table = table_one(some(RunKey(1, 16, 0), RunKey(1, 16, 1), RunKey(2, 16, 0)))
    assert table.seeds == (0,)
    assert "their seed: loop1-steps16-seed1." in table.notes[-1]


@pytest.mark.parametrize("key", [RunKey(0, 16, 0), RunKey(3), RunKey(2, 32, 5)])
def test_names_of_runs_round_trip(key: RunKey, tmp_path: Path) -> None:
    assert RunKey.parse(key.name) == key
