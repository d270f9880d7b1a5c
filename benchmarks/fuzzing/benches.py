"""A finished Physics-IQ benchmark and its download with damage: commands must say so or go on."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from fuzzing.commands import run
from fuzzing.folders import damage

SETTINGS = ["--loops", "1", "--steps", "2", "--fps", "8", "--size", "48", "64"]


class DamagedBenches:
    """Copies of a small download and of a benchmark on it, one of them damaged.

    Args:
        folder: Where the whole ones and their copies are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._whole, self._copy = folder / "bench", folder / "bench-copy"
        self._whole.mkdir()
        data, out = (str(self._whole / name) for name in ("data", "out"))
        run(["bench", "physics-iq", "--data", data, "--make-scenes", "1", *SETTINGS, "--out", out])
        self._result = _results(self._whole / "out")

    def one(self, dice: random.Random) -> str:
        """Damage a copy, use it; gives the outcome.

        Raises:
            RuntimeError: An error that is not ours, or a benchmark that came to another result
                on a download without damage.
        """
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._whole, self._copy)
        part = dice.choice(("data", "out"))
        done = [damage(self._copy / part, dice) for _ in range(dice.choice((1, 1, 1, 2, 5)))]
        words = self._words(dice)
        try:
            code = run(words)
        except RuntimeError as error:
            raise RuntimeError(f"{part}: {done}: {error}") from error
        if words[0] == "bench" and code == 0 and part == "out":
            found = _results(self._copy / "out")
            other = sorted(name for name, was in self._result.items() if found.get(name) != was)
            if other:
                raise RuntimeError(f"{part}: {done}: another result in {other[:3]}")
        return f"damaged {part} of a benchmark, {words[0]} exit {code}"

    def _words(self, dice: random.Random) -> list[str]:
        data, out, new = (str(self._copy / name) for name in ("data", "out", "new"))
        clips = f"{out}/videos/loop1-steps2-seed0"
        again = ["bench", "physics-iq", "--data", data, *SETTINGS, "--out", out]
        return dice.choice(
            [
                again,
                again,
                ["check", data],
                ["score", clips, "--data", data, "--fps", "8", "--out", new],
                ["score", clips, "--data", data, "--fps", "8", "--cache", f"{out}/cache",
                 "--out", new],
                ["ensemble", clips, f"{out}/videos/plain-steps2-seed0", "--data", data,
                 "--fps", "8"],
                ["pack", out, "--data", data, "--out", new],
                ["watch", out, "--once", "--page", f"{new}.html"],
                ["ls", out],
                ["show", out],
                ["compare", out, str(self._whole / "out")],
                ["export", out, "--to", "csv", "--out", f"{new}.csv"],
                ["export", out, "--to", "zip", "--out", f"{new}.zip"],
            ]
        )  # fmt: skip


def _results(out: Path) -> dict[str, bytes]:
    found = [*out.glob("videos/*/*.mp4"), *out.glob("results/*.csv"), out / "table.csv"]
    return {str(path.relative_to(out)): path.read_bytes() for path in found}
