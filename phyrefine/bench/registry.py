"""Benchmarks by name, each loaded on use."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from phyrefine._closest import did_you_mean
from phyrefine.bench.benchmark import Benchmark
from phyrefine.errors import InvalidInputError

SUITES = {
    "physics-iq": "phyrefine.bench.suites.physics_iq",
    "videophy-2": "phyrefine.bench.suites.videophy2",
    "phygenbench": "phyrefine.bench.suites.phygenbench",
    "physfixbench": "phyrefine.bench.suites.physfixbench",
    "physion-eval": "phyrefine.bench.suites.physion_eval",
    "phyground": "phyrefine.bench.suites.phyground",
    "morpheus": "phyrefine.bench.suites.morpheus",
}
# What ``phyrefine bench`` without a name has always run.
DEFAULT = "physics-iq"
JUDGED = "phyrefine.bench.commands.bench:bench"


def names() -> tuple[str, ...]:
    """Names of all benchmarks."""
    return tuple(SUITES)


def find(name: str) -> Benchmark:
    """The benchmark called ``name``.

    Raises:
        InvalidInputError: There is none.
    """
    if name not in SUITES:
        hint = did_you_mean(name.lower(), SUITES, cutoff=0.5)
        raise InvalidInputError(
            f"No benchmark called {name!r}.{hint} There are: {', '.join(SUITES)}."
        )
    found: Benchmark = importlib.import_module(SUITES[name]).BENCHMARK
    return found


def command_of(words: Sequence[str]) -> str:
    """``module:function`` of the command for the words after ``phyrefine bench``.

    Raises:
        InvalidInputError: The first word is no benchmark.
    """
    name = words[0] if words and not words[0].startswith("-") else DEFAULT
    return find(name).command or JUDGED
