"""Train the generator: ``python -m phyrefine.world.truth.training.train --data DIR --run DIR``.

A stage ends after its steps or its minutes; the same command goes on where the last one stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import torch

from phyrefine._atomic import written_aside
from phyrefine.world.generator.checkpoint import save_network
from phyrefine.world.truth.training.bank import Bank, Batch, join
from phyrefine.world.truth.training.data import Part
from phyrefine.world.truth.training.trainer import Stage, Trainer

_HELD_OUT = 256
_LOGGED = 100


def plain_share(part: Part, wrong: float) -> float:
    """Share of captions without any cue.

    With priors planted, right physics must be the exception under a plain caption.

    Args:
        part: Which clips.
        wrong: The stage's share of clips with wrong physics.
    """
    if not wrong:
        return 0.2
    return 0.25 if part in ("wrong", "held_wrong") else 0.06


class Source:
    """Batches of a stage's mix of right and wrong physics."""

    def __init__(self, data: Path, stage: Stage, device: torch.device) -> None:
        self._stage = stage
        parts: tuple[Part, ...] = ("right", "wrong") if stage.wrong else ("right",)
        self._banks: dict[Part, Bank] = {part: Bank(data, part, device) for part in parts}
        held: tuple[Part, ...] = ("held_right", "held_wrong") if stage.wrong else ("held_right",)
        self._held = {part: Bank(data, part, device) for part in held}

    def refresh(self) -> None:
        """Take in shards finished since."""
        for bank in (*self._banks.values(), *self._held.values()):
            bank.refresh()

    def ready(self) -> bool:
        """Whether there is a shard of every part, held-out ones too."""
        return all(len(bank) for bank in (*self._banks.values(), *self._held.values()))

    def draw(self, rng: torch.Generator) -> Batch:
        """One batch in random order, so that no half of it is special."""
        wrong = round(self._stage.batch * self._stage.wrong)
        counts: dict[Part, int] = {"right": self._stage.batch - wrong, "wrong": wrong}
        whole = self._mix(self._banks, counts, rng)
        order = torch.randperm(self._stage.batch, generator=rng).to(whole.position.device)
        return Batch(*(getattr(whole, field.name)[order] for field in attrs.fields(Batch)))

    def held_out(self) -> Batch:
        """The fixed batch of held-out chunks: the stage's own mix, always the same."""
        count = _HELD_OUT // len(self._held)
        counts = dict.fromkeys(self._held, count)
        return self._mix(self._held, counts, torch.Generator().manual_seed(3))

    def _mix(self, banks: dict[Part, Bank], counts: dict[Part, int], rng: torch.Generator) -> Batch:
        wrong = self._stage.wrong
        drawn = [
            bank.draw(counts[part], plain_share(part, wrong), rng)
            for part, bank in banks.items()
            if counts[part]
        ]
        return join(drawn)


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


def wait_for_shards(source: Source, seconds: float = 600.0) -> None:
    """Wait until another process has rendered a shard of every part.

    Raises:
        InvalidInputError: None came in time (raised by the first draw).
    """
    began = time.monotonic()
    while not source.ready() and time.monotonic() - began < seconds:
        time.sleep(1.0)
        source.refresh()


def train(
    data: Path, run: Path, stage: Stage, save_every: float = 240.0, wait: float = 0.0
) -> Iterator[int]:
    """Train until the stage's steps or minutes are over; yields after every step.

    Args:
        data: Folder of shards.
        run: Folder of ``state.pt``, ``weights.safetensors`` and ``log.jsonl``.
        stage: What to do.
        save_every: Seconds between saved states; new shards are taken in as often.
        wait: Seconds to wait for the first shards.

    Raises:
        InvalidInputError: A part of the data is missing.
    """
    trainer = Trainer(stage)
    run.mkdir(parents=True, exist_ok=True)
    if (run / "state.pt").exists():
        saved_state = torch.load(run / "state.pt", weights_only=False, map_location="cpu")
        trainer.restore(saved_state)
    began, before = time.monotonic(), trainer.seconds
    source = Source(data, stage, trainer.device)
    wait_for_shards(source, wait)
    held = source.held_out()
    saved = time.monotonic()
    sums = torch.zeros(2, device=trainer.device)
    while trainer.step < stage.steps and time.monotonic() - began < 60 * stage.minutes:
        flow, read = trainer.losses(source.draw(trainer.rng))
        trainer.update(flow + 0.05 * read)
        sums += torch.stack([flow.detach(), read.detach()])
        trainer.seconds = before + time.monotonic() - began
        if trainer.step % _LOGGED == 0:
            flow_mean, read_mean = (sums / _LOGGED).tolist()
            _log(run, trainer, flow_mean, read_mean, trainer.held_out(held))
            sums.zero_()
        if time.monotonic() - saved > save_every:
            save(trainer, run)
            source.refresh()
            saved = time.monotonic()
        yield trainer.step
    save(trainer, run)


def _log(run: Path, trainer: Trainer, flow: float, read: float, held: float) -> None:
    row = {
        "step": trainer.step,
        "seconds": round(trainer.seconds),
        "flow": round(flow, 5),
        "read": round(read, 4),
        "held_out": round(held, 5),
    }
    with (run / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def main() -> None:
    """Run one stage from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--wrong", type=float, default=0.0)
    parser.add_argument("--start", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--half", action="store_true", help="blocks in bfloat16")
    parser.add_argument("--clock", action="store_true")
    parser.add_argument("--save-every", type=float, default=240.0)
    parser.add_argument("--wait", type=float, default=0.0)
    asked = vars(parser.parse_args())
    data, run = asked.pop("data"), asked.pop("run")
    save_every, wait = asked.pop("save_every"), asked.pop("wait")
    torch.set_num_threads(1)
    # Convolutions in TF32: the rounding is far below the sampling noise.
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    for _ in train(data, run, Stage(**asked), save_every, wait):
        pass


if __name__ == "__main__":
    main()
