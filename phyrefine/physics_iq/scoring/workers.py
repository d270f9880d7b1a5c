"""Views in processes of their own, one at a time in each: for more cores than threads can use.

Python's lock is held for about an eighth of a view's time, so that beyond a few threads more of
them wait for it than work. Each thread of the evaluator then hands its views to a process.
Those are started by name, not by ``multiprocessing``, which would run the caller's script again.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import attrs

from phyrefine.errors import RunError
from phyrefine.physics_iq.data.layout import Sample
from phyrefine.physics_iq.scoring.truth import GroundTruth

MOST_THREADS = 4  # views at a time in one process
# What each process runs; by name, because it needs the evaluator, which needs this module.
WORKER = "phyrefine.physics_iq.scoring.worker"


@attrs.frozen
class Setup:
    """What a process needs to score views.

    Attributes:
        truth: Ground truth.
        cache: Folder of the real side, if there is one.
        packed: Compress cached frames.
        lossless: Skip the lossy mask file.
    """

    truth: GroundTruth
    cache: Path | None
    packed: bool
    lossless: bool


@attrs.define
class Crew:
    """A process for each thread that asks.

    Attributes:
        setup: Of every process.
    """

    setup: Setup
    _own: threading.local = attrs.field(factory=threading.local, init=False)
    _all: list[subprocess.Popen[bytes]] = attrs.field(factory=list, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _stopped: bool = attrs.field(default=False, init=False)

    def ask(self, sample: Sample, clip: Path | None) -> Any:
        """Score one clip; without a clip fill the cache with the sample's real side.

        Raises:
            RunError: The process ended, or all were stopped.
            PhyrefineError: As :meth:`~phyrefine.physics_iq.scoring.evaluate.Evaluator.view`.
        """
        process = self._process()
        assert process.stdin is not None
        assert process.stdout is not None
        if self._stopped:
            raise RunError("Scoring was stopped.")
        try:
            send(process.stdin, (sample, clip))
            failed, value = pickle.load(process.stdout)  # noqa: S301 - from our own process
        except (OSError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise RunError(
                f"A process that scores views ended with code {process.wait()} at {sample.name}. "
                "Was there too little memory? Pass fewer --jobs; with a cache folder, views that "
                "are finished are kept."
            ) from error
        if failed:
            raise value
        return value

    def stop(self) -> None:
        """End every process, also those that work; threads that wait for one get an error."""
        with self._lock:
            self._stopped = True
            for process in self._all:
                process.kill()
        for process in self._all:
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    _close(stream)

    def _process(self) -> subprocess.Popen[bytes]:
        there: subprocess.Popen[bytes] | None = getattr(self._own, "process", None)
        if there is None:
            with self._lock:
                if self._stopped:
                    raise RunError("Scoring was stopped.")
                there = subprocess.Popen(  # noqa: S603 - this package, by name
                    [sys.executable, "-m", WORKER],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    start_new_session=True,  # Ctrl-C is for the process that stops the others
                )
                self._all.append(there)
            self._own.process = there
            assert there.stdin is not None
            send(there.stdin, self.setup)
        return there


def send(stream: Any, value: object) -> None:
    """Write a value, at once."""
    pickle.dump(value, stream)
    stream.flush()


def _close(stream: Any) -> None:
    try:
        stream.close()
    except OSError:  # what was not sent any more
        return
