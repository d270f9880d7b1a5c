"""One training run: network, running average, optimiser, losses and random state.

Rectified flow (Liu et al., arXiv 2209.03003) with the clean chunk as the network's output. Two
things keep objects in the picture over five chunks: the loss counts what moves several times, and
half of the later chunks go on from the network's own guess of the chunk before (an idea of
self-conditioning, Chen et al., arXiv 2208.04202, put to use against drift).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

from phyrefine.world.generator.checkpoint import channels_last, load_network
from phyrefine.world.generator.network import NetworkConfig, VideoNetwork
from phyrefine.world.truth.captions.vocabulary import TOPIC_INDEX, vocabulary
from phyrefine.world.truth.training.bank import Batch

# How much more a pixel that changes counts than one that never does.
MOVING_WEIGHT = 4.0
_MOVES = 0.12
_DRIFTING = 0.5


@attrs.frozen
class Stage:
    """One training stage.

    Args:
        steps: Optimiser steps; the learning rate falls to zero over them.
        minutes: Stop earlier (and resumably) after so much time.
        batch: Chunks per step.
        rate: Peak learning rate of AdamW.
        wrong: Share of clips with wrong physics (0 for the ``truthful`` variant).
        start: Weights to start from, or ``None``.
        seed: Of weights, data order, captions and noise.
        widths: Channels of the network's three levels.
        device: Where to train: ``"cpu"`` or ``"cuda"``.
        half: Whether the network's blocks compute in bfloat16 (worth it on a GPU).
        clock: Whether the learning rate follows ``minutes`` as well as ``steps``, whichever is
            further: for a stage that must end on time.
    """

    steps: int
    minutes: float
    batch: int = 16
    rate: float = 1.5e-3
    wrong: float = 0.0
    start: Path | None = None
    seed: int = 0
    widths: Sequence[int] = (48, 96, 152)
    device: str = "cpu"
    half: bool = False
    clock: bool = False


def to_signal(frames: Tensor) -> Tensor:
    """uint8 ``[..., H, W, 3]`` to float ``[..., 3, H, W]`` in [-1, 1]."""
    return frames.movedim(-1, -3).float() / 127.5 - 1.0


def _wide(one: Tensor) -> Tensor:
    return one[:, None, None, None, None]


def flow_loss(guess: Tensor, clean: Tensor, anchor: Tensor, time: Tensor) -> Tensor:
    """Error of the velocity ``(guess - noisy) / (1 - t)``, bounded near the clean end.

    Args:
        guess: The network's clean chunk ``[B, F, 3, H, W]``.
        clean: The true one.
        anchor: The seam frame ``[B, 3, H, W]``; where the chunk differs from it, something moves.
        time: ``[B]`` in [0, 1].
    """
    changed = (clean - anchor[:, None]).abs().amax(dim=2, keepdim=True) > _MOVES
    weight = 1.0 + MOVING_WEIGHT * changed.any(dim=1, keepdim=True)
    error = weight * (guess - clean) ** 2 / _wide(1.0 - time).clamp(min=0.1) ** 2
    return error.mean(dim=(1, 2, 3, 4))


class Trainer:
    """Network, running average, optimiser and random state of one run."""

    def __init__(self, stage: Stage) -> None:
        torch.manual_seed(stage.seed)
        self.stage = stage
        self.device = torch.device(stage.device)
        config = NetworkConfig(vocabulary=vocabulary(), widths=tuple(stage.widths), condition=160)
        network = VideoNetwork(config)
        if stage.start is not None:
            network = load_network(stage.start).train().requires_grad_(True)
        self.network = channels_last(network.to(self.device))
        # Only training needs it: it teaches the encoder to tell what a caption states.
        self.reader = nn.Linear(self.network.config.condition, len(TOPIC_INDEX)).to(self.device)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            [*self.network.parameters(), *self.reader.parameters()],
            lr=stage.rate,
            betas=(0.9, 0.98),
            weight_decay=0.01,
            fused=True,
        )
        self.step = 0
        self.seconds = 0.0
        self.rng = torch.Generator().manual_seed(stage.seed)
        self.noise = torch.Generator(self.device).manual_seed(stage.seed)

    def learning_rate(self) -> float:
        """Linear warm-up, then half a cosine down to zero."""
        warm = min(1.0, (self.step + 1) / 200)
        done = self.step / self.stage.steps
        if self.stage.clock:
            done = max(done, self.seconds / (60.0 * self.stage.minutes))
        return self.stage.rate * warm * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))

    def _uniform(self, count: int, noise: torch.Generator) -> Tensor:
        return torch.rand(count, generator=noise, device=self.device)

    def _normal(self, shape: torch.Size, noise: torch.Generator) -> Tensor:
        return torch.randn(shape, generator=noise, device=self.device)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.stage.half)

    def _worn_context(self, batch: Batch, words: Tensor, anchor: Tensor) -> Tensor:
        """The context as sampling would hand it on: guessed anew, or with a little noise."""
        context = to_signal(batch.context)
        size = len(context)
        half = math.ceil(size * _DRIFTING)
        time = 0.25 + 0.7 * self._uniform(half, self.noise)
        mix = _wide(time)
        noisy = mix * context[:half] + (1 - mix) * self._normal(context[:half].shape, self.noise)
        with torch.no_grad(), self._autocast():
            guess = self.network(
                noisy,
                time,
                to_signal(batch.earlier[:half]),
                anchor[:half],
                self.network.encode(words[:half]),
                (batch.position[:half] - 1).clamp(min=0),
            )
        later = _wide(batch.position[:half] > 0)
        drifted = torch.where(later, guess.clamp(-1.0, 1.0), context[:half])
        grain = 0.1 * _wide(self._uniform(size - half, self.noise))
        grainy = context[half:] + grain * self._normal(context[half:].shape, self.noise)
        return torch.cat([drifted, grainy])

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The flow's loss and the topic reader's loss of a batch in random order."""
        size = len(batch.clean)
        clean, anchor = to_signal(batch.clean), to_signal(batch.anchor)
        words = batch.words.clone()
        words[self._uniform(size, self.noise) < 0.1] = 0
        context = self._worn_context(batch, words, anchor)
        turned = _wide(self._uniform(size, self.noise) < 0.5)
        clean, context, anchor = (
            torch.where(turned if one.ndim == 5 else turned[:, 0], one.flip(-1), one)
            for one in (clean, context, anchor)
        )
        # A fifth of the times is uniform: sampling begins at 0, which the rest hardly reaches.
        spread = torch.sigmoid(self._normal(torch.Size([size]), self.noise) - 0.6)
        even = self._uniform(size, self.noise)
        time = torch.where(self._uniform(size, self.noise) < 0.2, even, spread)
        mix = _wide(time)
        noisy = mix * clean + (1 - mix) * self._normal(clean.shape, self.noise)
        with self._autocast():
            prompt = self.network.encode(words)
            guess = self.network(noisy, time, context, anchor, prompt, batch.position)
            read = self.reader(prompt).float()
        told = (words != 0).any(dim=1, keepdim=True).float()
        missed = functional.binary_cross_entropy_with_logits(read, batch.stated, reduction="none")
        return flow_loss(guess, clean, anchor, time).mean(), (told * missed).mean()

    @torch.no_grad()
    def held_out(self, batch: Batch) -> float:
        """The averaged network's flow loss on a fixed batch under fixed noise."""
        noise = torch.Generator(self.device).manual_seed(7)
        clean, anchor = to_signal(batch.clean), to_signal(batch.anchor)
        time = torch.sigmoid(self._normal(torch.Size([len(clean)]), noise) - 0.6)
        mix = _wide(time)
        noisy = mix * clean + (1 - mix) * self._normal(clean.shape, noise)
        prompt = self.average.encode(batch.words)
        context = to_signal(batch.context)
        guess = self.average(noisy, time, context, anchor, prompt, batch.position)
        return float(flow_loss(guess, clean, anchor, time).mean())

    def update(self, loss: Tensor) -> None:
        """One optimiser step and one step of the running average."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        decay = min(0.999, (self.step + 1) / (self.step + 20))
        with torch.no_grad():
            kept: list[Tensor] = list(self.average.parameters())
            new: list[Tensor] = list(self.network.parameters())
            torch._foreach_lerp_(kept, new, 1.0 - decay)
        self.step += 1

    def state(self) -> dict[str, Any]:
        """Everything a later process needs to go on."""
        return {
            "network": self.network.state_dict(),
            "reader": self.reader.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "rng": self.rng.get_state(),
            "noise": self.noise.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a saved state."""
        self.network.load_state_dict(state["network"])
        self.reader.load_state_dict(state["reader"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.rng.set_state(state["rng"])
        self.noise.set_state(state["noise"])
