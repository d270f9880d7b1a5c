"""Mutated media files and wrong command lines: nothing may end in a foreign error or hang.

Run: python benchmarks/fuzz_files.py --minutes 10 [--seed 0] [FILES...]
Each case runs under an alarm, of processor time and of time on the clock (a busy machine is no
hang); the exit code is 1 if anything but our own errors came out.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import logging
import random
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

from phyrefine import Clip
from phyrefine._optional import installed
from phyrefine.cli import main as command
from phyrefine.errors import PhyrefineError
from phyrefine.testing import moving_clip

MEDIA = Path(__file__).parents[1] / "tests" / "data" / "media"
HANG_SECONDS, HANG_SECONDS_ON_THE_CLOCK = 30, 300
EXTREMES = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1"]
OPTIONS = (
    "--seconds --prefix-seconds --fps --loops --steps --seeds --size --chain --ensemble --best-of "
    "--max-usd --max-tokens --max-minutes --max-clips --out -d --paper --redraw --baseline --xyz"
).split()
VALUES = ["0", "1", "-1", "nan", "inf", "1e9", "1.5", "", " ", "x", "0,1", ",", "own", "judge",
          "99999999999999999999", "\udced\udca0", "../..", "\0", "[0]", "{}", "--", "None"]  # fmt: skip


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
    path = folder / f"case{dice.choice(['.mp4', '.mkv', '.jpg', '.gif', ''])}"
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
        Clip.read(path, max_bytes=1 << 28, **part)
    except PhyrefineError as error:
        return type(error).__name__
    return "read"


def command_one(video: Path, dice: random.Random) -> str:
    words = [  # no model ever loads
        ["run", str(video), "-d", "A dot moves.", "--llm", "nobody"],
        ["bench", "physics-iq", "--data", "nowhere"],
        ["bench", "videophy-2", "--data", "nowhere"],
        ["replay", "nowhere"],
        ["report", "nowhere"],
    ][dice.choice((0, 0, 0, 0, 1, 2, 3, 4))]
    for _ in range(dice.randrange(1, 4)):
        words.append(dice.choice(OPTIONS))
        words += [dice.choice(VALUES) for _ in range(dice.randrange(3))]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command(words)
    told = out.getvalue() + err.getvalue()
    if "Traceback" in told or "Unexpected" in told or not told.strip():
        raise RuntimeError(f"{words} gave {code}: {told[:300]}")
    return f"exit {code}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    dice, outcomes, foreign = random.Random(asked.seed), collections.Counter(), []
    signal.signal(signal.SIGALRM, _alarm)
    signal.signal(signal.SIGPROF, _alarm)
    until = time.monotonic() + 60 * asked.minutes
    with tempfile.TemporaryDirectory() as place:
        folder, originals = Path(place), samples(asked.files)
        video = moving_clip(24, (48, 64), 8.0).write(folder / "dot.mkv")
        while time.monotonic() < until:
            signal.alarm(HANG_SECONDS_ON_THE_CLOCK)
            signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
            try:
                if dice.random() < 0.8:
                    outcomes[read_one(mutated(dice.choice(originals), dice), dice, folder)] += 1
                else:
                    outcomes[command_one(video, dice)] += 1
            except (Exception, Hang) as error:  # noqa: BLE001 - whatever it is, it is counted
                foreign.append(f"{type(error).__name__}: {error}")
                print(f"case {sum(outcomes.values())}: {foreign[-1]}", file=sys.stderr)
            finally:
                signal.alarm(0)
                signal.setitimer(signal.ITIMER_PROF, 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{sum(outcomes.values())} cases in {asked.minutes:g} minutes, seed {asked.seed}")
    print(", ".join(f"{name} {count}" for name, count in outcomes.most_common()))
    print(f"foreign errors and hangs: {len(foreign)}; peak memory {peak:.0f} MB")
    return 1 if foreign else 0


if __name__ == "__main__":
    sys.exit(main())
