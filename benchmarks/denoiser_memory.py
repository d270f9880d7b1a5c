"""How many tensors of (tokens x width) a denoiser holds at once: the constant of memory estimates.

Run it: python benchmarks/denoiser_memory.py

Real classes at full width with two layers, on torch's ``meta`` device, so nothing is computed and no
memory is taken. The peak does not depend on the number of layers. Weights are not counted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import diffusers
import torch

from phyrefine.backends.diffusers.sizing.live import peak_bytes
from phyrefine.backends.diffusers.sizing.work import TENSORS_AT_ONCE

BYTES, GIB = 2, 2**30
half = partial(torch.empty, device="meta", dtype=torch.bfloat16)
full = partial(torch.empty, device="meta", dtype=torch.float32)
whole = partial(torch.empty, device="meta", dtype=torch.int64)


def cases() -> Iterator[tuple[str, Any, int, int, int, dict[str, Any]]]:
    """Name, how to build it, tokens, width, clips in one call, arguments of a call."""
    wan = partial(diffusers.WanTransformer3DModel, num_layers=2)
    clip = {
        "hidden_states": half(1, 16, 21, 60, 104),
        "timestep": full(1),
        "encoder_hidden_states": half(1, 512, 4096),
    }
    tokens = 21 * 30 * 52
    yield "Wan 14B, 81 frames of 480x832", wan, tokens, 5120, 1, clip
    small = partial(wan, num_attention_heads=12, ffn_dim=8960)
    yield "Wan 1.3B, 81 frames of 480x832", small, tokens, 1536, 1, clip
    tokens = 13 * 30 * 45
    yield (
        "CogVideoX 5B, 49 frames of 480x720",
        partial(
            diffusers.CogVideoXTransformer3DModel,
            num_layers=2,
            num_attention_heads=48,
            use_rotary_positional_embeddings=True,
            in_channels=32,
        ),
        tokens + 226,
        3072,
        2,
        {
            "hidden_states": half(2, 13, 32, 60, 90),
            "timestep": whole(2),
            "encoder_hidden_states": half(2, 226, 4096),
            "image_rotary_emb": (full(tokens, 64), full(tokens, 64)),
        },
    )
    tokens = 21 * 16 * 22
    yield (
        "LTX 2B, 161 frames of 512x704",
        partial(diffusers.LTXVideoTransformer3DModel, num_layers=2),
        tokens,
        2048,
        2,
        {
            "hidden_states": half(2, tokens, 128),
            "timestep": full(2),
            "encoder_hidden_states": half(2, 256, 4096),
            "encoder_attention_mask": half(2, 256),
            "num_frames": 21,
            "height": 16,
            "width": 22,
        },
    )
    yield (
        "HunyuanVideo, 129 frames of 720x1280",
        partial(
            diffusers.HunyuanVideoTransformer3DModel,
            num_layers=2,
            num_single_layers=2,
            guidance_embeds=True,
        ),
        33 * 45 * 80 + 256,
        3072,
        1,
        {
            "hidden_states": half(1, 16, 33, 90, 160),
            "timestep": whole(1),
            "encoder_hidden_states": half(1, 256, 4096),
            "encoder_attention_mask": torch.empty(1, 256, device="meta", dtype=torch.bool),
            "pooled_projections": half(1, 768),
            "guidance": half(1),
        },
    )
    yield (
        "Cosmos 1 7B, 121 frames of 704x1280",
        partial(
            diffusers.CosmosTransformer3DModel,
            num_layers=2,
            num_attention_heads=32,
            in_channels=17,
            concat_padding_mask=False,
        ),
        16 * 44 * 80,
        4096,
        1,
        {
            "hidden_states": half(1, 17, 16, 88, 160),
            "timestep": half(1),
            "encoder_hidden_states": half(1, 512, 1024),
            "fps": 30,
        },
    )


def main() -> None:
    logging.disable(logging.WARNING)
    print(f"memory estimates take {TENSORS_AT_ONCE:g}")
    for name, build, tokens, width, batch, arguments in cases():
        with torch.device("meta"):
            model = build()
        model.to(torch.bfloat16).eval()
        peak = peak_bytes(partial(model, **arguments, return_dict=False))
        at_once = peak / (batch * tokens * width * BYTES)
        print(f"{name}: {at_once:.1f} tensors at once, {peak / GIB:.1f} GiB")


if __name__ == "__main__":
    main()
