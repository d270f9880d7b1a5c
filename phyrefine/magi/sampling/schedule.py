"""When each chunk is denoised: the time grid, the pipeline of chunks, and who sees whom.

Nothing here touches a network: a schedule is a list of `Step` values.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from attrs import frozen

from phyrefine.magi.config import SamplingConfig, Shortcut

_SHORTCUT_OFFSETS = {"8,16,16": (0.0, 2 / 16, 3 / 16), "16,16,8": (0.0, 1 / 16, 2 / 16)}
_SHORTCUT_INTERVALS = {"8,16,16": (2.0, 1.0, 1.0), "16,16,8": (1.0, 1.0, 2.0)}
# With no reaches given the prefix pass looks this far back (the release's fallback).
_PREFIX_REACH = 8


def time_grid(num_steps: int, shortcut: Shortcut = "8,16,16") -> list[float]:
    """The ``num_steps + 1`` times from 0 (noise) to 1 (data), as float32 values.

    Equidistant points u (or the shortcut's for 12 steps) become u^2 / (3 - 2 u^2): a square,
    then the timestep shift of Stable Diffusion 3 (arXiv 2403.03206, eq. 23) with factor 3.
    """
    if num_steps == 12:
        points = [g / 4 + offset for g in range(4) for offset in _SHORTCUT_OFFSETS[shortcut]]
        grid = torch.tensor([*points, 1.0], dtype=torch.float32)
    else:
        grid = torch.linspace(0, 1, num_steps + 1)
    shift = 1 / 3
    squared = grid**2
    times: list[float] = (shift * squared / (1 + (shift - 1) * squared)).tolist()
    return times


def step_intervals(num_steps: int, shortcut: Shortcut = "8,16,16") -> list[float]:
    """Relative size of each step, indexed by the inner step; all ones unless N is 3 k."""
    if num_steps % 3:
        return [1.0] * num_steps
    return list(_SHORTCUT_INTERVALS[shortcut]) * (num_steps // 3)


def step_size(num_steps: int, interval: float) -> float:
    """What a distilled network is told about the step size: ``8 / interval`` or ``N / 2``."""
    return 8 / interval if num_steps == 12 else num_steps / 2


@frozen
class Turn:
    """One chunk in one step.

    Attributes:
        chunk: Its absolute index, complete prefix chunks included.
        time: Its time, in [0, 1].
        sees: Half-open range of absolute chunks it attends to; ends with itself.
        index: Its own denoising step, 0 .. N - 1; ``None`` for a clean pass.
        time_step: What Euler advances by; 0 for a clean pass.
    """

    chunk: int
    time: float
    sees: tuple[int, int]
    index: int | None = None
    time_step: float = 0.0

    @property
    def clean(self) -> bool:
        """A finished or prefix chunk, shown so that its keys and values can be kept."""
        return self.index is None


@frozen
class Step:
    """One evaluation of the guided network.

    Attributes:
        stage: Stage of the pipeline; -1 for the prefix pass.
        inner: Step within the stage.
        turns: Chunks of this evaluation in order; a clean one can only be the first, except in
            the prefix pass, where all are.
        interval: Relative size of this step (distilled, 12 steps).
        near_clean: The oldest chunk in flight is past the near-clean threshold.
        finishes: Chunk that has all its updates after this step.
    """

    stage: int
    inner: int
    turns: tuple[Turn, ...]
    interval: float = 1.0
    near_clean: bool = False
    finishes: int | None = None

    @property
    def prefix(self) -> bool:
        """The pass that fills the cache with the complete prefix chunks."""
        return self.stage < 0

    @property
    def refreshes(self) -> bool:
        """The first chunk is a finished one, shown once more at the clean time."""
        return not self.prefix and self.turns[0].clean

    @property
    def cached(self) -> int:
        """Chunks before this call; their keys and values come from the cache."""
        return self.turns[0].chunk

    @property
    def noisy(self) -> tuple[Turn, ...]:
        """The chunks this step advances."""
        return () if self.prefix else self.turns[self.refreshes :]


class Schedule:
    """All steps of a video of ``chunks`` chunks, the first ``prefix`` of which are given.

    Args:
        config: Sampling settings.
        chunks: Chunks K in all.
        prefix: Complete prefix chunks o.
    """

    def __init__(self, config: SamplingConfig, chunks: int, prefix: int = 0) -> None:
        self.config = config
        self.chunks = chunks
        self.prefix = prefix
        self.times = time_grid(config.num_steps, config.shortcut)
        self.intervals = step_intervals(config.num_steps, config.shortcut)
        self.inner_steps = config.num_steps // config.window_size
        self._clean_time = torch.tensor(config.clean_time, dtype=torch.float32).item()

    @property
    def stages(self) -> int:
        """Stages of the pipeline."""
        return self.chunks + self.config.window_size - 1 - self.prefix

    def in_flight(self, stage: int) -> range:
        """Absolute indices of the chunks being denoised in a stage."""
        newest = self.prefix + stage
        oldest = max(self.prefix, newest - self.config.window_size + 1)
        return range(oldest, min(self.chunks, newest + 1))

    def prefix_step(self) -> Step | None:
        """The pass over the complete prefix chunks, or ``None`` without any."""
        if not self.prefix:
            return None
        reach = self._clean_reach() or _PREFIX_REACH
        turns = tuple(
            Turn(c, self._clean_time, (max(0, c + 1 - reach), c + 1)) for c in range(self.prefix)
        )
        return Step(-1, 0, turns, self.intervals[0])

    def stage_steps(self, stage: int) -> Iterator[Step]:
        """The inner steps of one stage."""
        chunks = self.in_flight(stage)
        for inner in range(self.inner_steps):
            turns = tuple(self._noisy_turn(c, stage, inner) for c in chunks)
            near_clean = turns[0].time > self.config.near_clean_threshold
            if inner == 0 and chunks.start > self.prefix:
                turns = (self.refresh_turn(chunks.start - 1), *turns)
            last = turns[-len(chunks)].index == self.config.num_steps - 1
            yield Step(
                stage,
                inner,
                turns,
                self.intervals[inner],
                near_clean,
                chunks.start if last else None,
            )

    def __iter__(self) -> Iterator[Step]:
        first = self.prefix_step()
        if first is not None:
            yield first
        for stage in range(self.stages):
            yield from self.stage_steps(stage)

    def _noisy_turn(self, chunk: int, stage: int, inner: int) -> Turn:
        index = (self.prefix + stage - chunk) * self.inner_steps + inner
        reaches = self.config.noise_reach
        start = 0
        if reaches:
            reach = reaches[index // (self.config.num_steps // len(reaches))]
            start = max(0, chunk + 1 - reach)
        now, after = self.times[index], self.times[index + 1]
        return Turn(chunk, now, (start, chunk + 1), index, after - now)

    def refresh_turn(self, chunk: int) -> Turn:
        """A finished chunk shown at the clean time."""
        reach = self._clean_reach()
        start = max(0, chunk + 1 - reach) if reach and self.config.noise_reach else 0
        return Turn(chunk, self._clean_time, (start, chunk + 1))

    def _clean_reach(self) -> int | None:
        if self.config.clean_reach != -1:
            return self.config.clean_reach
        return self.config.noise_reach[-1] if self.config.noise_reach else None


def chunk_count(num_frames: int, prefix_latents: int, chunk_width: int = 6) -> int:
    """Chunks K of a video: ``ceil((num_frames // 4 + prefix) / chunk_width)``.

    Args:
        num_frames: New pixel frames.
        prefix_latents: Latent frames of the prefix.
        chunk_width: Latent frames per chunk.
    """
    return -(-(num_frames // 4 + prefix_latents) // chunk_width)
