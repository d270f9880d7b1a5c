"""Builds with random weights say so: they show that a program runs, not what a model can do."""

from __future__ import annotations

from typing import Any

# No published video or vision-language model is smaller; tiny random builds have 0.01 to 1 million.
LEAST_PARAMETERS = 10_000_000


def random_weights(name: str, module: Any) -> str | None:
    """The disclaimer of a model too small to have learned anything; ``None`` for others.

    Args:
        name: What a reader knows the backend by.
        module: A ``torch.nn.Module``.
    """
    count = sum(parameter.numel() for parameter in module.parameters())
    if count >= LEAST_PARAMETERS:
        return None
    return (
        f"{name} has {count / 1e6:.2g} million parameters: random weights to rehearse with. What "
        "it makes is noise, and no score of it means anything."
    )
