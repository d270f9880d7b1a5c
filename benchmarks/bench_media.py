"""What it takes to send a five-second 1080p clip to a model, by each route.

    python benchmarks/bench_media.py [ROUTE ...]

Each route runs in a process of its own, through the real SDK, against the loopback server in
another process. ``first`` is the first question on the clip, ``again`` a second one, for which
encodings and uploads are kept. Seconds are CPU seconds of the client's process, which other load
disturbs less than wall time. Memory is the peak of the resident set above what it was when clip,
SDK and client were ready.
"""

from __future__ import annotations

import json
import multiprocessing
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np

from phyrefine.backends.loopback import Loopback
from phyrefine.backends.loopback.rehearsal import rehearse
from phyrefine.types import Question
from phyrefine.video.clip import Clip

SECONDS, FPS, HEIGHT, WIDTH = 5, 24, 1080, 1920
# The method shrinks what the critic sees to 768 px before any adapter gets it.
ROUTES = {
    "gemini inline, 768 px": ("gemini", {"route": "inline", "side": 768}),
    "gemini inline": ("gemini", {"route": "inline"}),
    "gemini inline, full size": ("gemini", {"route": "inline", "side": None}),
    "gemini Files API": ("gemini", {"route": "files"}),
    "gemini Files API, full size": ("gemini", {"route": "files", "side": None}),
    "gemini frames": ("gemini", {"route": "frames"}),
    "openai frames": ("openai", {}),
    "openai frames, 1024 px": ("openai", {"side": 1024, "detail": "high"}),
    "openai video_url": ("openai", {"clips": "video_url", "side": 1280}),
}


def footage() -> Clip:
    """A disc crossing a textured wall, with sensor noise that costs bits as footage does."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    wall = 120 + 50 * np.sin(columns / 150) + 40 * np.cos(rows / 90)
    wall = np.stack([wall, wall * 0.8 + 20, wall * 0.6 + 40], axis=-1)
    noise = rng.normal(0, 9, (HEIGHT, WIDTH)).astype(np.float32)
    frames = np.empty((SECONDS * FPS, HEIGHT, WIDTH, 3), np.uint8)
    for index, frame in enumerate(frames):
        shifted = np.roll(noise, tuple(rng.integers(0, HEIGHT, 2)), (0, 1))
        frame[:] = np.clip(wall + shifted[..., None], 0, 255)
        away = np.hypot(rows - 540, columns - 200 - 12 * index)
        frame[away < 90] = (200, 60, 40)
    return Clip(frames, float(FPS))


class Peak:
    """Highest resident set while it watches, in bytes."""

    def __init__(self) -> None:
        self.highest = self.now()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @staticmethod
    def now() -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * 4096

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.highest = max(self.highest, self.now())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def make(api: str, url: str, options: dict[str, Any]) -> Any:
    if api == "gemini":
        from phyrefine.backends.gemini import GeminiVLM

        return GeminiVLM("gemini-3.8-flash", api_key="none", base_url=url, **options)
    from phyrefine.backends.openai import OpenAIVLM

    return OpenAIVLM("gpt-4o", api_key="none", base_url=f"{url}/v1", **options)


def measure(name: str, url: str) -> dict[str, Any]:
    """One route, in this process."""
    api, options = ROUTES[name]
    clip, vlm = footage(), make(api, url, options)
    vlm.ask(Question("critique", "Hello?"))  # connections and imports
    before = Peak.now()
    with Peak() as peak:
        first, answer = timed(
            lambda: vlm.ask(Question("critique", "Why?", "", (clip,), ("video",)))
        )
    again, _ = timed(lambda: vlm.ask(Question("critique", "Look again.", "", (clip,), ("video",))))
    vlm.close()
    return {
        "route": name,
        "first": first,
        "again": again,
        "peak_mb": (peak.highest - before) / 1e6,
        "tokens": answer.usage.tokens["input"],
    }


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    value = work()
    return time.process_time() - began, value


def serve(pipe: Any) -> None:
    with Loopback(rehearse) as server:
        pipe.send(server.url)
        while pipe.recv() != "end":
            bodies = [len(request.body) for request in server.requests]
            server.requests.clear()
            pipe.send(max(bodies, default=0))


def main(routes: list[str]) -> None:
    here, there = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True).start()
    url = here.recv()
    print(
        f"{platform.machine()}, Python {platform.python_version()}, {SECONDS} s at {FPS} fps, 1080p"
    )
    print("| route | largest request, MB | first, s | again, s | memory, MB | tokens (estimate) |")
    print("|---|---|---|---|---|---|")
    for name in routes or ROUTES:
        done = subprocess.run(
            [sys.executable, __file__, "--route", name, url],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(done.stderr)
        row = json.loads(done.stdout)
        here.send("sizes")
        print(
            f"| {row['route']} | {here.recv() / 1e6:.1f} | {row['first']:.1f} | {row['again']:.1f} "
            f"| {row['peak_mb']:.0f} | {row['tokens']} |",
            flush=True,
        )
    here.send("end")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--route"]:
        print(json.dumps(measure(*sys.argv[2:])))
    else:
        main(sys.argv[1:])
