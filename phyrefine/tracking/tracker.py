"""``Tracker``: a listener that follows a run in an experiment tracker."""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import queue
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Self

from attrs import define

from phyrefine._secrets import scrub
from phyrefine.errors import InvalidInputError, MissingDependencyError
from phyrefine.tracking.entries import Entry, attempt_entry, result_entry, settings_of
from phyrefine.tracking.memory import Memory
from phyrefine.tracking.services import Service, service_for
from phyrefine.video.clip import Clip

log = logging.getLogger(__name__)

KNOWN = ("wandb", "trackio", "mlflow", "tensorboard")
# Longer side of a logged clip, in pixels, and its H.264 rate factor: a look, not an archive.
PIXELS, QUALITY = 384, 28
# Entries that wait for a slow tracker, each with the clips of an attempt, and how long a run waits
# for a place among them before an entry is left out.
QUEUED, PATIENCE_SECONDS = 16, 30.0
_SUMMED = ("calls", "tokens", "seconds", "gpu_seconds", "usd")


@define
class _Tracked:
    """One run in the tracker."""

    service: Service
    memory: Memory


class Tracker:
    """Logs a run into Weights & Biases, Trackio, MLflow or TensorBoard as it goes.

    Per attempt: violations, severity, scores, prompt length, calls, tokens, seconds and dollars,
    sums over the run, and the clips with their prompts. Per scenario: how it ended, a table of its
    attempts with prompts and scores, and the chosen clip. When a run folder is started again the
    same tracked run goes on, and what was logged is not logged twice. Keys are removed from
    everything that is sent. A thread of its own encodes and sends, so that a run does not wait.

    Use it as a context manager, or call :meth:`close`, to end the tracked runs; else they end with
    the process.

    Args:
        module: The tracker's module (``import wandb``), or its name: ``"wandb"``, ``"trackio"``,
            ``"mlflow"`` or ``"tensorboard"``. A module that takes wandb's calls works too.
        project: Project (wandb, Trackio), experiment (MLflow) or folder of runs (TensorBoard); by
            default what ``WANDB_PROJECT`` or ``MLFLOW_EXPERIMENT_NAME`` says, else ``phyrefine``.
        name: Name of the run; by default those of its run folder and the folder around it.
        clips: Log every clip, only the chosen one of each scenario, or none.
        **options: Passed on: to ``init`` of wandb and Trackio (``mode="offline"``,
            ``entity=...``), to MLflow's client (``tracking_uri=...``); for TensorBoard ``logdir``,
            the folder of runs instead of ``project``.

    Raises:
        MissingDependencyError: The named tracker is not installed.
        InvalidInputError: The module is no tracker.
    """

    def __init__(
        self,
        module: ModuleType | str,
        *,
        project: str | None = None,
        name: str | None = None,
        clips: Literal["all", "chosen", "none"] = "all",
        **options: Any,
    ) -> None:
        if clips not in ("all", "chosen", "none"):
            raise InvalidInputError(f'clips is "all", "chosen" or "none", not {clips!r}.')
        self.module = _imported(module) if isinstance(module, str) else module
        self.project = project or _usual_project(self.module.__name__)
        self.name, self.clips, self.options = name, clips, options
        service_for(self.module, self.project, options)  # a wrong module is told now
        self._runs: dict[Path | None, _Tracked] = {}
        self._of: dict[str, _Tracked] = {}
        self._waiting: queue.Queue[tuple[str, Mapping[str, Any]] | None] = queue.Queue(QUEUED)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        atexit.register(self.close)

    def on_event(self, event: str, details: Mapping[str, Any]) -> None:
        """Take in an event; a thread of the tracker's own logs it, in order."""
        if event not in ("started", "attempt", "refined"):
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="tracker")
                self._thread.start()
        try:
            self._waiting.put((event, dict(details)), timeout=PATIENCE_SECONDS)
        except queue.Full:
            log.warning(
                "%s is %d entries behind: %r of %s is not logged now. The same run started again "
                "logs it.",
                self.module.__name__, QUEUED, event, details.get("scenario"),
            )  # fmt: skip

    def close(self) -> None:
        """Log what is waiting and end every tracked run. A later event begins or goes on anew."""
        atexit.unregister(self.close)
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()
        tracked, self._runs, self._of = list(self._runs.values()), {}, {}
        for one in tracked:
            one.service.end()

    def _work(self) -> None:
        """Log event after event; an error is told and costs that event only."""
        while (waiting := self._waiting.get()) is not None:
            event, details = waiting
            try:
                self._take_in(event, details)
            except Exception:
                log.exception("%s failed at %r.", self.module.__name__, event)

    def _take_in(self, event: str, details: Mapping[str, Any]) -> None:
        if event == "started":
            self._of[details["scenario_id"]] = self._tracked(details)
            return
        tracked = self._of.get(details["scenario_id"])
        if tracked is None:
            return  # its beginning failed, which was told
        if event == "attempt":
            entry = attempt_entry(details, details["attempt"], clips=self.clips == "all")
        else:
            entry = result_entry(details, details["refinement"], clips=self.clips != "none")
        self._log(tracked, entry)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tracked(self, details: Mapping[str, Any]) -> _Tracked:
        """The tracked run of a run folder, begun or gone on with."""
        run_dir: Path | None = details.get("run_dir")
        if run_dir not in self._runs:
            memory = Memory.of(run_dir, self.module.__name__.rpartition(".")[2])
            service = service_for(self.module, self.project, self.options)
            folder = "-".join(run_dir.parts[-2:]) if run_dir else str(details["scenario"])
            name = self.name or folder
            memory.id = service.begin(scrub(name), memory.id, settings_of(details.get("spec")))
            memory.keep()
            self._runs[run_dir] = _Tracked(service, memory)
        return self._runs[run_dir]

    def _log(self, tracked: _Tracked, entry: Entry) -> None:
        memory = tracked.memory
        if entry.key in memory.logged:
            return
        metrics = dict(entry.metrics)
        kind = "attempt" if "attempt/loop" in metrics else "result"
        _sum(memory.totals, kind, metrics)
        metrics |= {f"total/{name}": value for name, value in memory.totals.items()}
        memory.step += 1
        with tempfile.TemporaryDirectory(prefix="phyrefine-") as folder:
            files = {
                name: (_small(clip, Path(folder) / f"{number}.mp4"), caption)
                for number, (name, clip, caption) in enumerate(entry.clips)
            }
            tracked.service.log(memory.step, metrics, files, entry.table)
        memory.logged.add(entry.key)
        memory.keep()


