"""What a run folder can lose: each part, and that the run goes on after it as was said."""

import json
import shutil

import pytest
from test_refiner import SCENE, Watcher, Writer

from phyrefine import SelfRefiner
from phyrefine.errors import InvalidInputError, RunLockedError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.run.cleaning import PARTS, removable, remove
from phyrefine.run.results import read_refinement, refinement_folders
from phyrefine.run.store.lock import RunLock
from phyrefine.run.store.store import FolderStore
from phyrefine.testing import MovingDot, StreamingDot, moving_clip


def refine(folder, generator, loops=1):
    settings = {"convergence": MaxLoops(loops), "ensemble": "last", "run_dir": folder}
    return SelfRefiner(Watcher(), Writer(), generator, **settings).refine(SCENE)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cleaning") / "run"
    refine(folder, StreamingDot(chunk_frames=4))
    return folder


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


def parts(run):
    return {one.part: one for one in removable(run) if one.files}


def test_leftovers_and_unused_clips_are_no_loss(run):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    (run / "store" / "replies" / ".x.1234.part.json").write_bytes(b"1" * 1000)
    (run / "store" / "x.mkv.damaged").write_bytes(b"1" * 500)
    stray = moving_clip(3, (8, 8))
    FolderStore(run / "store").put_clip(stray)
    found = parts(run)
    assert found["leftovers"].bytes == 1500
    assert {path.stem for path in found["unused"].files} == {stray.digest}
    assert remove(run, ["leftovers", "unused"]) > 1500
    left = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert left == before


def test_chunks_go_once_the_clips_are_whole(run):
    found = parts(run)
    assert len([path for path in found["chunks"].files if path.name.startswith("chunk")]) == 4
    before = list(refinement_folders(run)), read_refinement(next(refinement_folders(run)))
    remove(run, ["chunks"])
    assert "chunks" not in parts(run)
    assert read_refinement(before[0][0]) == before[1]
    dot = StreamingDot(chunk_frames=4)
    assert refine(run, dot) == before[1]
    assert dot.made == []  # whole clips are found before their parts are asked for


def test_videos_are_written_again_by_the_same_command(run):
    videos = {path.name for path in run.glob("scenarios/*/videos/*.mp4")}
    remove(run, ["videos"])
    assert not list(run.glob("scenarios/*/videos/*"))
    assert "must stay" not in str(parts(run).get("videos"))
    assert "holds its only copy" in parts(run)["store"].refused
    with pytest.raises(InvalidInputError, match="only copy"):
        remove(run, ["store"])
    dot = StreamingDot(chunk_frames=4)
    refine(run, dot)
    assert dot.made == []
    assert {path.name for path in run.glob("scenarios/*/videos/*.mp4")} == videos


def test_the_store_goes_last_and_results_stay(run):
    result = next(run.glob("scenarios/*/refinement.json")).read_bytes()
    assert parts(run)["store"].refused == ""
    remove(run, ["store"])
    assert not (run / "store").exists()
    assert next(run.glob("scenarios/*/refinement.json")).read_bytes() == result
    assert "the store is gone" in parts(run)["videos"].refused


def test_what_is_not_finished_keeps_its_store_and_its_chunks(run):
    path = next(run.glob("scenarios/*/refinement.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"stopped_by": "budget"}))
    found = parts(run)
    for part in ("chunks", "store"):
        assert "is not finished" in found[part].refused
        with pytest.raises(InvalidInputError, match="is not finished"):
            remove(run, [part])
    assert parts(run) == found  # nothing was deleted


def test_a_scenario_that_a_kill_cut_short_counts_as_not_finished(run):
    """It has no folder yet, and what it paid for is in the store alone."""
    with (run / "events.jsonl").open("a") as journal:
        journal.write(
            json.dumps({"event": "started", "scenario": "b", "scenario_id": "b-1"}) + "\n"
        )
    assert "b-1 is not finished" in parts(run)["store"].refused
    with pytest.raises(InvalidInputError, match="b-1 is not finished"):
        remove(run, ["store"])


def test_a_folder_in_use_is_left_alone(run):
    (run / "x.damaged").write_bytes(b"1")
    with RunLock(run / "run.lock"), pytest.raises(RunLockedError):
        remove(run, ["leftovers"])
    with RunLock(run / "run-1-of-2.lock"), pytest.raises(RunLockedError):
        remove(run, ["leftovers"])
    for around in ("generating-1-of-2.lock", "sweep.lock"):  # between two samples of a benchmark
        with RunLock(run.parent / around), pytest.raises(RunLockedError):
            remove(run, ["leftovers"])
    assert (run / "x.damaged").exists()
    assert remove(run, ["leftovers"]) == 1


def test_parts_that_searches_need_stay(run):
    path = next(run.glob("scenarios/*/refinement.json"))
    result = json.loads(path.read_text())
    result["attempts"][0]["candidates"][0]["search"] = {"name": "backtracking"}
    path.write_text(json.dumps(result))
    assert parts(run)["chunks"].refused == "searches need them"


def test_a_run_without_streams_has_nothing_but_videos_and_store(tmp_path):
    refine(tmp_path / "run", MovingDot())
    assert list(parts(tmp_path / "run")) == ["videos", "store"]
    assert {one.part for one in removable(tmp_path / "run")} == set(PARTS)
