"""Opening a run folder: new, again, another's, locked, foreign."""

import json
import logging
import os

import pytest

from phyrefine.errors import InvalidInputError, RunLockedError, RunMismatchError, StoreError
from phyrefine.run import (
    MemoryStore,
    Meter,
    RunSpec,
    open_run,
    read_manifest,
    refinement_folders,
    wrap_asker,
)
from phyrefine.run.journal import read_journal
from phyrefine.testing import ScriptedAsker, moving_clip
from phyrefine.types import Attempt, Candidate, Prompt, Question, Refinement, Scenario

SPEC = RunSpec({"loops": 3}, backends={"vlm": "a"})
SCENARIO = Scenario("a dot moves", moving_clip(), seconds=1)
DONE = Refinement(SCENARIO, (Attempt(1, Prompt("a"), (Candidate(moving_clip()),)),))


def test_a_new_run_and_the_same_again(tmp_path):
    with open_run(tmp_path / "run", SPEC) as run:
        folder = run.save_refinement(DONE)
    assert folder.parent == tmp_path / "run" / "scenarios"
    assert read_manifest(tmp_path / "run").spec == SPEC
    created = (tmp_path / "run" / "manifest.json").read_bytes()
    with open_run(str(tmp_path / "run"), SPEC) as run:
        assert run.load_refinement(SCENARIO) == DONE
        assert run.load_refinement(Scenario("other")) is None
    assert (tmp_path / "run" / "manifest.json").read_bytes() == created
    assert list(refinement_folders(tmp_path / "run")) == [folder]
    events = [event["event"] for event in read_journal(tmp_path / "run" / "events.jsonl")]
    assert events == ["opened", "closed", "opened", "closed"]


def test_in_memory_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = MemoryStore()
    with open_run(None, SPEC, store=store) as run:
        assert run.store is store
        assert run.listeners == ()
        assert run.save_refinement(DONE) is None
        assert run.load_refinement(SCENARIO) is None
    assert list(tmp_path.iterdir()) == []


def test_another_experiment_is_refused_and_changes_nothing(tmp_path):
    with open_run(tmp_path / "run", SPEC):
        pass
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(RunMismatchError, match=r"vlm: 'a' there, 'b' now; loops: 3 there, 4"):
        open_run(tmp_path / "run", RunSpec({"loops": 4}, backends={"vlm": "b"}))
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    with open_run(tmp_path / "run", SPEC):
        pass


def test_a_run_in_use_is_refused(tmp_path):
    with open_run(tmp_path / "run", SPEC), pytest.raises(RunLockedError, match="this very process"):
        open_run(tmp_path / "run", SPEC)
    with open_run(tmp_path / "run", SPEC):
        pass


def test_shares_of_a_run_work_side_by_side(tmp_path):
    with (
        open_run(tmp_path / "run", SPEC, part="1-of-2") as one,
        open_run(tmp_path / "run", SPEC, part="2-of-2") as two,
    ):
        one.store.put("a-1f", "from one")
        assert two.store.get("a-1f") == "from one"
        with pytest.raises(RunLockedError):
            open_run(tmp_path / "run", SPEC, part="2-of-2")
    assert (tmp_path / "run" / "events-2-of-2.jsonl").exists()
    with pytest.raises(InvalidInputError, match="part"):
        open_run(tmp_path / "run", SPEC, part="../x")


def test_someone_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(RunMismatchError, match=r"thesis\.tex"):
        open_run(tmp_path, SPEC)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(RunMismatchError, match="is a file"):
        open_run(tmp_path / "thesis.tex", SPEC)


@pytest.mark.parametrize("part", [None, "1-of-2"])
def test_leftovers_of_killed_processes_are_swept(tmp_path, part):
    with open_run(tmp_path / "run", SPEC, part=part) as run:
        run.store.put("a-1f", "kept")
    old, fresh = (tmp_path / "run" / "store" / name for name in (".a.1.part.mkv", ".b.2.part.mkv"))
    old.write_text("")
    fresh.write_text("")
    os.utime(old, (0, 0))
    with open_run(tmp_path / "run", SPEC, part=part) as run:
        assert run.store.get("a-1f") == "kept"
    assert not old.exists()
    # Another share may be writing the fresh one; without shares nobody is.
    assert fresh.exists() == (part is not None)


def test_a_run_killed_before_its_manifest_opens(tmp_path):
    leftovers = (
        "run.lock",
        "run.lock.holder.json",
        ".run.lock.holder.1a2b.part.json",
        ".manifest.1a2b.part.json",
    )
    for name in leftovers:
        (tmp_path / name).write_text("")
    with open_run(tmp_path, SPEC):
        pass
    assert read_manifest(tmp_path).spec == SPEC


@pytest.mark.parametrize("content", ["", "{", "null", "[]", '{"spec": {}}'])
def test_a_damaged_manifest(tmp_path, content):
    with open_run(tmp_path / "run", SPEC):
        pass
    (tmp_path / "run" / "manifest.json").write_text(content)
    with pytest.raises(StoreError, match=r"manifest\.json is damaged"):
        open_run(tmp_path / "run", SPEC)


def test_no_manifest(tmp_path):
    with pytest.raises(StoreError, match="is no run folder"):
        read_manifest(tmp_path)


def test_secrets_are_in_no_file_of_a_run(tmp_path, monkeypatch, caplog):
    """One of the environment, one of an argument, one by its shape."""
    secrets = ["a-key-without-shape", "argument-key-123", "sk-abcdefghijklmnopqrstuvwx"]
    monkeypatch.setenv("OPENAI_API_KEY", secrets[0])
    monkeypatch.setattr("sys.argv", ["phyrefine", f"--api-key={secrets[2]}"])
    spec = RunSpec({"api_key": secrets[1], "base_url": f"http://h?key={secrets[0]}"})
    fault = RuntimeError(f"401 for {secrets[0]}, {secrets[2]}")
    with caplog.at_level(logging.DEBUG), open_run(tmp_path / "run", spec) as run:
        model = ScriptedAsker(["fine", fault])
        asker = wrap_asker(model, store=run.store, meter=Meter(), listeners=run.listeners)
        asker.ask(Question("critique", "?"))
        with pytest.raises(RuntimeError):
            asker.ask(Question("critique", "??"))
        run.save_refinement(Refinement(SCENARIO, (), None, "error", str(fault)))
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(files) >= 5
    for secret in secrets:
        assert [path for path in files if secret.encode() in path.read_bytes()] == []
        assert secret not in caplog.text
    failed = [
        event for event in read_journal(tmp_path / "run" / "events.jsonl") if "error" in event
    ]
    assert "RuntimeError: 401 for [hidden], [hidden]" in json.dumps(failed)
