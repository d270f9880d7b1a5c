"""Image encoders for kinematics: any transformers encoder, or a torch callable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from phyrefine.backends.scorers import placing
from phyrefine.errors import InvalidInputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@define
class TransformersEncoder:
    """A frozen encoder of transformers (DINOv2, DINOv3, SigLIP, ViT, ...), one feature a frame.

    Attributes:
        path: Hub id or folder.
        layer: Hidden layer whose patches are averaged; ``None`` takes the pooled output, or the
            last layer's mean where there is none.
        size: Height and width of the picture; the model's own by default.
        batch: Frames at a time.
        dtype: torch dtype's name; ``"auto"`` as saved. Features are float32 in any case.
        device: ``"cpu"``, ``"cuda"``, ...; ``None`` takes CUDA, else MPS, else the CPU.
        revision: Branch, tag or commit on the hub.
    """

    path: str
    layer: int | None = None
    size: int | None = None
    batch: int = 16
    dtype: str = "auto"
    device: str | None = None
    revision: str | None = None
    _model: Any = field(default=None, init=False, repr=False)

    @classmethod
    def from_spec(cls, spec: str) -> Self:
        """From ``"PATH?layer=12&dtype=bfloat16&device=cuda"``."""
        return placing.from_spec(cls, spec)

    @property
    def identity(self) -> str:
        """The model and every setting that changes its features."""
        settings = f"layer={self.layer} size={self.size} dtype={self.dtype}"
        return f"encoder {self.path} revision={self.revision} {settings}"

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 [T, d].

        Raises:
            ModelNotFoundError: Nothing usable at ``path``.
            InvalidInputError: The model has no such layer.
        """
        import torch

        model = self._loaded()
        side = self.size or _image_size(model.config)
        parts = []
        with torch.inference_mode():
            for start in range(0, len(frames), self.batch):
                images = placing.pixels(
                    frames[start : start + self.batch], (side, side), IMAGENET_MEAN, IMAGENET_STD
                )
                images = images.to(model.device, model.dtype)
                parts.append(self._pooled(model, images).float().cpu().numpy())
        return np.concatenate(parts)

    def _loaded(self) -> Any:
        if self._model is None:
            self._model = placing.load(
                self.path, revision=self.revision, dtype=self.dtype, device=self.device
            )
            self._model = getattr(self._model, "vision_model", self._model)
        return self._model

    def _pooled(self, model: Any, images: Any) -> Any:
        out = model(pixel_values=images, output_hidden_states=self.layer is not None)
        if self.layer is not None:
            layers = out.hidden_states
            if not -len(layers) <= self.layer < len(layers):
                raise InvalidInputError(
                    f"{self.path} has the layers 0 to {len(layers) - 1}, not {self.layer}."
                )
            return _mean(layers[self.layer])
        pooled = getattr(out, "pooler_output", None)
        return _mean(out.last_hidden_state) if pooled is None else pooled.flatten(1)


@define
class TorchEncoder:
    """Any torch callable as an encoder.

    Attributes:
        model: float32 [B, 3, S, S], normalized as for ImageNet, to [B, d] or [B, N, d].
        name: What it is, for the memory of features.
        size: S.
        batch: Frames at a time.
        device: Where the frames go; ``None`` leaves them on the CPU.
    """

    model: Callable[[Any], Any]
    name: str
    size: int = 224
    batch: int = 16
    device: str | None = None

    @property
    def identity(self) -> str:
        """Name and size."""
        return f"encoder {self.name} size={self.size}"

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 [T, d]."""
        import torch

        parts = []
        with torch.inference_mode():
            for start in range(0, len(frames), self.batch):
                images = placing.pixels(
                    frames[start : start + self.batch],
                    (self.size, self.size),
                    IMAGENET_MEAN,
                    IMAGENET_STD,
                )
                out = self.model(images.to(self.device or "cpu"))
                parts.append(_mean(out).float().cpu().numpy())
        return np.concatenate(parts)


def _mean(states: Any) -> Any:
    """[B, N, d] or [B, d, h, w] to [B, d]."""
    if states.ndim == 4:
        return states.flatten(2).mean(dim=2)
    return states.mean(dim=1) if states.ndim == 3 else states


def _image_size(config: Any) -> int:
    config = getattr(config, "vision_config", None) or config
    size = getattr(config, "image_size", 224)
    return int(size if isinstance(size, int) else size[0])