def _sum(totals: dict[str, float], kind: str, metrics: Mapping[str, float]) -> None:
    """Add an entry to the sums; calls are counted with the results, which hold all of them."""
    totals[f"{kind}s"] = totals.get(f"{kind}s", 0.0) + 1
    if kind == "attempt":
        totals["clips"] = totals.get("clips", 0.0) + metrics["attempt/clips"]
        return
    totals["finished"] = totals.get("finished", 0.0) + metrics["result/finished"]
    for name in _SUMMED:
        if f"result/{name}" in metrics:
            totals[name] = totals.get(name, 0.0) + metrics[f"result/{name}"]


def _small(clip: Clip, path: Path) -> Path:
    """A clip as a small video that browsers play."""
    scale = min(1.0, PIXELS / max(clip.size))
    height, width = (max(2, round(side * scale / 2) * 2) for side in clip.size)
    plain = Clip(clip.frames, clip.fps)
    small = plain if (height, width) == clip.size else plain.resize(height, width, mode="stretch")
    return small.write(path, quality=QUALITY)


def _usual_project(tracker: str) -> str:
    """The project that the tracker's own environment variable names, if there is one."""
    variable = {"wandb": "WANDB_PROJECT", "mlflow": "MLFLOW_EXPERIMENT_NAME"}.get(tracker, "")
    return os.environ.get(variable) or "phyrefine"


def _imported(name: str) -> ModuleType:
    if name not in KNOWN:
        raise InvalidInputError(f"There is no tracker {name!r}: {', '.join(KNOWN)}.")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise MissingDependencyError(
            f"Tracking with {name} needs {name}. Run: pip install {name}", name=name
        ) from error
