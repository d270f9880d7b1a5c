"""FLOPs, network passes and key-value bytes of MAGI-1 at full size: ours beside the original's.

    python benchmarks/magi_counts.py [--height 720 --width 1280]

Nothing is computed: the real sampler runs with a stand-in network that only notes which rows it is
asked for, and every row is priced by the formula in `row_flops` (checked against torch's own FLOP
counter by tests/magi/test_counts.py). The original's schedule is the published one: three full
evaluations a step with guidance, one without, the prefix included, keys and values of all chunks.
The clip is a continuation: 72 prefix frames, 120 new ones.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

import torch
from attrs import evolve, frozen

from phyrefine.magi.config import MagiConfig, SamplingConfig, variant_named
from phyrefine.magi.model.cache import Captions, ChunkCache
from phyrefine.magi.model.layout import Row
from phyrefine.magi.sampling.sampler import Sampler, Savings
from phyrefine.magi.sampling.schedule import Schedule, Step

PREFIX_LATENTS, FRAMES = 18, 120
PROMPT_TOKENS, NULL_TOKENS = 120, 50


@frozen
class Cost:
    """What a clip costs.

    Attributes:
        calls: Calls of the network.
        rows: Chunks shown to it, over all calls.
        flops: Floating point operations of its blocks.
        cached: Most chunks whose keys and values are held at once.
    """

    calls: int = 0
    rows: int = 0
    flops: float = 0.0
    cached: int = 0

    def plus(self, rows: Sequence[tuple[Row, float]], cached: int) -> Cost:
        flops = self.flops + sum(price for _, price in rows)
        return Cost(self.calls + 1, self.rows + len(rows), flops, max(self.cached, cached))


def row_flops(
    shape: MagiConfig,
    tokens: int,
    row: Row,
    text: int,
    *,
    keeps_text: bool,
    last_block: bool = True,
) -> float:
    """Operations of one row in all blocks.

    Args:
        shape: Shape of the network.
        tokens: Tokens m of a chunk.
        row: The row; one that is not wanted needs keys and values only in the last block.
        text: Tokens of its caption.
        keeps_text: Whether the caption's keys and values exist already.
        last_block: Whether the last block is cut short for rows that are not wanted.
    """
    d, heads = shape.hidden_size, shape.num_attention_heads * shape.attention_head_dim
    groups = shape.num_query_groups * shape.attention_head_dim
    inner = shape.ffn_hidden_size
    keys = 2 * tokens * d * 2 * groups
    queries = 2 * tokens * d * 2 * heads
    attention = 4 * tokens * (row.sees[1] - row.sees[0]) * tokens * heads
    text_attention = 4 * tokens * text * heads
    text_keys = 0 if keeps_text else 2 * text * d * 2 * groups
    out = 2 * tokens * 2 * heads * d
    feed = 2 * tokens * d * inner * (3 if shape.gated_linear_unit else 2)
    rest = queries + attention + text_attention + out + feed
    blocks = shape.num_layers
    full = blocks if row.wanted or not last_block else blocks - 1
    return blocks * (keys + text_keys) + full * rest


class Recorder:
    """Stands where the network would, and notes the price of what it is asked."""

    def __init__(self, shape: MagiConfig, tokens: int) -> None:
        self.shape, self.tokens, self.cost = shape, tokens, Cost()

    def __call__(self, latents, rows, captions: Captions, cache: ChunkCache, step_size):
        priced = []
        for row in rows:
            text = NULL_TOKENS if row.text == 0 else PROMPT_TOKENS
            priced.append((row, row_flops(self.shape, self.tokens, row, text, keeps_text=True)))
            if row.stored:
                cache.store(row.chunk, 0, torch.zeros(1))
        self.cost = self.cost.plus(priced, len(cache.chunks))
        return torch.zeros(sum(row.wanted for row in rows), *latents.shape[1:])


def ours(
    shape: MagiConfig, sampling: SamplingConfig, tokens: int, *, pack: bool, prefix_known: bool
) -> Cost:
    """What our sampler asks for; with ``prefix_known`` an earlier prompt left the prefix's cache."""
    recorder = Recorder(shape, tokens)
    size = (16, sampling.chunk_width, 2, 2)
    sampler = Sampler(
        recorder,
        sampling,
        num_frames=FRAMES,
        noise=lambda _: torch.zeros(size),
        captions=Captions(torch.zeros(1, 1), [[]]),
        text_of=lambda _: 1,
        prefix=torch.zeros(1, 16, PREFIX_LATENTS, 2, 2),
        savings=Savings(pack=pack),
    )
    if prefix_known:
        sampler.cache = sampler.prefix_cache()
        recorder.cost = Cost()
    for _ in sampler.run():
        pass
    return recorder.cost


def original(shape: MagiConfig, sampling: SamplingConfig, tokens: int) -> Cost:
    """The published schedule: every view of every chunk, in calls of their own."""
    chunks = math.ceil((FRAMES // 4 + PREFIX_LATENTS) / sampling.chunk_width)
    schedule = Schedule(sampling, chunks, PREFIX_LATENTS // sampling.chunk_width)
    cost = Cost()
    for step in schedule:
        for rows, text in original_calls(step, sampling):
            priced = [
                (row, row_flops(shape, tokens, row, text, keeps_text=False, last_block=False))
                for row in rows
            ]
            cost = cost.plus(priced, chunks)
    return cost


def original_calls(step: Step, sampling: SamplingConfig) -> list[tuple[list[Row], int]]:
    rows = [Row(turn.chunk, turn.time, turn.sees) for turn in step.turns]
    if sampling.passes == 1:
        again = [evolve(rows[-1], sees=(0, 1))] if step.near_clean else []
        return [([*rows, *again], PROMPT_TOKENS)]
    # The prefix pass runs all three views too, over its clean chunks.
    alone = step.turns if step.prefix else step.noisy
    unseen = [Row(turn.chunk, turn.time, (turn.chunk, turn.chunk + 1)) for turn in alone]
    return [(rows, PROMPT_TOKENS), (rows, NULL_TOKENS), (unseen, NULL_TOKENS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--width", type=int, default=1280)
    options = parser.parse_args()
    print(
        "model        steps  schedule                calls  chunk passes   PFLOP   KV chunks  KV GiB"
    )
    for name in ("4.5B_base", "24B_base", "4.5B_distill", "24B_distill"):
        variant = variant_named(name)
        shape = variant.model
        for steps in (16, 32):
            sampling = variant.sampling.evolve(num_steps=steps)
            tokens = sampling.chunk_width * (options.height // 16) * (options.width // 16)
            width = shape.num_query_groups * shape.attention_head_dim
            chunk_bytes = 2 * 2 * width * tokens * shape.num_layers  # bfloat16 keys and values
            costs = {
                "the original's": original(shape, sampling, tokens),
                "ours, packed": ours(shape, sampling, tokens, pack=True, prefix_known=False),
                "ours, view by view": ours(shape, sampling, tokens, pack=False, prefix_known=False),
                "ours, second prompt": ours(shape, sampling, tokens, pack=True, prefix_known=True),
            }
            for schedule, cost in costs.items():
                print(
                    f"{name:12} {steps:5}  {schedule:22} {cost.calls:6}  {cost.rows:12}"
                    f"  {cost.flops / 1e15:6.1f}  {cost.cached:10}  {cost.cached * chunk_bytes / 2**30:6.1f}"
                )


if __name__ == "__main__":
    main()
