"""A run in each tracker, through the tracker's real package, read back by that package."""

import importlib
import threading
import types
from pathlib import Path

import pytest
import readers
from attrs import evolve
from made_runs import SCENES
from test_refiner import SCENE, Watcher, Writer

from phyrefine import Candidates, SelfRefiner
from phyrefine.errors import InvalidInputError, MissingDependencyError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.testing import MovingDot
from phyrefine.tracking import Tracker

SECRETS = ("sk-tracked0123456789abcdef", "pa55word-of-mine")
SECRET_SCENE = evolve(SCENE, description=f"A dot moves. {' '.join(SECRETS)}")

# Warnings of the trackers' own packages are not ours to fix.
pytestmark = pytest.mark.filterwarnings("default")


class Leaking(Watcher):
    """Says a key in what it finds."""

    def ask(self, question):
        answer = super().ask(question)
        return evolve(answer, text=answer.text.replace("it stops", f"it stops {SECRETS[0]}"))


@pytest.fixture(params=["tensorboard", "mlflow", "trackio", "wandb"])
def tracker(request, tmp_path, monkeypatch):
    """(a fresh Tracker, its reader, its folder) of every tracker that is installed."""
    name = request.param
    monkeypatch.setenv("MLFLOW_ENABLE_TELEMETRY", "false")
    module = pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERVICE_API_KEY", SECRETS[1])
    options = {
        "tensorboard": {"logdir": tmp_path / "logs"},
        "mlflow": {"tracking_uri": f"sqlite:///{tmp_path}/mlflow.db"},
        "trackio": {},
        "wandb": {"mode": "offline", "dir": str(tmp_path)},
    }[name]
    if name == "trackio":
        monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
        for part in ("trackio.utils", "trackio.sqlite_storage", "trackio.media.utils"):
            monkeypatch.setattr(importlib.import_module(part), "TRACKIO_DIR", tmp_path / "trackio",
                                raising=False)  # fmt: skip
    return lambda **more: Tracker(module, **options, **more), getattr(readers, name), tmp_path


def refine(tracked, run_dir, loops=1, scene=SCENE):
    with tracked:
        return SelfRefiner(
            Leaking(), Writer(), MovingDot(), convergence=MaxLoops(loops), ensemble="consensus",
            candidates=Candidates(seeds=(0, 1)), run_dir=run_dir, listeners=[tracked],
        ).refine(scene)  # fmt: skip


def test_a_resumed_run_goes_on_in_the_same_tracked_run(tracker, tmp_path):
    made, read, folder = tracker
    refine(made(), tmp_path / "run", loops=1, scene=SECRET_SCENE)
    first = read(folder)
    assert first.metrics["attempt/loop"] == [0, 1]
    assert first.metrics["attempt/violations"] == [1, 1]
    assert first.metrics["result/attempts"] == [2]
    assert first.metrics["total/finished"] == [1]
    assert first.clips == 2 * 2 + 1  # two attempts of two seeds, and the chosen clip
    assert "It moves on." in first.words  # the prompts
    assert "moving-dot" in first.settings

    refine(made(), tmp_path / "run", loops=1, scene=SECRET_SCENE)  # nothing new
    refine(made(), tmp_path / "run", loops=2, scene=SECRET_SCENE)
    last = read(folder)
    assert last.runs == 1
    assert last.metrics["attempt/loop"] == [0, 1, 2]
    assert last.metrics["result/attempts"] == [2, 3]
    assert last.metrics["total/attempts"][-1] == 3
    assert last.clips == 2 * 3 + 2
    for path in (item for item in tmp_path.rglob("*") if item.is_file()):
        if (tmp_path / "run") not in path.parents:
            data = path.read_bytes()
            assert not any(secret.encode() in data for secret in SECRETS), path
    assert "[hidden]" in last.words


def test_clips_may_be_left_out(tracker, tmp_path):
    made, read, folder = tracker
    refine(made(clips="chosen"), None)
    assert read(folder).clips == 1


# -- without any tracker -------------------------------------------------------------------------


class Heard:
    """A module that takes wandb's calls and remembers them."""

    def __init__(self):
        self.runs, self.logged, self.finished = [], [], 0

    def module(self):
        made = types.ModuleType("made_up")
        made.init, made.Video, made.Table = self.init, self.Video, self.Table
        return made

    def init(self, **asked):
        self.runs.append(asked)
        return self

    def log(self, values, step):
        self.logged.append((step, values))

    def finish(self):
        self.finished += 1

    def Video(self, path, caption, **form):
        return "video", caption, Path(path).read_bytes()[4:8]

    def Table(self, columns, data):
        return columns, data


