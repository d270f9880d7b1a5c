"""Saving, rows, data frames, short names, and runs side by side."""

import pytest
from attrs import evolve
from test_refiner import SCENE, Watcher, Writer

from phyrefine import Refinement, Scenario, SelfRefiner, compare
from phyrefine._optional import installed
from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.run.comparing.rows import rows
from phyrefine.table import Table
from phyrefine.testing import MovingDot
from phyrefine.types import Candidates, Choice, Pick, Usage

SCENES = [Scenario(f"Dot {number}.", SCENE.prefix, seconds=0.5) for number in range(4)]


@pytest.fixture(scope="module")
def refined():
    return SelfRefiner(
        Watcher(), Writer(), MovingDot(), convergence=MaxLoops(1), ensemble="judge",
        candidates=Candidates(seeds=(0, 1)),
    ).refine(SCENE)  # fmt: skip


def test_one_call_there_and_one_back(refined, tmp_path):
    folder = refined.save(tmp_path / "kept")
    back = Refinement.load(folder)
    assert back == refined
    assert back.video.native == refined.video.native
    assert (folder / "videos" / "attempt-0.mp4").exists()
    with pytest.raises(StoreError, match="is not there"):
        Refinement.load(tmp_path / "nothing")


def test_a_scenarios_folder_of_a_run_loads_too(tmp_path):
    run = SelfRefiner(Watcher(), Writer(), MovingDot(), convergence=MaxLoops(1), run_dir=tmp_path)
    done = run.refine(SCENE)
    (folder,) = (tmp_path / "scenarios").iterdir()
    assert Refinement.load(folder).video == done.video


def test_short_names(refined):
    assert repr(refined) == (
        f"Refinement('dot', 2 attempts, chosen='{refined.choice.pick.attempt}."
        f"{refined.choice.pick.candidate}', stopped_by='loop_limit')"
    )
    assert repr(refined.attempts[0]) == "Attempt(baseline, 'A dot moves.', 2 clips, 1 found)"
    assert len(repr(evolve(refined, scenario=Scenario("x" * 500)))) < 200


def test_rows(refined):
    told = rows(refined)
    assert [(row["attempt"], row["candidate"], row["seed"]) for row in told] == [
        (0, 0, 0), (0, 1, 1), (1, 0, 0), (1, 1, 1),
    ]  # fmt: skip
    assert sum(row["chosen"] for row in told) == 1
    assert [row["violations"] for row in told] == [1, None, 1, None]
    assert len({tuple(row) for row in told}) == 1


def test_data_frames(refined):
    pytest.importorskip("pandas")
    frame = refined.to_frame()
    assert frame.shape[0] == 4
    assert frame[frame.chosen].attempt.item() == refined.choice.pick.attempt
    assert Table(("a", "b"), [(1, 2)]).to_frame().b.tolist() == [2]


def test_without_pandas_one_line_says_what_to_install(refined, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match="pandas") as caught:
        refined.to_frame()
    assert "\n" not in str(caught.value)
    assert installed is not None


def made(scores, seconds=1.0):
    base = SelfRefiner(
        Watcher(), Writer(), MovingDot(), convergence=MaxLoops(1), ensemble="last"
    ).refine(SCENES[0])
    return [
        evolve(base, scenario=scene, choice=Choice(Pick(1), "judge", "", {"1.0": score}),
               usage=Usage(1, seconds=seconds))
        for scene, score in zip(SCENES, scores, strict=False)
    ]  # fmt: skip


def test_paired_differences_with_intervals(tmp_path):
    before, after = made([1.0, 5.0, 2.0, 8.0]), made([2.0, 6.5, 3.0, 8.5], seconds=3.0)
    found = compare({"before": before, "after": after[::-1]})
    by = {one.measure: one for one in found.differences}
    assert by["score"].difference == pytest.approx(1.0)
    assert (by["score"].reference, by["score"].mean) == (4.0, 5.0)
    # The spread between scenarios is far larger: pairing takes it out.
    assert 0.5 <= by["score"].low < 1.0 < by["score"].high <= 1.5
    assert (by["seconds"].low, by["seconds"].high) == (2.0, 2.0)
    assert by["violations"].difference == 0.0
    assert "Against before" in str(found)
    assert found.to_csv(tmp_path / "t.csv").startswith("run,measure,scenarios,mean,before,")
    assert (tmp_path / "t.csv").read_text() == found.to_csv()
    assert "<table" in found.to_html(tmp_path / "t.html")
    assert compare({"before": before, "after": after}) == found  # order of scenarios is nothing


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    import numpy as np

    from phyrefine.run.comparing.compare import _difference

    random, inside = np.random.default_rng(3), 0
    for trial in range(60):
        pairs = [(0.0, value) for value in random.normal(1.0, 2.0, 30)]
        found = _difference("b", "score", pairs, trial)
        inside += found.low <= 1.0 <= found.high
    assert 51 <= inside <= 60


@pytest.mark.slow
def test_run_folders_measures_of_ones_own_and_what_is_left_out(tmp_path):
    for name in ("a", "b"):
        SelfRefiner(
            Watcher(), Writer(), MovingDot(), convergence=MaxLoops(1), ensemble="last",
            run_dir=tmp_path / name,
        ).refine_many(SCENES[: 2 if name == "a" else 3])  # fmt: skip
    measures = {"frames": lambda r: float(len(r.video)), "none": lambda r: None}
    found = compare({"a": tmp_path / "a", "b": tmp_path / "b"}, measures=measures)
    (frames,) = found.differences
    assert (frames.scenarios, frames.difference) == (2, 0.0)
    assert any("1 scenarios are in one" in note for note in found.notes)
    assert any("none of b: unknown for 2 of 2" in note for note in found.notes)
    assert "left out" in str(found)
    with pytest.raises(InvalidInputError, match="two runs"):
        compare({"a": tmp_path / "a"})
    with pytest.raises(InvalidInputError, match="no scenario in common"):
        compare({"a": made([1.0])[:1], "b": [evolve(made([1.0])[0], scenario=SCENES[3])]})
    with pytest.raises(InvalidInputError, match="no finished refinement"):
        compare({"a": tmp_path / "nowhere", "b": []})
