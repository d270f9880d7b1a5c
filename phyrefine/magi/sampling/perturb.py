"""Predict and perturb: early steps are taken again from noise of their own prediction.

At an early time t the clean latent is predicted, ``p = z + (1 - t) u(z, t)``, and noised again to
the same time, ``z' = t p + (1 - t) e`` with fresh noise e. Where two predictions in a row differ
most, the model is unsure, and z' takes the place of z; elsewhere z stays. One extra pass per
repetition. (After "predict-and-perturb" for flow video models; which locations count as unsure is
our reading.)
"""

from __future__ import annotations

import hashlib

import torch
from attrs import frozen
from torch import Tensor

from phyrefine.errors import InvalidInputError


@frozen
class Perturb:
    """How early steps are perturbed.

    Attributes:
        until: Steps of chunks before this time, 0 (noise) to 1 (data), are perturbed.
        count: Predictions per step, from 2 on.
        share: Share of the locations that count as unsure, above 0 up to 1.
        seed: Seed of the fresh noise, drawn on the CPU.
    """

    until: float = 0.2
    count: int = 2
    share: float = 0.5
    seed: int = 0

    def __attrs_post_init__(self) -> None:
        if self.count < 2 or not 0 < self.share <= 1 or not 0 < self.until <= 1:
            raise InvalidInputError(
                "Perturb needs count from 2 on, and share and until above 0 up to 1, not "
                f"{self.count}, {self.share} and {self.until}."
            )

    def again(self, prediction: Tensor, time: float, chunk: int, number: int) -> Tensor:
        """A prediction (16, cw, h, w) noised again to its time."""
        name = f"perturb {self.seed} {chunk} {time:.9f} {number}"
        derived = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little", signed=True)
        generator = torch.Generator("cpu").manual_seed(derived)
        noise = torch.randn(prediction.shape, generator=generator).to(prediction)
        return time * prediction + (1 - time) * noise

    def mixed(self, first: Tensor, fresh: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """``fresh`` where two predictions differ most, averaged over channels, else ``first``."""
        unsure = (after - before).abs().mean(0)
        least = torch.quantile(unsure.flatten().float().cpu(), 1 - self.share).to(unsure)
        return torch.where(unsure >= least, fresh, first)
