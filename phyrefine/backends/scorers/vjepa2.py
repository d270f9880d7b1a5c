"""V-JEPA 2 surprise: how far the future is from what a world model predicts of it.

The reward of WMReward, from its description, on transformers' port of V-JEPA 2: in each window of
16 frames the first 8 are encoded alone and the predictor predicts the tokens of the last 8; the
surprise is one minus the mean cosine, over the feature axis, of predicted and encoded tokens. Both
are normalized over the feature axis first.

Unproven: others saw no correlation with quality at the published settings. Like any likelihood it
prefers what moves least, so it is never used without the motion guard.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from attrs import define, field, validators
from numpy.typing import NDArray

from phyrefine.backends.scorers import placing
from phyrefine.backends.scorers.encoders import IMAGENET_MEAN, IMAGENET_STD
from phyrefine.errors import InvalidInputError
from phyrefine.types import Pool, PoolScores, Scenario
from phyrefine.video.clip import Clip, join
from phyrefine.video.frames import resample_indices
from phyrefine.video.recent import Recent

CHECKPOINT = "facebook/vjepa2-vitl-fpc64-256"

_remembered: Recent[float] = Recent(1024)


@define
class VJEPA2Surprise:
    """Minus the mean surprise over windows; higher is better; unproven.

    The last frames of the prefix are put before the continuation, so that the seam lies inside
    the first window; all candidates share them.

    Attributes:
        path: Hub id or folder of a V-JEPA 2 checkpoint.
        window: Frames of a window; even.
        context: Of these, frames that are seen; even.
        stride: Frames from window to window.
        frames: Frames sampled evenly over the clip, whatever its length; 0 takes every frame.
        batch: Windows at a time.
        dtype: torch dtype's name; cosines are float32 in any case.
        device: ``"cpu"``, ``"cuda"``, ...; ``None`` takes CUDA, else MPS, else the CPU.
        revision: Branch, tag or commit on the hub.
    """

    path: str = CHECKPOINT
    window: int = field(default=16, validator=validators.ge(4))
    context: int = field(default=8, validator=validators.ge(2))
    stride: int = field(default=2, validator=validators.ge(1))
    frames: int = field(default=49, validator=validators.ge(0))
    batch: int = field(default=4, validator=validators.ge(1))
    dtype: str = "auto"
    device: str | None = None
    revision: str | None = None
    _model: Any = field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.context >= self.window or self.context % 2 or self.window % 2:
            raise InvalidInputError(
                f"V-JEPA 2 joins frames in pairs: window={self.window} and context={self.context} "
                "must be even, and the context shorter than the window."
            )

    @classmethod
    def from_spec(cls, spec: str) -> Self:
        """From ``"PATH?dtype=bfloat16&device=cuda&stride=8"``."""
        return placing.from_spec(cls, spec)

    @property
    def name(self) -> str:
        """Under which the scores are recorded."""
        return "vjepa2"

    @property
    def identity(self) -> str:
        """The model and every setting that changes its scores."""
        sampling = f"window={self.window}/{self.context}/{self.stride} frames={self.frames}"
        return f"vjepa2 {self.path} revision={self.revision} {sampling} {self.dtype} stretched"

    def score(self, scenario: Scenario, clip: Clip) -> float:
        """Minus the surprise; NaN when the clip is shorter than a window.

        Raises:
            ModelNotFoundError: Nothing usable at ``path``.
        """
        prefix = scenario.prefix.digest if scenario.prefix is not None else None
        key = (self.identity, prefix, clip.as_made.digest)
        return _remembered.get(key, lambda: -self.surprise(self._shown(scenario, clip.as_made)))

    def score_pool(self, pool: Pool) -> PoolScores:
        """The score of every clip."""
        values = {e.key: self.score(pool.scenario, e.candidate.clip) for e in pool.entries}
        short = [key for key, value in values.items() if np.isnan(value)]
        notes = (f"{', '.join(short)} shorter than {self.window} frames",) if short else ()
        return PoolScores(values, notes)

    def surprise(self, frames: NDArray[np.uint8]) -> float:
        """Mean over windows of one minus the mean cosine, 0..2; NaN with too few frames.

        Args:
            frames: uint8 [T, H, W, 3].
        """
        import torch

        starts = windows(len(frames), self.window, self.stride)
        if not starts:
            return float("nan")
        model = self._loaded()
        side = int(model.config.crop_size)
        video = placing.pixels(frames, (side, side), IMAGENET_MEAN, IMAGENET_STD)
        found = []
        with torch.inference_mode():
            for first in range(0, len(starts), self.batch):
                some = [video[s : s + self.window] for s in starts[first : first + self.batch]]
                cosines = self.cosines(torch.stack(some).to(model.device, model.dtype))
                found += cosines.mean(dim=1).cpu().tolist()
        return 1.0 - float(np.mean(found))

    def cosines(self, videos: Any) -> Any:
        """Cosine of predicted and encoded token: float32 [B, M] for videos [B, T, 3, S, S].

        The context is encoded *alone*: transformers' own ``context_mask`` is applied after the
        encoder has attended to all frames, so that the future would leak into it.
        """
        import torch

        model = self._loaded()
        seen = model.encoder(pixel_values_videos=videos[:, : self.context]).last_hidden_state
        whole = model.encoder(pixel_values_videos=videos).last_hidden_state
        count, total = seen.shape[1], whole.shape[1]
        at = torch.arange(total, device=videos.device)[None].repeat(len(videos), 1)
        guess = model.predictor(
            encoder_hidden_states=seen,
            context_mask=[at[:, :count]],
            target_mask=[at[:, count:]],
        ).last_hidden_state
        real = whole[:, count:]
        return torch.nn.functional.cosine_similarity(_unit(guess), _unit(real), dim=-1)

    def _loaded(self) -> Any:
        if self._model is None:
            model = placing.load(
                self.path, revision=self.revision, dtype=self.dtype, device=self.device
            )
            if not hasattr(model, "predictor") or not hasattr(model.config, "tubelet_size"):
                raise InvalidInputError(
                    f"{self.path!r} is a {type(model).__name__}, not a V-JEPA 2 model with its "
                    f"predictor, such as {CHECKPOINT}."
                )
            self._model = model
        return self._model

    def _shown(self, scenario: Scenario, made: Clip) -> NDArray[np.uint8]:
        """The end of the prefix and the continuation, sampled evenly."""
        whole = made
        if scenario.prefix is not None and len(scenario.prefix) > 1:
            fitting = scenario.prefix.resize(*made.size, keep=True).resample(made.fps)
            seconds = min(fitting.duration, self.context / made.fps)
            whole = join((fitting.seconds(-seconds), made))
        count = self.frames or len(whole)
        if count >= len(whole):
            return whole.frames
        return whole.frames[resample_indices(len(whole), len(whole) / count, 1.0, count)]


def windows(count: int, window: int, stride: int) -> tuple[int, ...]:
    """First frame of every window; a tail of two frames or more gets one aligned to the end."""
    if count < window:
        return ()
    starts = list(range(0, count - window + 1, stride))
    if starts[-1] + window < count - 1:
        starts.append(count - window)
    return tuple(starts)


def _unit(tokens: Any) -> Any:
    """Layer normalization without weights, over the feature axis, in float32."""
    import torch

    return torch.nn.functional.layer_norm(tokens.float(), tokens.shape[-1:])
