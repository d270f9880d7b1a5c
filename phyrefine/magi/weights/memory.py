"""Where weights, keys and values live: presets, and layer streaming for large models."""

from __future__ import annotations

from typing import Any, Literal

import torch
from attrs import field, frozen

from phyrefine._optional import require
from phyrefine.errors import InvalidInputError
from phyrefine.magi.sampling.sampler import Savings

Preset = Literal["fast", "balanced", "low"]


@frozen
class Memory:
    """How memory is spent.

    Attributes:
        savings: What the sampler packs and keeps; packing takes memory for activations.
        offload_cache: Keys and values of finished chunks in pinned host memory.
        stream_blocks: Transformer blocks in host memory, each fetched while the one before
            computes.
        max_tokens: Tokens handled at once outside attention.
        free_text_encoder: Give the text encoder's memory back once the prompts of a video are
            encoded; a new prompt loads it again.
    """

    savings: Savings = field(factory=Savings)
    offload_cache: bool = False
    stream_blocks: bool = False
    max_tokens: int = 32768
    free_text_encoder: bool = False


_PRESETS: dict[str, Memory] = {
    "fast": Memory(),
    "balanced": Memory(Savings(pack=False), offload_cache=True, free_text_encoder=True),
    "low": Memory(
        Savings(pack=False),
        offload_cache=True,
        stream_blocks=True,
        max_tokens=8192,
        free_text_encoder=True,
    ),
}


def memory_named(memory: Preset | Memory) -> Memory:
    """The preset of that name, or the object itself.

    Raises:
        InvalidInputError: No such preset.
    """
    if isinstance(memory, Memory):
        return memory
    if memory not in _PRESETS:
        raise InvalidInputError(f"No memory preset {memory!r}; there are {', '.join(_PRESETS)}.")
    return _PRESETS[memory]


def stream_blocks(transformer: Any, device: str | torch.device) -> None:
    """Keep the transformer's blocks on the host, one at a time on ``device``."""
    on_gpu = torch.device(device).type == "cuda"
    transformer.enable_group_offload(
        onload_device=torch.device(device),
        offload_device=torch.device("cpu"),
        offload_type="block_level",
        num_blocks_per_group=1,
        use_stream=on_gpu,
    )


def spread(transformer: Any, max_memory: dict[int | str, int | str] | None = None) -> Any:
    """Spread the blocks over several devices (accelerate's device map); gives the model.

    Args:
        transformer: A `MagiTransformer3DModel`.
        max_memory: Bytes per device as accelerate takes them; by default what is free.
    """
    accelerate = require("accelerate", extra="magi", feature="Spreading MAGI-1 over devices")
    plan = accelerate.infer_auto_device_map(
        transformer,
        max_memory=max_memory,
        no_split_module_classes=transformer._no_split_modules,  # noqa: SLF001 - diffusers' name
    )
    return accelerate.dispatch_model(transformer, plan)
