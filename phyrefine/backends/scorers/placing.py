"""Where a scorer's weights come from and where they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from phyrefine._optional import require
from phyrefine.backends.transformers.loading import Source, load_encoder
from phyrefine.options import options_of, read_options, split_options

T = TypeVar("T")


def from_spec(factory: Callable[..., T], spec: str) -> T:
    """Call ``factory(path, **options)`` for ``"PATH?key=value&key=value"``.

    Raises:
        InvalidInputError: An option the factory does not take, or a value it cannot read.
    """
    path, given = split_options(spec)
    return factory(path, **read_options(given, options_of([factory]), f"the scorer {path!r}"))


def load(path: str, *, revision: str | None, dtype: str, device: str | None) -> Any:
    """A transformers encoder in evaluation mode, on its device.

    Raises:
        MissingDependencyError: transformers is not installed.
        ModelNotFoundError: Nothing usable at ``path``.
    """
    require("transformers", extra="transformers", feature="A scorer with weights")
    return load_encoder(Source.of(path, revision=revision, dtype=dtype, device=device))


def pixels(
    frames: Any, size: tuple[int, int], mean: tuple[float, ...], std: tuple[float, ...]
) -> Any:
    """Frames as a model takes them: stretched bilinearly, scaled to 0..1, normalized.

    Args:
        frames: uint8 [T, H, W, 3].
        size: (height, width).
        mean: Of the three channels.
        std: Of the three channels.

    Returns:
        torch float32 [T, 3, height, width].
    """
    import numpy as np
    import torch

    values = torch.from_numpy(np.array(frames)).permute(0, 3, 1, 2).float() / 255.0
    small = torch.nn.functional.interpolate(
        values, size=size, mode="bilinear", align_corners=False, antialias=True
    )
    shift, scale = (torch.tensor(part).view(1, 3, 1, 1) for part in (mean, std))
    return (small - shift) / scale
