"""Searches in a run: recorded, counted against one budget, and resumed after kills."""

import subprocess
import sys
from pathlib import Path

import pytest
from search_toys import SHOT, SeesWhite, ToyStream, scenario

from phyrefine import Budget, SelfRefiner
from phyrefine.refine.convergence import MaxLoops
from phyrefine.run import read_refinement, refinement_folders
from phyrefine.run.search import Backtracking, ChunkSearch
from phyrefine.testing import ScriptedAsker

DRIVER = Path(__file__).with_name("search_kill_driver.py")
SAID = [('{"prompt": "the dot moves on", "corrected": "the dot moves on", "violations": [],'
        ' "moving": true, "prediction": "the dot moves on", "events": []}')]  # fmt: skip


def refiner(generator, **options):
    asker = ScriptedAsker(SAID)
    return SelfRefiner(
        asker, asker, generator,
        **{"convergence": MaxLoops(1), "ensemble": "critics_pick", **options},
    )  # fmt: skip


def first_bad(index, seed):
    return index == 2 and seed == 0


def test_a_search_is_recorded_with_the_clip():
    search = Backtracking(ToyStream(first_bad), SeesWhite(), measure=False)
    refined = refiner(search).refine(scenario())
    records = [one.search for attempt in refined.attempts for one in attempt.candidates]
    assert [record.ended for record in records] == ["clean", "clean"]
    assert records[0].chunks == 9
    assert records[0].calls == 0  # this verifier is no model
    assert refined.usage.chunks == sum(record.chunks for record in records)


def test_one_budget_of_chunks_for_all():
    toy = ToyStream(first_bad)
    search = Backtracking(toy, SeesWhite(), measure=False)
    refined = refiner(search, budget=Budget(chunks=7)).refine(scenario())
    assert len(toy.made) == 7
    assert refined.stopped_by == "budget"
    record = refined.attempts[0].candidates[0].search
    assert record.ended == "BudgetExceededError"
    assert record.chunks == 5  # what the plain clip took; the try was never finished
    assert refined.usage.chunks == 7


def test_a_budget_of_chunks_without_a_search():
    toy = ToyStream(first_bad)
    refined = refiner(toy, budget=Budget(chunks=5)).refine(scenario())
    assert len(toy.made) == 5
    assert refined.stopped_by == "budget"
    assert "chunks" in refined.reason


def test_a_vlm_inside_is_kept_and_counted(tmp_path):
    def run():
        vlm = ScriptedAsker(SAID)
        search = Backtracking(ToyStream(first_bad), vlm)
        return vlm, search.generator, refiner(search, run_dir=tmp_path).refine(scenario())

    vlm, _, refined = run()
    assert vlm.asked
    record = refined.attempts[0].candidates[0].search
    assert record.planted >= 3
    assert record.calls == 2 + record.planted  # the clip, the unchanged footage, the faults
    again_vlm, again_toy, again = run()
    assert not again_vlm.asked
    assert not again_toy.made
    assert again.attempts[0].candidates == refined.attempts[0].candidates


def test_chunk_search_in_a_run():
    toy = ToyStream(first_bad)
    refined = refiner(ChunkSearch(toy, 2)).refine(scenario())
    assert refined.attempts[0].candidates[0].search.kind == "chunk_search"
    assert refined.usage.chunks == len(toy.made) == 20
    assert SHOT.seconds == 2.5


def drive(folder, kind, **options):
    words = [f"--{name}={value}" for name, value in options.items()]
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder), kind, *words], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return (folder / "calls.log").read_text().split("\n")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", ["backtracking", "chunk_search", "drafts", "watch"])
def test_killed_at_random_calls_it_comes_to_the_same(tmp_path, kind, seed):
    whole = drive(tmp_path / "whole", kind, kills=0)
    killed = drive(tmp_path / "killed", kind, kills=8, seed=seed)
    kills = killed.count("kill")
    assert kills >= 4
    begun = [line for line in killed if line.startswith("begin")]
    assert len(begun) == len([line for line in whole if line.startswith("begin")]) + kills
    outcomes = [
        next((folder / "run" / "scenarios").rglob("refinement.json")).read_bytes()
        for folder in (tmp_path / "whole", tmp_path / "killed")
    ]
    assert outcomes[0] == outcomes[1]
    folder = next(iter(refinement_folders(tmp_path / "killed" / "run")))
    refined = read_refinement(folder)
    searched = refined.attempts[0].candidates[0].search
    assert (searched is not None and searched.chunks > 5) == kind.endswith(("ing", "search"))
    assert any(one.final for one in refined.attempts) == (kind == "drafts")
    watched = [one.seen is not None for one in refined.attempts[0].candidates]
    assert watched == ([True, True] if kind == "watch" else [False])
