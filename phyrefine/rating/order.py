"""Which pairs one person sees, in which order, and which clip is on which side."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

from attrs import frozen

Pair = tuple[str, str]
# Trials between a pair and its repetition, where there are as many.
APART = 5


@frozen
class Trial:
    """One question to one person.

    Attributes:
        number: Its place, from 0.
        left: Id of the clip on the left, called A.
        right: Id of the clip on the right, called B.
        repeats: Number of the trial that showed the same two clips the other way round.
    """

    number: int
    left: str
    right: str
    repeats: int | None = None


def plan(
    pairs: Sequence[Pair], contestants: Mapping[str, str], *, seed: int, rater: int, repeat: float
) -> tuple[Trial, ...]:
    """The trials of one person.

    The order is drawn anew for everybody. Over a person's first showings each contestant is on the
    left as often as on the right, give or take one; the next person sees all of them mirrored.

    Args:
        pairs: Ids of the clips to compare.
        contestants: What each clip stands for, by id; sides are balanced by it.
        seed: Of the study.
        rater: The person's number, from 0.
        repeat: Share of the pairs shown a second time, mirrored, to learn how consistent the
            person is.
    """
    drawn = random.Random(f"{seed} sides")  # noqa: S311 - nothing here is secret
    sides = balanced([(contestants[a], contestants[b]) for a, b in pairs], drawn)
    shown = [
        (a, b) if first == (rater % 2 == 0) else (b, a)
        for (a, b), first in zip(pairs, sides, strict=True)
    ]
    order = random.Random(f"{seed} order {rater}")  # noqa: S311
    order.shuffle(shown)
    trials = [Trial(number, *pair) for number, pair in enumerate(shown)]
    for source in _repeated(len(shown), repeat, order):
        left, right = shown[source]
        trials.append(Trial(len(trials), right, left, source))
    return tuple(trials)


def _repeated(count: int, share: float, order: random.Random) -> list[int]:
    """Trials to show again at the end, each at least ``APART`` after its first showing."""
    wanted = max(1, round(count * share)) if share > 0 else 0
    early = list(range(max(0, count - APART + 1)))
    chosen = order.sample(early, min(wanted, len(early)))
    # In the order of their first showing: the distance stays above APART.
    return sorted(chosen)


def balanced(edges: Sequence[tuple[str, str]], order: random.Random) -> list[bool]:
    """For every edge whether its first end goes left, so that each name is as often left as right.

    Edges are walked along closed trails (Euler): a trail enters each name as often as it leaves
    it. Names with an odd number of edges are joined to one more, whose edges are then forgotten, so
    their counts differ by one.
    """
    ends = list(edges)
    degree: dict[str, int] = defaultdict(int)
    for a, b in ends:
        degree[a] += 1
        degree[b] += 1
    extra = ""  # no contestant has an empty name
    ends += [(extra, name) for name, count in degree.items() if count % 2]
    at: dict[str, list[int]] = defaultdict(list)
    for index, (a, b) in enumerate(ends):
        at[a].append(index)
        at[b].append(index)
    for indices in at.values():
        order.shuffle(indices)
    first: dict[int, bool] = {}
    for start in at:
        here = start
        while at[here]:
            index = at[here].pop()
            if index in first:
                continue
            a, b = ends[index]
            first[index] = a == here
            here = b if a == here else a
    return [first[index] for index in range(len(edges))]
