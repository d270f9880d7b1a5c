"""A refinement on disk comes back whole, plays in browsers, and says when it cannot."""

import json

import pytest
from attrs import evolve

from phyrefine.errors import StoreError
from phyrefine.run import results
from phyrefine.run.store.store import FolderStore
from phyrefine.testing import MovingDot, moving_clip
from phyrefine.types import (
    Attempt,
    Candidate,
    Choice,
    Critique,
    Pick,
    Prediction,
    Prompt,
    Refinement,
    Scenario,
    Shot,
    Usage,
    Verdict,
    Violation,
)
from phyrefine.video.clip import Clip


def attempt(index, prompt, seeds=(0,)):
    made = tuple(
        Candidate(MovingDot().generate(Shot(Prompt(prompt), seconds=0.5, size=(16, 18))), seed)
        for seed in seeds
    )
    return Attempt(
        index,
        Prompt(prompt, notes=("cut",)),
        made,
        Critique("better", (Violation("gravity", "floats", 0.1, 0.4),)),
        Prompt(prompt + "!"),
        baseline=index == 0,
        usage=Usage(2, {"input": 7}, 1.5, 1.0, None),
        verdict=Verdict(index == 1, "same prompt", "equal"),
    )


@pytest.fixture
def refinement():
    return Refinement(
        Scenario("A ball falls: ünder gravity/..", moving_clip(), seconds=0.5),
        (attempt(0, "a ball"), attempt(1, "a ball falls", seeds=(0, 1))),
        Choice(Pick(1), "judge", "higher", {"0.0": 1.0, "1.0": 2.0}),
        reason="same prompt: equal",
        prediction=Prediction("it falls", ("it falls",)),
        usage=Usage(4, {"input": 14}, 3.0, 2.0, None, 1),
    )


@pytest.fixture
def folder(tmp_path, refinement):
    where = tmp_path / "scenarios" / results.folder_name(refinement.scenario)
    results.write_refinement(where, refinement, FolderStore(tmp_path / "store"))
    return where


def test_it_comes_back_whole(folder, refinement):
    back = results.read_refinement(folder)
    assert back == refinement
    assert back.attempts[0].usage == refinement.attempts[0].usage
    assert back.video == refinement.video
    assert back.video.native == refinement.video.native


def test_videos_play(folder):
    names = {path.name for path in (folder / "videos").iterdir()}
    assert names == {"attempt-0.mp4", "attempt-1.mp4", "attempt-1-1.mp4", "shown.json"}
    clip = Clip.read(folder / "videos" / "attempt-1-1.mp4")
    assert len(clip) == 12
    assert clip.size == (16, 18)


def test_what_came_out_is_apart_from_what_it_took(folder, refinement):
    before = (folder / "refinement.json").read_bytes()
    assert b"seconds" not in before.replace(b'"seconds": 0.5', b"")
    store = FolderStore(folder.parent.parent / "store")
    attempts = tuple(evolve(one, usage=Usage(9)) for one in refinement.attempts)
    slower = evolve(refinement, attempts=attempts, usage=Usage(18))
    results.write_refinement(folder, slower, store)
    assert (folder / "refinement.json").read_bytes() == before
    assert results.read_refinement(folder).usage.calls == 18


def test_videos_already_there_are_not_encoded_again(folder, refinement):
    store = FolderStore(folder.parent.parent / "store")
    paths = sorted((folder / "videos").glob("*.mp4"))
    before = [path.stat().st_mtime_ns for path in paths]
    other = evolve(refinement, attempts=(refinement.attempts[0], attempt(1, "else", (0, 1))))
    results.write_refinement(folder, other, store)
    after = [path.stat().st_mtime_ns for path in paths]
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert after[2] != before[2]


def test_names_are_readable_safe_and_unique():
    name = results.folder_name(Scenario("A ball falls: ünder gravity/.."))
    assert name.startswith("a-ball-falls-under-gravity-")
    assert results.folder_name(Scenario("物理")).startswith("scenario-")
    assert results.folder_name(Scenario("x" * 500)) < "y"
    assert len(results.folder_name(Scenario("x" * 500))) < 60
    assert results.folder_name(Scenario("a")) != results.folder_name(Scenario("a", seconds=2))
    assert results.folder_name(Scenario("a", name="n")).startswith("n-")


def test_secrets_in_reasons_are_hidden(tmp_path, refinement, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-without-shape")
    leaky = evolve(refinement, reason="401: a-key-without-shape is invalid")
    results.write_refinement(tmp_path / "a" / "b", leaky, FolderStore(tmp_path / "store"))
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"a-key-without-shape" not in path.read_bytes()


class TestDamage:
    def test_nothing_there(self, tmp_path):
        with pytest.raises(StoreError, match="no refinement was finished"):
            results.read_refinement(tmp_path)

    def test_cut_json(self, folder):
        path = folder / "refinement.json"
        path.write_text(path.read_text()[:100])
        with pytest.raises(StoreError, match=r"refinement\.json is damaged"):
            results.read_refinement(folder)

    def test_unknown_key(self, folder):
        path = folder / "refinement.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "bogus": 1}))
        with pytest.raises(StoreError, match="bogus"):
            results.read_refinement(folder)

    @pytest.mark.parametrize("usage", ["{}", "[]", '{"total": {}, "attempts": []}'])
    def test_usage_that_does_not_fit(self, folder, usage):
        (folder / "usage.json").write_text(usage)
        with pytest.raises(StoreError, match=r"is damaged"):
            results.read_refinement(folder)

    def test_lost_clip(self, folder, refinement):
        store = FolderStore(folder.parent.parent / "store")
        store.clip_path(refinement.video.digest).unlink()
        with pytest.raises(StoreError, match=f"A clip of {folder} is lost") as caught:
            results.read_refinement(folder)
        assert refinement.video.digest in str(caught.value)
        assert not caught.value.__notes__  # cattrs' are for programmers

    def test_damaged_index_of_videos(self, folder, refinement):
        (folder / "videos" / "shown.json").write_text("{")
        store = FolderStore(folder.parent.parent / "store")
        results.write_refinement(folder, refinement, store)
        assert set(json.loads((folder / "videos" / "shown.json").read_text())) == {
            "attempt-0.mp4",
            "attempt-1.mp4",
            "attempt-1-1.mp4",
        }
