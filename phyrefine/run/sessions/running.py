"""What one refiner is doing right now, so that it can be stopped."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import define, field

from phyrefine.run.budget.meter import Meter


@define
class Running:
    """The meters of all calls in progress, and the generators that can stop within a clip.

    Attributes:
        generators: Those with an event ``cancel`` are told by it to stop.
    """

    generators: Sequence[Any]
    _meters: dict[int, Meter] = field(factory=dict, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @contextlib.contextmanager
    def at(self, meter: Meter) -> Iterator[None]:
        """Within the block the call that counts on ``meter`` is in progress."""
        with self._lock:
            self._meters[id(meter)] = meter
        try:
            yield
        finally:
            with self._lock:
                self._meters.pop(id(meter), None)
                if not self._meters and meter.cancelled:
                    for event in self._events():
                        event.clear()

    def stop(self, *meters: Meter) -> None:
        """Stop these calls, or all in progress, before the next thing they pay for."""
        with self._lock:
            for meter in meters or tuple(self._meters.values()):
                meter.cancel()
            # A generator that serves another call as well is left alone.
            if self._meters and all(meter.cancelled for meter in self._meters.values()):
                for event in self._events():
                    event.set()

    def _events(self) -> Iterator[threading.Event]:
        for generator in self.generators:
            event = getattr(generator, "cancel", None)
            if isinstance(event, threading.Event):
                yield event
