"""Mutated media, command lines, damaged runs and benchmarks: no foreign error, no hang.

Run: python benchmarks/fuzz_files.py --minutes 10 [--seed 0] [--only commands,runs] [FILES...]
Each case runs under an alarm, of processor time and of time on the clock (a busy machine is no
hang); the exit code is 1 if anything but our own errors came out. On Linux the memory that each
case took is told too, and with --keep the file that took the most, and all that failed, are kept.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import logging
import os
import random
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

from fuzzing.benches import DamagedBenches
from fuzzing.commands import CommandLines
from fuzzing.folders import DamagedRuns

from phyrefine import Clip
from phyrefine._optional import installed
from phyrefine.errors import PhyrefineError
from phyrefine.testing import moving_clip, no_network

MEDIA = Path(__file__).parents[1] / "tests" / "data" / "media"
HANG_SECONDS, HANG_SECONDS_ON_THE_CLOCK = 30, 300
ENDINGS = [".mp4", ".mkv", ".jpg", ".gif", ""]
LIMIT = 1 << 28
KINDS = {"files": 3, "commands": 1, "runs": 1, "benches": 1}
EXTREMES = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1"]


class Memory:
    """The most memory the process held since the last look, in MB.

    Linux forgets its own peak when asked to; elsewhere this is the peak since the start.
    """

    def __init__(self) -> None:
        self.forget()

    @staticmethod
    def forget() -> None:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")

    @staticmethod
    def peak() -> float:
        with contextlib.suppress(OSError):
            status = Path("/proc/self/status").read_text()
            return int(status.split("VmHWM:")[1].split()[0]) / 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Hang(BaseException):
    """A case took too long."""


def _alarm(*_: object) -> None:
    raise Hang


def samples(paths: list[Path]) -> list[bytes]:
    found = [path.read_bytes() for path in paths or sorted(MEDIA.glob("*.*"))]
    clip = moving_clip(12, (48, 64), 12.0)
    return found + [clip.to_bytes(kind) for kind in ("mp4", "mkv", "webm", "gif")] + pictures(clip)


def pictures(clip: Clip) -> list[bytes]:
    made, images = [], clip.to_images()
    for form in ("JPEG", "PNG", "TIFF", "WEBP", "AVIF", "BMP"):
        buffer = io.BytesIO()
        moves = {"save_all": True, "append_images": images[1:4]} if form in ("WEBP", "AVIF") else {}
        images[0].save(buffer, form, **moves)
        made.append(buffer.getvalue())
    if installed("pillow_heif"):
        import pillow_heif

        buffer = io.BytesIO()
        pillow_heif.from_pillow(images[0]).save(buffer, quality=90)
        made.append(buffer.getvalue())
    return made


def mutated(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice((1, 2, 4, 16))):
        at = dice.randrange(len(changed) or 1)
        kind = dice.randrange(5)
        if kind == 0 and changed:
            changed[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            changed[at : at + 4] = dice.choice(EXTREMES)
        elif kind == 2:
            del changed[at:]
        elif kind == 3:
            changed[at:at] = dice.randbytes(dice.randrange(1, 64))
        else:
            del changed[at : at + dice.randrange(1, 64)]
    return bytes(changed)


def read_one(data: bytes, dice: random.Random, folder: Path) -> str:
    path = folder / f"case{dice.choice(ENDINGS)}"
    path.write_bytes(data)
    part = dice.choice(
        [
            {},
            {},
            {"start": -0.3},
            {"start": 0.2, "seconds": 0.2},
            {"size": (20, 30)},
            {"start": -0.4, "fps": 5.0},
            {"start": 0.1, "fps": 60.0, "size": (20, 30)},
        ]
    )
    try:
        Clip.read(path, max_bytes=LIMIT, **part)
    except PhyrefineError as error:
        return type(error).__name__
    return "read"


def keep(folder: Path | None, name: str, data: bytes) -> None:
    if folder is not None and data:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(KINDS), help="some of these")
    parser.add_argument("--keep", type=Path, help="folder for the files that fail or take the most")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    dice, outcomes, foreign = random.Random(asked.seed), collections.Counter(), []
    signal.signal(signal.SIGALRM, _alarm)
    signal.signal(signal.SIGPROF, _alarm)
    until, memory, most = time.monotonic() + 60 * asked.minutes, Memory(), 0.0
    kept = asked.keep and asked.keep.resolve()
    with tempfile.TemporaryDirectory() as place, no_network():
        originals = samples([path.resolve() for path in asked.files])
        folder = Path(place) / "above" / "work"  # so that ../.. is ours too
        folder.mkdir(parents=True)
        os.chdir(folder)
        # No command is told of it, so none overwrites what is compared.
        apart = Path(place) / "apart"
        video = moving_clip(24, (48, 64), 8.0).write(apart / "dot.mkv")
        commands, runs = CommandLines(folder, video), DamagedRuns(apart, video)
        commands.add_paths(runs.copy, runs.study)
        wanted = {kind: KINDS[kind] for kind in asked.only.split(",")}
        cases = {"commands": commands, "runs": runs}
        if "benches" in wanted:
            cases["benches"] = DamagedBenches(apart)
        while time.monotonic() < until:
            signal.alarm(HANG_SECONDS_ON_THE_CLOCK)
            signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
            memory.forget()
            number, data, why = sum(outcomes.values()), b"", ""
            try:
                kind = dice.choices(list(wanted), list(wanted.values()))[0]
                if kind == "files":
                    data = mutated(dice.choice(originals), dice)
                    outcomes[read_one(data, dice, folder)] += 1
                else:
                    outcomes[cases[kind].one(dice)] += 1
            except (Exception, Hang) as error:  # noqa: BLE001 - whatever it is, it is counted
                why = f"{type(error).__name__}: {error}"
                foreign.append(why)
            finally:
                signal.alarm(0)
                signal.setitimer(signal.ITIMER_PROF, 0)
            if memory.peak() > most + 1:
                most = memory.peak()
                why = why or f"peak memory {most:.0f} MB"
            if why:
                print(f"case {number}: {why}", file=sys.stderr, flush=True)
                keep(kept, f"case{number}", data)
    print(f"{sum(outcomes.values())} cases in {asked.minutes:g} minutes, seed {asked.seed}")
    print(", ".join(f"{name} {count}" for name, count in outcomes.most_common()))
    print(f"foreign errors and hangs: {len(foreign)}; peak memory {most:.0f} MB")
    return 1 if foreign else 0


if __name__ == "__main__":
    sys.exit(main())
