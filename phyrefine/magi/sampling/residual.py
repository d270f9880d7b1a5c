"""How well a network explains a finished clip of its own: the residual of the flow, by motion.

A finished latent is noised again, and the network's velocity is compared with the one that leads
back: ``|u(t z + (1 - t) e, t) - (z - e)|^2`` over ``|z - e|^2``. This is our reading of
"self-scoring" (arXiv 2605.28230), whose weights over times are not known. The residual alone
prefers clips in which nothing moves, so it is taken where things move and divided by the motion.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from attrs import frozen
from torch import Tensor

from phyrefine.errors import InvalidInputError
from phyrefine.magi.model.layout import Row
from phyrefine.magi.sampling.noise import chunk_noise
from phyrefine.magi.sampling.sampler import Sampler
from phyrefine.magi.sampling.schedule import step_size

TIMES = (0.3, 0.5, 0.7)
# Mean change of a latent from frame to frame below which a clip counts as one that stands still.
STILL = 1e-3


@frozen
class Residual:
    """What `flow_residual` found.

    Attributes:
        residual: Mean over times and noises, where things move; 0 is a perfect explanation.
        motion: Mean absolute change of the latents from frame to frame.
        spread: Standard deviation of the residual over times and noises.
    """

    residual: float
    motion: float
    spread: float

    @property
    def score(self) -> float | None:
        """Residual over motion, smaller is better; ``None`` for a clip that stands still."""
        return None if self.motion < STILL else self.residual / self.motion


@torch.no_grad()
def flow_residual(
    sampler: Sampler,
    latents: Tensor,
    *,
    times: Sequence[float] = TIMES,
    seeds: Sequence[int] = (0,),
) -> Residual:
    """Score a finished clip by the network that made it; one pass per time and seed.

    Args:
        sampler: As it was made for the clip: same prefix, captions and settings.
        latents: (1, 16, T, h, w) all new latents of the clip, whole chunks.
        times: Times in (0, 1) to which the clip is noised.
        seeds: Seeds of the noise.

    Raises:
        InvalidInputError: The latents are not the sampler's whole chunks, or a time is outside
            (0, 1).
    """
    schedule, width = sampler.schedule, sampler.config.chunk_width
    first = schedule.prefix
    count, rest = divmod(latents.shape[2], width)
    if rest or not count or sampler.prefix_frames != first * width:
        raise InvalidInputError(
            f"The flow residual needs whole chunks of {width} latent frames after whole chunks of "
            f"prefix, not {latents.shape[2]} after {sampler.prefix_frames}."
        )
    if not times or not all(0 < time < 1 for time in times):
        raise InvalidInputError(f"times must lie between 0 and 1, not {tuple(times)}.")
    chunks = latents[0].float().unflatten(1, (count, width)).transpose(0, 1)
    moving = _motion(latents[0].float())
    mask = (moving >= moving.median()).float().unflatten(0, (count, width))[:, None]
    cache = sampler.prefix_cache() if sampler.cache is None else sampler.cache.copy()
    found = []
    for seed in seeds:
        draw = chunk_noise(seed, first, (width, *latents.shape[3:]))
        noise = torch.stack([draw(first + c) for c in range(count)]).to(chunks)
        for time in times:
            told = _told(sampler)
            rows = _rows(sampler, first, count, time)
            noised = time * chunks + (1 - time) * noise
            captions = sampler.captions
            velocity = sampler.transformer(noised, rows, captions, cache, told)
            wanted = chunks - noise
            off = ((velocity.to(wanted) - wanted).square() * mask).sum()
            found.append(float(off / (wanted.square() * mask).sum()))
    values = torch.tensor(found, dtype=torch.float64)
    return Residual(float(values.mean()), float(moving.mean()), float(values.std(correction=0)))


def _motion(latents: Tensor) -> Tensor:
    """(T, h, w): mean absolute change over channels; the first frame takes the second's."""
    change = latents.diff(dim=1).abs().mean(0)
    if not len(change):
        return latents.new_zeros(latents.shape[1:])
    return torch.cat([change[:1], change])


def _rows(sampler: Sampler, first: int, count: int, time: float) -> list[Row]:
    """Every new chunk at one time, seeing as far back as a chunk at that time does."""
    reaches = sampler.config.noise_reach or (1,)
    reach = reaches[min(int(time * len(reaches)), len(reaches) - 1)]
    return [
        Row(chunk, time, (max(0, chunk - reach + 1), chunk + 1), text=sampler.text_of(chunk))
        for chunk in range(first, first + count)
    ]


def _told(sampler: Sampler) -> float | None:
    if not sampler.transformer.shape.distilled:
        return None
    return step_size(sampler.config.num_steps, sampler.schedule.intervals[0])
