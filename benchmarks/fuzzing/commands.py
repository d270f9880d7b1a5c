"""Command lines from each command's own options, with values that fit and values that do not."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from phyrefine.bench.registry import SUITES
from phyrefine.cli import COMMANDS, build, main

WRONG = ["0", "-1", "nan", "inf", "-inf", "1e9", "1.5", "", " ", "x", "0,1", ",", "true", "=", "a=b",
         "99999999999999999999", "\udced\udca0", "../..", "/dev/null", "[0]", "{}", "None",
         "--", "-", "x" * 300, "ünïcode [bold]", "{{7*7}}", "world?x=1", "vlm:", ":", "a.b:c",
         "openai:m?fps=x", "gemini", "no.such:thing", "json:loads", "os:nothing"]  # fmt: skip
WORDS = ["world", "A dot moves.", "consensus", "judge+kinematics", "kinematics>judge*2", "last",
         "world?seed=1", "dot", "prose", "timed", "violations", "clip=video", "1,2;2"]  # fmt: skip
NUMBERS = {int: ["1", "2", "3"], float: ["0.5", "1", "2"]}
# What keeps a command from serving, waiting or making many clips.
ENDS = {
    "watch": ["--once"],
    "sweep": ["--dry-run"],
    "rate": ["--results"],
    "demo": ["--out", "a-file"],
}


@frozen
class Option:
    """One parameter of a command, as its own parser knows it."""

    name: str
    positional: bool
    required: bool
    kinds: tuple[Any, ...]
    choices: tuple[str, ...]

    def words(self, values: Sequence[str]) -> list[str]:
        """How it stands on a command line."""
        return list(values) if self.positional else [self.name, *values]


def options(words: Sequence[str]) -> list[Option]:
    """The parameters of a command."""
    found = []
    for argument in build(words)[words[0]].assemble_argument_collection(parse_docstring=False):
        names = [name for name in argument.names if name.startswith("--")]
        if argument.hint is None or not (names or argument.index is not None):
            continue
        found.append(
            Option(
                names[0] if names else "",
                argument.index is not None,
                bool(argument.required),
                tuple(_kinds(argument.hint)),
                tuple(argument.get_choices() or ()),
            )
        )
    return found


def _kinds(hint: Any) -> Iterator[Any]:
    """The plain types in an annotation."""
    inner = [
        part
        for part in typing.get_args(hint)
        if isinstance(part, type) or hasattr(part, "__args__")
    ]
    if not inner:
        yield hint
    for part in inner:
        yield from _kinds(part)


class CommandLines:
    """Random command lines, run in this process.

    Args:
        folder: The working folder, where everything that is named lies.
        video: A small clip; commands get a copy, which they may overwrite.
    """

    def __init__(self, folder: Path, video: Path) -> None:
        self._folder, self._video = folder, video.read_bytes()
        self._paths = ["dot.mkv", "a-file", "broken.json", "nested.json", "list.csv", "ragged.csv"]
        self._paths += [".", "nowhere", "new", "new/er"]
        commands = [[name] for name in COMMANDS if name != "bench"]
        commands += [["bench", "physics-iq"], *(["bench", name] for name in SUITES)]
        # The name of a benchmark has its place already.
        self._grammar = [(words, options(words)[len(words) - 1 :]) for words in commands]

    def add_paths(self, *paths: Path) -> None:
        """Further files and folders to be named."""
        self._paths += map(str, paths)

    def _files(self) -> None:
        """What is named: written anew, as commands may have written there."""
        for name, data in {
            "a-file": b"text\n",
            "broken.json": b'{"a": [1, ',
            "list.csv": b"caption,video\nA dot moves.,dot.mkv\n",
            "ragged.csv": b"caption,video\nA dot moves.,dot.mkv,1,2\nA cup.\n",
            "nested.json": b"[" * 5000 + b"]" * 5000,
            "dot.mkv": self._video,
        }.items():
            if (self._folder / name).is_dir():
                shutil.rmtree(self._folder / name)
            (self._folder / name).write_bytes(data)

    def one(self, dice: random.Random) -> str:
        """Make a command line and run it; gives its outcome."""
        self._files()
        command, known = dice.choice(self._grammar)
        words = list(command)
        optional = [option for option in known if not option.required]
        some = dice.sample(optional, min(len(optional), dice.randrange(4)))
        for option in [option for option in known if option.required] + some:
            if option.required and dice.random() < 0.05:
                continue
            words += option.words(self._values(option, dice))
        if dice.random() < 0.05:
            words.append(dice.choice([*WRONG, "--xyz", "--help", "-d"]))
        if command[0] in ENDS:
            words = [word for word in words if word != "--"] + ENDS[command[0]]
        code = run(words)
        return f"{command[0]} exit {code}"

    def _values(self, option: Option, dice: random.Random) -> list[str]:
        fits = dice.random() < 0.8
        if bool in option.kinds:
            return [] if fits else [dice.choice(WRONG)]
        count = 2 if option.kinds.count(int) > 1 else 1
        if not fits:
            return [dice.choice(WRONG) for _ in range(dice.choice((0, 1, 1, 1, 2)))]
        if option.choices:
            return [dice.choice(option.choices)]
        pool = WORDS
        for kind, values in NUMBERS.items():
            pool = values if kind in option.kinds else pool
        pool = self._paths if Path in option.kinds else pool
        return [dice.choice(pool) for _ in range(count)]


def run(words: Sequence[str]) -> int:
    """Run a command; gives its exit code.

    Raises:
        RuntimeError: It ended in a traceback, in an error that is not ours, or without a word.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    told = out.getvalue() + err.getvalue()
    if "Traceback" in told or "Unexpected " in told or not told.strip():
        raise RuntimeError(f"{list(words)} gave {code}: {told[-400:]}")
    return code
