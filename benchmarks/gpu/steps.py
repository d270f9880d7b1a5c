"""Runs measurements one by one, keeps every result at once, and goes on after a failure.

A step is a generator of ``(name, function)``: each function makes one measurement and gives a
dictionary. Needs torch alone.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import re
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

Record = dict[str, Any]
Measurement = tuple[str, Callable[[], Record]]


@dataclass(frozen=True)
class Setting:
    """Where and how large.

    Attributes:
        device: ``cuda`` or ``cpu``.
        tiny: Tiny shapes, to try every step on a CPU.
    """

    device: torch.device
    tiny: bool

    @property
    def gpu(self) -> bool:
        """Whether this is a GPU."""
        return self.device.type == "cuda"

    def seconds(self, work: Callable[[], Any], *, repeats: int = 3, warm: int = 1) -> Record:
        """Median, fastest and slowest wall-clock seconds of ``work``, the device idle around it."""
        for _ in range(warm):
            work()
        times = []
        for _ in range(1 if self.tiny else repeats):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            times.append(time.perf_counter() - start)
        times.sort()
        return {"s": times[len(times) // 2], "fastest": times[0], "slowest": times[-1]}

    def wait(self) -> None:
        """Wait until the device is idle."""
        if self.gpu:
            torch.cuda.synchronize(self.device)

    def highest(self, work: Callable[[], Any]) -> Record:
        """Most device memory in GiB while ``work`` runs, and what was there before."""
        if not self.gpu:
            work()
            return {}
        self.wait()
        torch.cuda.reset_peak_memory_stats(self.device)
        before = torch.cuda.memory_allocated(self.device)
        work()
        self.wait()
        peak = torch.cuda.max_memory_allocated(self.device)
        return {"peak_gib": peak / 2**30, "before_gib": before / 2**30}


def error(actual: torch.Tensor, wanted: torch.Tensor) -> float:
    """``|actual - wanted| / |wanted|``, Euclidean, in float64; NaN never passes a limit."""
    wanted = wanted.double()
    return float((actual.double() - wanted).norm() / wanted.norm())


def card(device: torch.device) -> Record:
    """What this ran on."""
    found: Record = {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
    }
    if device.type == "cuda":
        about = torch.cuda.get_device_properties(device)
        found |= {
            "card": about.name,
            "memory_gib": about.total_memory / 2**30,
            "capability": f"{about.major}.{about.minor}",
            "cuda": torch.version.cuda,
        }
    return found


class Results:
    """All results in one JSON file, written anew after every measurement.

    Args:
        path: The file; what it holds from an earlier run is kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held: Record = json.loads(path.read_text()) if path.exists() else {}

    def run(self, name: str, step: Iterator[Measurement], limit: float, match: str = "") -> None:
        """Make the measurements of a step that are not there yet.

        Args:
            name: Of the step.
            step: Its measurements.
            limit: Seconds after which no further one is begun.
            match: A regular expression; measurements whose name it is not found in are left out.
        """
        start = time.perf_counter()
        kept = self.held.setdefault(name, {})
        kept.pop("stopped", None)
        try:
            for what, measure in step:
                if not re.search(match, what) or "error" not in kept.get(what, {"error": ""}):
                    continue
                if time.perf_counter() - start > limit:
                    kept["stopped"] = f"before {what}: over {limit:.0f} s; run it again to go on"
                    break
                kept[what] = self._measured(name, what, measure)
                self.save()
        except Exception as failed:  # noqa: BLE001 - a step that cannot start is a result too
            kept["setup"] = _told(failed)
            print(f"{name}: {kept['setup']['error']}", flush=True)
        kept["seconds"] = round(kept.get("seconds", 0) + time.perf_counter() - start, 1)
        self.save()

    def save(self) -> None:
        """Write the file aside and put it in place."""
        aside = self.path.with_suffix(".tmp")
        aside.write_text(json.dumps(self.held, indent=1))
        aside.replace(self.path)

    def failures(self) -> list[str]:
        """Measurements that failed, and checks that did not pass."""
        return [
            f"{step}/{what}: {record.get('error', 'not passed')}"
            for step, records in self.held.items()
            for what, record in records.items()
            if isinstance(record, dict) and ("error" in record or not record.get("passed", True))
        ]

    def _measured(self, step: str, what: str, measure: Callable[[], Record]) -> Record:
        try:
            record = measure()
        except Exception as failed:  # noqa: BLE001 - the kit goes on and says what failed
            record = _told(failed)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        print(
            f"{step}/{what}: {json.dumps({k: v for k, v in record.items() if k != 'where'})}",
            flush=True,
        )
        return record


def _told(failed: Exception) -> Record:
    line = (str(failed).strip().splitlines() or [""])[0][:300]
    where = traceback.format_exc().strip().splitlines()[-8:]
    return {"error": f"{type(failed).__name__}: {line}", "where": where}
