"""Which weights and settings a pipeline holds, as a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SAMPLES_PER_TENSOR = 8


def fingerprint(pipe: Any) -> str:
    """Digest of a pipeline's components: configurations and a sample of every weight.

    The same files give the same digest in every process; other weights, a LoRA or another
    scheduler give another one.
    """
    import torch

    digest = hashlib.blake2b(digest_size=16)
    # What is no component is a switch, such as Wan's boundary_ratio.
    switches = {key: value for key, value in pipe.config.items() if key not in pipe.components}
    digest.update(_canonical(switches).encode())
    for name, part in sorted(pipe.components.items()):
        digest.update(f"\n{name} {type(part).__name__} {_config_of(part)}".encode())
        if not isinstance(part, torch.nn.Module):
            continue
        for key, tensor in sorted(part.state_dict().items()):
            digest.update(f"{key} {tuple(tensor.shape)} {tensor.dtype}".encode())
            if tensor.device.type != "meta" and tensor.numel():
                flat = tensor.detach().reshape(-1)
                picked = flat[:: max(1, flat.numel() // SAMPLES_PER_TENSOR)]
                digest.update(picked.to("cpu").contiguous().view(torch.uint8).numpy().tobytes())
        digest.update(_strengths(part).encode())
    return digest.hexdigest()


def _strengths(part: Any) -> str:
    """How strongly each adapter acts: PEFT keeps that beside the weights."""
    return repr(
        [
            (name, sorted(module.scaling.items()), getattr(module, "active_adapters", None))
            for name, module in part.named_modules()
            if isinstance(getattr(module, "scaling", None), dict)
        ]
    )


def _config_of(part: Any) -> str:
    config = getattr(part, "config", None)
    if config is None:
        return ""
    return _canonical(config.to_dict() if hasattr(config, "to_dict") else dict(config))


def _canonical(items: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in items.items() if not key.startswith("_")}
    kept.pop("transformers_version", None)
    return json.dumps(kept, sort_keys=True, default=lambda value: type(value).__name__)
