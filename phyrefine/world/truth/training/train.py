"""Train the generator: ``python -m phyrefine.world.truth.training.train --data DIR --run DIR``.

Rectified flow (Liu et al., arXiv 2209.03003) with the clean chunk as the network's output. A
stage ends after its steps or its minutes; the same command goes on where the last one stopped.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from phyrefine._atomic import written_aside
from phyrefine.world.generator.checkpoint import channels_last, load_network, save_network
from phyrefine.world.generator.network import (
    FRAMES,
    NetworkConfig,
    Tokenizer,
    VideoNetwork,
    words_of,
)
from phyrefine.world.truth.captions.captions import Caption
from phyrefine.world.truth.captions.openings import DESCRIPTIONS, FILLER
from phyrefine.world.truth.captions.wording import TOPICS
from phyrefine.world.truth.physics.rendering import Frames
from phyrefine.world.truth.physics.scene import COLOURS, RESTITUTION
from phyrefine.world.truth.training.data import Example, Physics, Shards, caption

# Most happens soon after the seam, so early chunks are shown more often.
CHUNK_SHARES = (0.27, 0.23, 0.20, 0.16, 0.14)
_TOPIC_INDEX = {name: index for index, name in enumerate(TOPICS)}


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
    """

    steps: int
    minutes: float
    batch: int = 16
    rate: float = 1.5e-3
    wrong: float = 0.0
    start: Path | None = None
    seed: int = 0


def vocabulary() -> tuple[str, ...]:
    """Every word of the training sentences, sorted."""
    known = {*COLOURS, *RESTITUTION}
    for topic in (*TOPICS.values(), *DESCRIPTIONS.values(), FILLER):
        for sentence in topic.training:
            known.update(
                words_of(
                    sentence.format(
                        b="the ball it", o="the stack", colour="", other="", material=""
                    )
                )
            )
    return tuple(sorted(known))


