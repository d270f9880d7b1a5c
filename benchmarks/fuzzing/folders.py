"""A finished run with damage: every command that reads it must say so or go on."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzzing.commands import run
from phyrefine._json import parse_json

NAME = "a run's [ünïcode] folder"
ODD = [None, True, -1, 0, 1e308, "", "x", "\ud800", [], {}, [[]], {"a": {}}, "9" * 400, 2**70]


class DamagedRuns:
    """Copies of a small finished run, each damaged and then read by a command.

    Args:
        folder: Where the whole run, its copies and a study of it are kept.
        video: The clip that the run continues.
    """

    def __init__(self, folder: Path, video: Path) -> None:
        self._again = ["run", str(video), "-d", "A dot moves.", "--loops", "1", "--seconds", "0.5"]
        self._again += ["--seeds", "0,1"]
        self.whole = folder / "whole" / NAME
        self.study = folder / "study"
        self.copy = folder / "copy" / NAME
        run([*self._again, "--out", str(self.whole)])
        run(
            ["rate", str(self.whole), "--out", str(self.study), "--page", str(folder / "page.html")]
        )
        self._result = _results(self.whole)
        shutil.copytree(self.whole, self.copy)

    def one(self, dice: random.Random) -> str:
        """Damage a copy, read it; gives the outcome.

        Raises:
            RuntimeError: An error that is not ours, or a run that went on to another result.
        """
        shutil.rmtree(self.copy.parent, ignore_errors=True)
        shutil.copytree(self.whole, self.copy)
        done = [damage(self.copy, dice) for _ in range(dice.choice((1, 1, 1, 2, 5)))]
        words = self._words(dice)
        try:
            code = run(words)
        except RuntimeError as error:
            raise RuntimeError(f"{done}: {error}") from error
        if words[0] == "run" and code == 0 and "--dry-run" not in words:
            self._same(done)
        return f"damaged run, {words[0]} exit {code}"

    def _same(self, done: list[str]) -> None:
        """See that the run came to the result it had before the damage."""
        for name, data in _results(self.copy).items():
            if data != self._result.get(name):
                lines, right = data.splitlines(), self._result.get(name, b"").splitlines()
                other = [pair for pair in zip(lines, right, strict=False) if pair[0] != pair[1]]
                raise RuntimeError(f"{done}: another result in {name}: {other[:2]!r:.300}")

    def _words(self, dice: random.Random) -> list[str]:
        copy, whole, study = str(self.copy), str(self.whole), str(self.study)
        new = str(self.copy.parent / "new")
        return dice.choice(
            [
                ["show", copy],
                ["show", copy, "--json"],
                ["show", copy, "--scenario", "dot"],
                ["ls", copy],
                ["ls", str(self.copy.parent), "--json"],
                ["compare", whole, copy],
                ["compare", copy, whole, "--html", f"{new}.html"],
                ["report", copy],
                ["replay", copy],
                ["replay", copy, "--ensemble", "kinematics", "--out", new],
                ["replay", copy, "--people", study],
                ["scorers", copy, "--rule", "consensus"],
                ["watch", copy, "--once", "--page", f"{new}.html"],
                ["gc", copy],
                ["gc", copy, "--delete", dice.choice(["leftovers", "unused", "chunks", "videos"])],
                ["gc", copy, "--delete", "store"],
                *(["export", copy, "--to", form, "--out", f"{new}{suffix}"]
                  for form, suffix in (("csv", ".csv"), ("parquet", ".parquet"),
                                       ("hf-dataset", ""), ("zip", ".zip"))),
                ["rate", copy, "--out", new, "--page", f"{new}.html"],
                ["ablate", copy, "--most", "1", "--out", new],
                ["sweep", f"{copy}/manifest.json", "--dry-run"],
                [*self._again, "--out", copy],
                [*self._again, "--out", copy],
                [*self._again, "--out", copy, "--dry-run"],
            ]
        )  # fmt: skip


def _results(folder: Path) -> dict[str, bytes]:
    found = [*folder.glob("scenarios/*/refinement.json"), folder / "result.mp4"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def damage(folder: Path, dice: random.Random) -> str:
    """Spoil one file or folder; gives what was done."""
    paths = sorted(path for path in folder.rglob("*") if path.name != "run.lock")
    files = [path for path in paths if path.is_file() and not path.is_symlink()]
    texts = [path for path in files if path.suffix in (".json", ".jsonl")]
    if not files:
        return "nothing left"
    kind: Callable[[Path, random.Random], str | None] = dice.choice(
        [_lost, _emptied, _cut, _flipped, _garbage, _folder, _nowhere, *[_json] * 6, _lines, _lines]
    )
    path = dice.choice(texts if kind in (_json, _lines) and texts else files)
    if kind is _lost and dice.random() < 0.3:
        path = dice.choice(paths)
    detail = kind(path, dice)
    return f"{kind.__name__[1:]} {path.relative_to(folder)} {detail or ''}".strip()


def _lost(path: Path, _: random.Random) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _emptied(path: Path, _: random.Random) -> None:
    path.write_bytes(b"")


def _cut(path: Path, dice: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: dice.randrange(len(data) or 1)])


def _flipped(path: Path, dice: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(dice.choice((1, 8))):
        if data:
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(bytes(data))


def _garbage(path: Path, dice: random.Random) -> None:
    path.write_bytes(dice.randbytes(dice.choice((1, 100, 10_000))))


def _folder(path: Path, _: random.Random) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def _nowhere(path: Path, _: random.Random) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _lines(path: Path, dice: random.Random) -> None:
    """A journal with lines lost, doubled, cut, swapped or of other bytes."""
    lines = path.read_bytes().splitlines(keepends=True)
    for _ in range(dice.choice((1, 5))):
        if not lines:
            break
        at = dice.randrange(len(lines))
        changed = dice.choice(
            [[], [lines[at]] * 2, [lines[at][: len(lines[at]) // 2]], [b"\n"], [b"{}\n"],
             [b"\xff\xfe\n"], [b"[1]\n"], [b"null\n"], [b"1e999\n"], [b"[" * 5000 + b"]" * 5000 + b"\n"], [b"[" * 900 + b"]" * 900 + b"\n"]]
        )  # fmt: skip
        lines[at : at + 1] = changed
    path.write_bytes(b"".join(lines))


def _json(path: Path, dice: random.Random) -> str:
    """One value, or one line's, becomes another, or is left out."""
    text = path.read_text("utf-8", "replace")
    lines = text.splitlines() if path.suffix == ".jsonl" else [text]
    at = dice.randrange(len(lines) or 1)
    try:
        value = parse_json(lines[at])
    except (ValueError, IndexError):
        return "is no JSON"
    value, detail = _changed(value, dice)
    lines[at] = json.dumps(value)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return detail


def _changed(value: Any, dice: random.Random) -> tuple[Any, str]:
    """``value`` with one part of it, at any depth, lost or odd; and what was changed."""
    holder, way = value, []
    while isinstance(holder, dict | list) and holder:
        key = dice.choice(list(holder)) if isinstance(holder, dict) else dice.randrange(len(holder))
        way.append(key)
        inner = holder[key]
        if isinstance(inner, dict | list) and inner and dice.random() < 0.8:
            holder = inner
            continue
        if dice.random() < 0.3:
            del holder[key]
            return value, f"{way} lost"
        holder[key] = dice.choice(ODD)
        return value, f"{way} {holder[key]!r:.40}"
    odd = dice.choice(ODD)
    return odd, f"all {odd!r:.40}"