def test_a_module_with_wandbs_calls_is_a_tracker(tmp_path):
    heard = Heard()
    with Tracker(heard.module(), project="mine", name="one", entity="us") as tracked:
        SelfRefiner(
            Watcher(), Writer(), MovingDot(), convergence=MaxLoops(1), ensemble="consensus",
            listeners=[tracked], run_dir=tmp_path / "run",
        ).refine_many(SCENES[:2], workers=2)  # fmt: skip
        assert heard.finished == 0
    assert heard.finished == 1
    (asked,) = heard.runs  # one run for all scenarios of a run folder
    assert asked["project"] == "mine"
    assert asked["entity"] == "us"
    assert asked["config"]["backend.vlm"] == "watcher"
    assert [step for step, _ in heard.logged] == [1, 2, 3, 4, 5, 6]
    steps = [values for _, values in heard.logged]
    assert sum("attempt/violations" in values for values in steps) == 4
    last = steps[-1]
    assert last["total/results"] == last["total/finished"] == 2
    videos = [value for values in steps for name, value in values.items() if "clips/" in name[:6]]
    assert [one[2] for one in videos] == [b"ftyp"] * 4
    assert "attempt 0: A dot moves." in {one[1] for one in videos}
    columns, rows = next(value for name, value in last.items() if name.startswith("attempts/"))
    assert [row[columns.index("chosen")] for row in rows].count(True) == 1
    # Started again, nothing is said twice, under the same name.
    with Tracker(heard.module(), project="mine") as tracked:
        SelfRefiner(
            Watcher(), Writer(), MovingDot(), convergence=MaxLoops(1), ensemble="consensus",
            listeners=[tracked], run_dir=tmp_path / "run",
        ).refine_many(SCENES[:2])  # fmt: skip
    assert len(heard.logged) == 6
    assert heard.runs[1]["name"] == heard.runs[0]["name"]


def test_a_project_that_the_environment_names(monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "dominoes")
    heard = Heard()
    module = heard.module()
    assert Tracker(module).project == "phyrefine"
    module.__name__ = "wandb"
    assert Tracker(module).project == "dominoes"
    assert Tracker(module, project="mine").project == "mine"


def test_every_run_folder_is_a_run_of_its_own(tmp_path):
    heard = Heard()
    with Tracker(heard.module()) as tracked:
        for name in ("one", "two"):
            SelfRefiner(
                Watcher(), Writer(), MovingDot(), convergence=MaxLoops(1), ensemble="last",
                listeners=[tracked], run_dir=tmp_path / name,
            ).refine(SCENE)  # fmt: skip
    assert len(heard.runs) == heard.finished == 2
    assert heard.runs[0]["name"].startswith(f"{tmp_path.name}-one-")


def test_a_tracker_that_fails_stops_nothing(tmp_path, caplog):
    heard = Heard()
    heard.init = None
    tracked = Tracker(heard.module())
    done = refine(tracked, tmp_path / "run")
    assert done.stopped_by == "loop_limit"
    assert "made_up failed at 'started'" in caplog.text


@pytest.mark.slow
def test_a_slow_tracker_holds_nothing_up(tmp_path, monkeypatch, caplog):
    heard, going_on = Heard(), threading.Event()
    log = heard.log
    heard.log = lambda values, step: (going_on.wait(60), log(values, step))
    monkeypatch.setattr("phyrefine.tracking.tracker.PATIENCE_SECONDS", 0.01)
    tracked = Tracker(heard.module())
    refiner = SelfRefiner(
        Watcher(), Writer(), MovingDot(), convergence=MaxLoops(1), ensemble="last",
        listeners=[tracked], run_dir=tmp_path / "run",
    )  # fmt: skip
    refiner.refine_many([evolve(SCENE, name=f"scene {number}") for number in range(8)])
    assert heard.logged == []
    assert "16 entries behind" in caplog.text
    going_on.set()
    tracked.close()
    first = len(heard.logged)
    assert 0 < first < 8 * 3
    with Tracker(heard.module()) as tracked:  # what was left out is logged by the next start
        refiner.listeners = (tracked,)
        for number in range(8):
            refiner.refine(evolve(SCENE, name=f"scene {number}"))
    assert len(heard.logged) == 8 * 3
    assert [step for step, _ in heard.logged] == list(range(1, 25))


def test_what_is_no_tracker_is_said_at_once(monkeypatch):
    with pytest.raises(InvalidInputError, match="json is no tracker"):
        Tracker(importlib.import_module("json"))
    with pytest.raises(InvalidInputError, match="no tracker 'weights'"):
        Tracker("weights")
    with pytest.raises(InvalidInputError, match="clips is"):
        Tracker(Heard().module(), clips="some")
    monkeypatch.setattr(
        importlib, "import_module",
        lambda name: (_ for _ in ()).throw(ModuleNotFoundError(name=name)),
    )  # fmt: skip
    with pytest.raises(MissingDependencyError, match="pip install wandb"):
        Tracker("wandb")
