"""A whole benchmark run under watch: who opens what under the benchmark's answers.

    python firewall_driver.py DATA OUT

Two watches: an audit hook, which hears every open that Python makes, and inotify, which hears from
the kernel, so that FFmpeg's opens inside PyAV count too.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
from pathlib import Path

OPEN, NONBLOCK = 0x20, 0o4000


class Watch:
    """Opens of the files below some folders."""

    def __init__(self, folders: list[Path]) -> None:
        self.marks = tuple(str(folder) for folder in folders)
        self.audited: list[str] = []
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.handle = self.libc.inotify_init1(NONBLOCK)
        for folder in folders:
            for part in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
                if self.libc.inotify_add_watch(self.handle, str(part).encode(), OPEN) < 0:
                    raise OSError(ctypes.get_errno(), f"cannot watch {part}")
        sys.addaudithook(self.hear)

    def hear(self, event: str, args: tuple[object, ...]) -> None:
        if event == "open" and str(args[0]).startswith(self.marks):
            self.audited.append(str(args[0]))

    def taken(self) -> dict[str, list[str]]:
        """What was heard since the last time; files, not folders."""
        kernel = set()
        while True:
            try:
                data = os.read(self.handle, 1 << 16)
            except BlockingIOError:
                break
            at = 0
            while at < len(data):
                _, _, _, length = struct.unpack_from("iIII", data, at)
                name = data[at + 16 : at + 16 + length].rstrip(b"\0").decode()
                kernel |= {name} if name.endswith(".mp4") else set()
                at += 16 + length
        audited, self.audited = sorted(set(self.audited)), []
        return {"audited": audited, "kernel": sorted(kernel)}


def main(data: Path, out: Path) -> None:
    from piq_helpers import PLAN, refiner_of

    from phyrefine.physics_iq.data.dataset import PhysicsIQ
    from phyrefine.physics_iq.generation.generating import generate

    dataset = PhysicsIQ.open(data)
    watch = Watch([dataset.root / "split-videos" / "testing", dataset.root / "video-masks"])
    failures = generate(PLAN, dataset, out, refiner=lambda run: refiner_of(PLAN, run))
    if failures:
        raise SystemExit(str(failures))
    seen = {"generating": watch.taken(), "clips": len(list((out / "videos").rglob("*.mp4")))}

    from phyrefine.physics_iq.tables.scoring import score_bench

    score_bench(out, dataset, jobs=1)
    seen["scoring"] = watch.taken()
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