def to_signal(frames: Frames) -> Tensor:
    """uint8 ``[..., F, H, W, 3]`` to float ``[..., F, 3, H, W]`` in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, -1, -3))) / 127.5 - 1.0


@attrs.frozen
class Batch:
    """What one step learns from (``B`` chunks)."""

    clean: Tensor
    context: Tensor
    anchor: Tensor
    position: Tensor
    captions: tuple[Caption, ...]


def draw_batch(shards: dict[Physics, Shards], stage: Stage, rng: np.random.Generator) -> Batch:
    """Draw clips, a chunk of each, and fresh captions."""
    chunks, contexts, anchors, positions, captions = [], [], [], [], []
    for _ in range(stage.batch):
        physics: Physics = "wrong" if rng.random() < stage.wrong else "right"
        frames, example = shards[physics].draw(rng)
        position = int(rng.choice(len(CHUNK_SHARES), p=CHUNK_SHARES))
        first = FRAMES * (position + 1)
        chunks.append(frames[first : first + FRAMES])
        contexts.append(frames[first - FRAMES : first])
        anchors.append(frames[FRAMES - 1 : FRAMES])
        positions.append(position)
        captions.append(_caption(example, stage, physics, rng))
    return Batch(
        clean=to_signal(np.stack(chunks)),
        context=to_signal(np.stack(contexts)),
        anchor=to_signal(np.stack(anchors))[:, 0],
        position=torch.tensor(positions),
        captions=tuple(captions),
    )


def _caption(example: Example, stage: Stage, physics: Physics, rng: np.random.Generator) -> Caption:
    # With priors planted, right physics must be the exception under a plain caption.
    plain = 0.06 if stage.wrong and physics == "right" else 0.25 if stage.wrong else 0.2
    return caption(example, rng, plain)


def topic_labels(captions: tuple[Caption, ...]) -> Tensor:
    """Which topics each caption states, float ``[B, topics]``."""
    labels = torch.zeros(len(captions), len(TOPICS))
    for row, said in enumerate(captions):
        for name in said.topics:
            labels[row, _TOPIC_INDEX[name]] = 1.0
    return labels


class Trainer:
    """Network, running average, optimiser and random state of one run."""

    def __init__(self, stage: Stage) -> None:
        torch.manual_seed(stage.seed)
        self.stage = stage
        config = NetworkConfig(vocabulary=vocabulary())
        self.network = VideoNetwork(config)
        if stage.start is not None:
            self.network = load_network(stage.start).train().requires_grad_(True)
        channels_last(self.network)
        # Only training needs it: it teaches the encoder to tell what a caption states.
        self.reader = nn.Linear(config.condition, len(TOPICS))
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.tokenizer = Tokenizer(self.network.config.vocabulary)
        self.optimizer = torch.optim.AdamW(
            [*self.network.parameters(), *self.reader.parameters()],
            lr=stage.rate,
            betas=(0.9, 0.98),
            weight_decay=0.01,
            fused=True,
        )
        self.step = 0
        self.seconds = 0.0
        self.rng = np.random.default_rng([stage.seed, 5])
        self.noise = torch.Generator().manual_seed(stage.seed)

    def learning_rate(self) -> float:
        """Linear warm-up, then half a cosine down to zero."""
        warm = min(1.0, (self.step + 1) / 200)
        cosine = math.cos(math.pi * self.step / self.stage.steps)
        return self.stage.rate * warm * 0.5 * (1.0 + cosine)

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The flow's loss and the topic reader's loss."""
        size = len(batch.captions)
        time_ = torch.sigmoid(torch.randn(size, generator=self.noise) - 0.6)
        mix = time_[:, None, None, None, None]
        noise = torch.randn(batch.clean.shape, generator=self.noise)
        noisy = mix * batch.clean + (1 - mix) * noise
        blur = 0.12 * torch.rand(size, 1, 1, 1, 1, generator=self.noise)
        grain = torch.randn(batch.context.shape, generator=self.noise)
        tokens = self.tokenizer([said.text for said in batch.captions])
        tokens[torch.rand(size, generator=self.noise) < 0.1] = 0
        prompt = self.network.encode(tokens)
        guess = self.network(
            noisy, time_, batch.context + blur * grain, batch.anchor, prompt, batch.position
        )
        # The error of the velocity (guess - noisy) / (1 - t), bounded near the clean end.
        weight = 1.0 / (1 - mix).clamp(min=0.1) ** 2
        flow = (weight * (guess - batch.clean) ** 2).mean()
        told = (tokens != 0).any(dim=1)
        read = functional.binary_cross_entropy_with_logits(
            self.reader(prompt[told]), topic_labels(batch.captions)[told]
        )
        return flow, read

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
            for kept, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
                kept.lerp_(new, 1.0 - decay)
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
            "rng": self.rng.bit_generator.state,
            "noise": self.noise.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a saved state."""
        self.network.load_state_dict(state["network"])
        self.reader.load_state_dict(state["reader"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.rng.bit_generator.state = state["rng"]
        self.noise.set_state(state["noise"])


def save(trainer: Trainer, run: Path) -> None:
    """Write the resumable state and the averaged weights into the run folder."""
    with written_aside(run / "state.pt") as aside:
        torch.save(trainer.state(), aside)
    save_network(
        trainer.average,
        run / "weights.safetensors",
        steps=str(trainer.step),
        seconds=f"{trainer.seconds:.0f}",
        seed=str(trainer.stage.seed),
        wrong=str(trainer.stage.wrong),
    )


def train(data: Path, run: Path, stage: Stage, save_every: float = 240.0) -> Iterator[int]:
    """Train until the stage's steps or minutes are over; yields after every step.

    Args:
        data: Folder of shards.
        run: Folder of ``state.pt``, ``weights.safetensors`` and ``log.jsonl``.
        stage: What to do.
        save_every: Seconds between saved states.
    """
    trainer = Trainer(stage)
    run.mkdir(parents=True, exist_ok=True)
    if (run / "state.pt").exists():
        trainer.restore(torch.load(run / "state.pt", weights_only=False))
    shards: dict[Physics, Shards] = {"right": Shards(data, "right"), "wrong": Shards(data, "wrong")}
    began, saved, before = time.monotonic(), time.monotonic(), trainer.seconds
    sums = np.zeros(2)
    while trainer.step < stage.steps and time.monotonic() - began < 60 * stage.minutes:
        flow, read = trainer.losses(draw_batch(shards, stage, trainer.rng))
        trainer.update(flow + 0.05 * read)
        sums += flow.item(), read.item()
        trainer.seconds = before + time.monotonic() - began
        if trainer.step % 100 == 0:
            _log(run, trainer, sums / 100)
            sums[:] = 0
        if time.monotonic() - saved > save_every:
            save(trainer, run)
            saved = time.monotonic()
            for part in shards.values():
                part.refresh()
        yield trainer.step
    save(trainer, run)


def _log(run: Path, trainer: Trainer, means: np.ndarray) -> None:
    row = {
        "step": trainer.step,
        "seconds": round(trainer.seconds),
        "flow": round(float(means[0]), 5),
        "read": round(float(means[1]), 4),
    }
    with (run / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def main() -> None:
    """Run one stage from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=7500)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--wrong", type=float, default=0.0)
    parser.add_argument("--start", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=0)
    asked = vars(parser.parse_args())
    data, run = asked.pop("data"), asked.pop("run")
    torch.set_num_threads(1)
    for _ in train(data, run, Stage(**asked)):
        pass


if __name__ == "__main__":
    main()
