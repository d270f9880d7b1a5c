"""The denoising loop: chunks enter as noise, move through the pipeline, leave as latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from attrs import field, frozen
from torch import Tensor

from phyrefine.errors import InvalidInputError
from phyrefine.magi.config import SamplingConfig
from phyrefine.magi.model.cache import Captions, ChunkCache
from phyrefine.magi.model.layout import Row
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.sampling.guidance import Plan, plan_step, refresh_row
from phyrefine.magi.sampling.perturb import Perturb
from phyrefine.magi.sampling.schedule import Schedule, Step, Turn, chunk_count, step_size


@frozen
class Savings:
    """What the sampler leaves out or puts together. The result is the same but for rounding.

    Attributes:
        skip: Leave out network rows that provably do not count.
        pack: Ask for all views of a step in one network call instead of one call per view; takes
            up to three times the memory for activations.
        keep_text: Keep the keys and values of captions over all steps.
    """

    skip: bool = True
    pack: bool = True
    keep_text: bool = True


@frozen(eq=False)
class Progress:
    """Where a sampler stands after a chunk, enough to go on in another process.

    Attributes:
        stage: Next stage of the pipeline.
        in_flight: Latents (16, cw, h, w) of the chunks being denoised, by absolute index.
        finished: Latents of finished chunks whose keys and values later chunks need.
    """

    stage: int
    in_flight: dict[int, Tensor] = field(factory=dict)
    finished: dict[int, Tensor] = field(factory=dict)


@frozen(eq=False)
class FinishedChunk:
    """One finished chunk.

    Attributes:
        index: 0 for the first chunk after the complete prefix chunks.
        latents: (1, 16, frames, h, w) float32, without the frames of the prefix.
        progress: Where the sampler stands.
    """

    index: int
    latents: Tensor
    progress: Progress


class Sampler:
    """Denoises one video.

    Args:
        transformer: The network.
        config: Sampling settings.
        num_frames: New pixel frames.
        noise: Gives the noise (16, cw, h, w) float32 of an absolute chunk when it enters.
        captions: Packed captions; index 0 is the null caption.
        text_of: Caption of an absolute chunk.
        prefix: Latents (1, 16, P, h, w) of the prefix, scaled; ``None`` for text-to-video.
        savings: What is left out.
        offload_cache: Keep keys and values in pinned host memory.
        perturb: Take early steps again from noise of their own prediction.
        on_step: Called after every step with the step; an exception it raises stops the
            sampler.

    Attributes:
        captions: The packed captions.
        text_of: Caption of an absolute chunk.
        cache: Cache in which the complete prefix chunks are stored already, from an earlier
            sampler's `prefix_cache`; left as it is.

    Raises:
        InvalidInputError: The latents' size is odd.
    """

    def __init__(
        self,
        transformer: MagiTransformer3DModel,
        config: SamplingConfig,
        *,
        num_frames: int,
        noise: Callable[[int], Tensor],
        captions: Captions,
        text_of: Callable[[int], int],
        prefix: Tensor | None = None,
        savings: Savings = Savings(),
        offload_cache: bool = False,
        perturb: Perturb | None = None,
        on_step: Callable[[Step], None] | None = None,
    ) -> None:
        self.transformer = transformer
        self.config = config
        self.savings = savings
        self.prefix = prefix
        self.prefix_frames = 0 if prefix is None else prefix.shape[2]
        if prefix is not None and (prefix.shape[3] % 2 or prefix.shape[4] % 2):
            raise InvalidInputError(
                f"Latents of {tuple(prefix.shape[3:])} cannot be cut into patches: height and "
                "width of the video must be multiples of 16."
            )
        chunks = chunk_count(num_frames, self.prefix_frames, config.chunk_width)
        complete = self.prefix_frames // config.chunk_width
        self.schedule = Schedule(config, chunks, complete)
        self._noise = noise
        self.captions = captions
        self.text_of = text_of
        self.cache: ChunkCache | None = None
        self._offload_cache = offload_cache
        self._perturb = perturb
        self._on_step = on_step or (lambda _: None)

    @torch.no_grad()
    def run(self, progress: Progress | None = None) -> Iterator[FinishedChunk]:
        """Yield every chunk as soon as it is finished.

        Args:
            progress: Go on from here; chunks finished before are not yielded again and cost no
                denoising.
        """
        schedule, first = self.schedule, self.schedule.prefix
        cache = self.prefix_cache() if self.cache is None else self.cache.copy()
        in_flight = dict(progress.in_flight) if progress else {}
        finished = dict(progress.finished) if progress else {}
        start = progress.stage if progress else 0
        stored = schedule.in_flight(start).start - 1 if progress else first
        for chunk in sorted(finished):
            if chunk < stored:
                self._refresh(cache, chunk, finished[chunk])
        for stage in range(start, schedule.stages):
            chunks = schedule.in_flight(stage)
            for chunk in chunks:
                if chunk not in in_flight:
                    in_flight[chunk] = self._noise(chunk).float()
            if chunks.start > first:
                self._refresh(cache, chunks.start - 1, finished[chunks.start - 1])
            seen = self._oldest_seen(stage)
            cache.drop_before(seen)
            finished = {c: latents for c, latents in finished.items() if c >= seen}
            for step in schedule.stage_steps(stage):
                self._advance(step, in_flight, finished, cache)
                self._on_step(step)
                if step.finishes is not None:
                    done = step.finishes
                    finished[done] = in_flight.pop(done)
                    after = Progress(stage + 1, dict(in_flight), dict(finished))
                    latents = self._trimmed(done, finished[done])
                    yield FinishedChunk(done - first, latents, after)

    def prefix_cache(self) -> ChunkCache:
        """Keys and values of the complete prefix chunks that later chunks can see.

        They hang on the prefix and the settings alone, never on prompt, seed or length, so the
        cache can serve any number of samplers.
        """
        cache = ChunkCache(offload=self._offload_cache)
        step = self.schedule.prefix_step()
        if step is None or self.prefix is None:
            return cache
        width = self.config.chunk_width
        turns = step.turns
        if all(turn.sees == (turn.chunk, turn.chunk + 1) for turn in turns):
            for turn in turns[self._oldest_seen(0) :] if self.savings.skip else turns:
                self._show(cache, [turn], [self._chunk_of_prefix(turn.chunk, width)], step)
        else:
            latents = [self._chunk_of_prefix(turn.chunk, width) for turn in turns]
            self._show(cache, turns, latents, step)
        return cache

    def _advance(
        self,
        step: Step,
        in_flight: dict[int, Tensor],
        finished: dict[int, Tensor],
        cache: ChunkCache,
    ) -> None:
        plan = plan_step(step, self.config, self.text_of, skip=self.savings.skip)
        latents = {
            turn.chunk: self._padded(
                turn.chunk, (finished if turn.clean else in_flight)[turn.chunk]
            )
            for turn in step.turns
        }
        if self._perturb is not None:
            latents.update(self._perturbed(self._perturb, plan, latents, cache, step))
        velocities = self._evaluate(plan, latents, cache, step)
        for turn in step.noisy:
            velocity = plan.combine(turn.chunk, velocities)
            in_flight[turn.chunk] = latents[turn.chunk] + velocity * turn.time_step

    def _perturbed(
        self,
        perturb: Perturb,
        plan: Plan,
        latents: dict[int, Tensor],
        cache: ChunkCache,
        step: Step,
    ) -> dict[int, Tensor]:
        """Latents of the chunks that are early enough, where the network is unsure made anew."""
        turns = [turn for turn in step.noisy if turn.time < perturb.until]
        fresh = dict(latents)
        before: dict[int, Tensor] = {}
        after: dict[int, Tensor] = {}
        for number in range(perturb.count if turns else 0):
            velocities = self._evaluate(plan, fresh, cache, step)
            for turn in turns:
                chunk, time = turn.chunk, turn.time
                ahead = fresh[chunk] + (1 - time) * plan.combine(chunk, velocities)
                before[chunk], after[chunk] = after.get(chunk, ahead), ahead
                fresh[chunk] = self._padded(chunk, perturb.again(ahead, time, chunk, number))
        return {
            turn.chunk: perturb.mixed(
                latents[turn.chunk], fresh[turn.chunk], before[turn.chunk], after[turn.chunk]
            )
            for turn in turns
        }

    def _evaluate(
        self, plan: Plan, latents: dict[int, Tensor], cache: ChunkCache, step: Step
    ) -> dict[int, Tensor]:
        velocities: dict[int, Tensor] = {}
        for positions in self._calls(plan.rows):
            rows = [plan.rows[position] for position in positions]
            results = self._call(rows, [latents[row.chunk] for row in rows], cache, step)
            wanted = [p for p in positions if plan.rows[p].wanted]
            velocities.update(zip(wanted, results, strict=True))
        return velocities

    def _calls(self, rows: Sequence[Row]) -> list[list[int]]:
        """Positions of the rows of each network call."""
        if self.savings.pack:
            return [list(range(len(rows)))]
        calls: dict[int, list[int]] = {}
        for position, row in enumerate(rows):
            calls.setdefault(min(row.group, 2), []).append(position)
        return list(calls.values())

    def _call(
        self, rows: Sequence[Row], latents: Sequence[Tensor], cache: ChunkCache, step: Step
    ) -> Tensor:
        size = None
        if self.transformer.shape.distilled:
            size = step_size(self.config.num_steps, step.interval)
        result: Tensor = self.transformer(
            torch.stack(list(latents)), rows, self.captions, cache, size
        )
        return result

    def _refresh(self, cache: ChunkCache, chunk: int, latents: Tensor) -> None:
        """Show a finished chunk once more, alone, at the clean time."""
        turn = self.schedule.refresh_turn(chunk)
        step = Step(0, 0, (turn,), self.schedule.intervals[0])
        self._show(cache, [turn], [self._padded(chunk, latents)], step)

    def _show(
        self, cache: ChunkCache, turns: Sequence[Turn], latents: Sequence[Tensor], step: Step
    ) -> None:
        self._call([refresh_row(turn, self.config) for turn in turns], latents, cache, step)

    def _oldest_seen(self, stage: int) -> int:
        """The oldest chunk that this or any later stage looks at."""
        last = min(self.schedule.stages, stage + self.config.window_size)
        steps = (step for s in range(stage, last) for step in self.schedule.stage_steps(s))
        return min((turn.sees[0] for step in steps for turn in step.turns), default=0)

    def _chunk_of_prefix(self, chunk: int, width: int) -> Tensor:
        assert self.prefix is not None
        return self.prefix[0, :, chunk * width : (chunk + 1) * width].float()

    def _padded(self, chunk: int, latents: Tensor) -> Tensor:
        """Latents with the frames of an incomplete prefix chunk put back."""
        frames = self.prefix_frames - chunk * self.config.chunk_width
        if self.prefix is None or not 0 < frames < self.config.chunk_width:
            return latents
        known = self.prefix[0, :, -frames:].to(latents)
        return torch.cat([known, latents[:, frames:]], dim=1)

    def _trimmed(self, chunk: int, latents: Tensor) -> Tensor:
        image = self.prefix_frames == 1 and chunk == 0
        start = 0 if image else max(0, self.prefix_frames - chunk * self.config.chunk_width)
        return latents[None, :, start:]
