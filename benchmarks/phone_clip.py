"""Peak memory of ``phyrefine run`` on a 4K phone clip of a minute at 60 frames per second.

Run: python benchmarks/phone_clip.py [--seconds 60] [--video FILE]
The clip is made first (minutes on few cores) and thrown away afterwards; the peak is the largest
resident memory of the process, with the embedded backends.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np

from phyrefine.cli import main as command

SIZE, FPS = (2160, 3840), 60


def make(path: Path, seconds: float) -> None:
    """A box that crosses a gradient, H.264."""
    height, width = SIZE
    rows, columns = np.linspace(16, 200, height), np.linspace(0, 40, width)
    luma = (rows[:, None] + columns).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        chroma = np.full((height // 2, width), 128, np.uint8)
        for index in range(round(seconds * FPS)):
            picture = luma.copy()
            left = 10 * index % (width - 300)
            picture[900:1200, left : left + 300] = 235
            both = np.concatenate([picture, chroma])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(both, format="yuv420p")))
        container.mux(stream.encode(None))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--video", type=Path, help="a clip of your own instead")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = asked.video or Path(folder) / "phone.mp4"
        if asked.video is None:
            make(video, asked.seconds)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        begun = time.monotonic()
        out = str(Path(folder) / "run")
        code = command(["run", str(video), "-d", "A box crosses the picture.", "--out", out])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{video.name}: exit code {code}, {time.monotonic() - begun:.0f} s, "
            f"peak {peak:.0f} MB (before the run {before:.0f} MB)"
        )
        return code


if __name__ == "__main__":
    sys.exit(main())
