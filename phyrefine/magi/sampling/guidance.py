"""Which rows the network is asked for in a step, and how their velocities are mixed.

Base models take three views of a chunk: text and history (v_tp), history alone (v_p), neither
(v_u). With the history scale p and the text scale q at the chunk's time the velocity is
``(1 - p) v_u + (p - q) v_p + q v_tp`` (three-way classifier-free guidance; the release's tables
make it ``v_p`` exactly from t = 0.3 on). Distilled models take one view; near the clean end the
oldest chunk's is mixed with one that sees no history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from attrs import field, frozen
from torch import Tensor

from phyrefine.magi.config import SamplingConfig
from phyrefine.magi.model.layout import Row
from phyrefine.magi.sampling.schedule import Step, Turn

NULL_TEXT = 0  # index of the null caption among the captions of a sampler

# Groups of rows; views without history follow, one group each.
_TEXT, _HISTORY, _ALONE = 0, 1, 2


@frozen
class Plan:
    """Rows of a step, and what to make of them.

    Attributes:
        rows: Rows of the network call, view by view.
        mix: For every chunk the step advances, ``(row, weight)`` in the order they are summed.
    """

    rows: tuple[Row, ...]
    mix: Mapping[int, tuple[tuple[int, float], ...]] = field(factory=dict)

    def combine(self, chunk: int, velocities: Mapping[int, Tensor]) -> Tensor:
        """The guided velocity of a chunk from the velocities of its rows."""
        parts = self.mix[chunk]
        if len(parts) == 1 and parts[0][1] == 1.0:
            return velocities[parts[0][0]]
        total = velocities[parts[0][0]] * parts[0][1]
        for row, weight in parts[1:]:
            total = total + velocities[row] * weight
        return total


def guidance_scales(time: float, config: SamplingConfig) -> tuple[float, float]:
    """History scale p and text scale q at a time; breakpoints are compared in float32."""
    now = torch.tensor(time, dtype=torch.float32)
    breaks = torch.tensor(config.guidance_times, dtype=torch.float32) - 1e-7
    index = int((breaks < now).sum()) - 1
    return config.history_scales[index], config.text_scales[index]


def plan_step(
    step: Step, config: SamplingConfig, text_of: Callable[[int], int], *, skip: bool = True
) -> Plan:
    """Rows of a denoising step, whose finished chunks are all in the cache.

    Args:
        step: The step; a refreshed chunk is only context for the view with text.
        config: Guidance settings.
        text_of: Caption of a chunk.
        skip: Leave out what provably does not count: views with weight zero, rows nobody needs
            as context, and the view without history of a chunk that has none. ``False`` runs
            every view of every chunk.
    """
    if config.passes == 1:
        return _plan_distilled(step, config, text_of, skip=skip)
    return _plan_guided(step, config, text_of, skip=skip)


def refresh_row(turn: Turn, config: SamplingConfig) -> Row:
    """The row that puts a clean chunk's keys and values into the cache.

    It has the null caption. Base models take the null condition token, distilled ones do not.
    """
    null = config.passes == 3
    return Row(turn.chunk, turn.time, turn.sees, 0, NULL_TEXT, null, wanted=False, stored=True)


def _plan_guided(
    step: Step, config: SamplingConfig, text_of: Callable[[int], int], *, skip: bool
) -> Plan:
    weights: dict[int, dict[int, float]] = {_TEXT: {}, _HISTORY: {}, _ALONE: {}}
    for turn in step.noisy:
        p, q = guidance_scales(turn.time, config)
        alone, history = 1 - p, p - q
        if skip and turn.sees == (turn.chunk, turn.chunk + 1):
            # Without history the two views without text are one and the same.
            alone, history = 0.0, 1 - q
        weights[_ALONE][turn.chunk] = alone
        weights[_HISTORY][turn.chunk] = history
        weights[_TEXT][turn.chunk] = q
    rows: list[Row] = []
    where: dict[tuple[int, int], int] = {}
    for view in (_TEXT, _HISTORY):
        wanted = {chunk for chunk, weight in weights[view].items() if weight or not skip}
        turns = step.turns if view == _TEXT else step.noisy
        for turn in _with_context(turns, wanted) if skip else turns:
            where[view, turn.chunk] = len(rows)
            text = text_of(turn.chunk) if view == _TEXT and not turn.clean else NULL_TEXT
            rows.append(_view(turn, view, text, null=view == _HISTORY, wanted=wanted))
    for turn in step.noisy:
        if weights[_ALONE][turn.chunk] or not skip:
            where[_ALONE, turn.chunk] = len(rows)
            rows.append(_alone(turn, _ALONE + turn.chunk, NULL_TEXT, null=True))
    mix = {
        turn.chunk: tuple(
            (where[view, turn.chunk], weights[view][turn.chunk])
            for view in (_ALONE, _HISTORY, _TEXT)
            if weights[view][turn.chunk] or not skip
        )
        for turn in step.noisy
    }
    return Plan(tuple(rows), mix)


def _plan_distilled(
    step: Step, config: SamplingConfig, text_of: Callable[[int], int], *, skip: bool
) -> Plan:
    every = {turn.chunk for turn in step.noisy}
    rows = [_view(t, _TEXT, text_of(t.chunk), null=False, wanted=every) for t in step.noisy]
    mix: dict[int, tuple[tuple[int, float], ...]] = {
        turn.chunk: ((position, 1.0),) for position, turn in enumerate(step.noisy)
    }
    oldest = step.noisy[0]
    has_history = oldest.sees != (oldest.chunk, oldest.chunk + 1)
    if step.near_clean and (has_history or not skip):
        history = config.near_clean_history
        mix[oldest.chunk] = ((0, history), (len(rows), 1 - history))
        rows.append(_alone(oldest, _ALONE, text_of(oldest.chunk), null=False))
    return Plan(tuple(rows), mix)


def _view(turn: Turn, group: int, text: int, *, null: bool, wanted: set[int]) -> Row:
    asked = turn.chunk in wanted and not turn.clean
    return Row(turn.chunk, turn.time, turn.sees, group, text, null, wanted=asked)


def _alone(turn: Turn, group: int, text: int, *, null: bool) -> Row:
    return Row(turn.chunk, turn.time, (turn.chunk, turn.chunk + 1), group, text, null)


def _with_context(turns: Sequence[Turn], wanted: set[int]) -> Sequence[Turn]:
    """The wanted turns and, transitively, those of the call that they see."""
    if not wanted:
        return ()
    oldest, newest = min(wanted), max(wanted)
    while True:
        kept = [turn for turn in turns if oldest <= turn.chunk <= newest]
        seen = max(turns[0].chunk, min(turn.sees[0] for turn in kept))
        if seen >= oldest:
            return kept
        oldest = seen
