"""One opening of a run for all threads that use it at the same time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from attrs import define, evolve, field

from phyrefine.errors import RunMismatchError
from phyrefine.run.budget.meter import Meter
from phyrefine.run.runner import Run
from phyrefine.run.spec import RunSpec


@define
class SharedRun:
    """Opens the run folder for the first user and closes it after the last.

    Each user counts on a meter of its own; store, journal and lock are common.
    """

    _open: tuple[Run, RunSpec] | None = field(default=None, init=False)
    _users: int = field(default=0, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @contextlib.contextmanager
    def use(self, spec: RunSpec, meter: Meter, opening: Callable[[], Run]) -> Iterator[Run]:
        """The run, open within the block.

        Args:
            spec: What is asked for now.
            meter: Counts what this user takes.
            opening: Opens the run.

        Raises:
            RunMismatchError: The run is open for something else.
        """
        with self._lock:
            if self._open is None:
                self._open = opening(), spec
            elif differences := spec.differences(self._open[1]):
                raise RunMismatchError(
                    "This run is open for another experiment in another thread: "
                    f"{'; '.join(differences)}. Wait for it, or use another run folder."
                )
            self._users += 1
            run = self._open[0]
        try:
            yield evolve(run, meter=meter, lock=None)
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._open = None
                    run.close()
