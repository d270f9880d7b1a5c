"""From prompts to the token features the network sees: special tokens, null caption, per chunk."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from attrs import frozen
from torch import Tensor

from phyrefine.errors import InvalidInputError
from phyrefine.magi.model.cache import Captions

# The release cuts every caption to this many tokens, whatever the configured length.
_MAX_TOKENS = 800
# The null caption shows this many tokens, whatever its length.
_NULL_TOKENS = 50
_MAX_DURATION = 8


class MissingSpecialTokensWarning(UserWarning):
    """The special tokens the release conditions on are not there."""


@frozen
class TextOptions:
    """Which special tokens are put before a caption. The release uses ``hq`` and ``duration``.

    Attributes:
        hq: High quality.
        duration: How many chunks are left; differs from chunk to chunk.
        static: Static first frames.
        dynamic: Dynamic first frames.
        borderness: Frames with borders.
        three_d_model: 3-D renderings.
        two_d_anime: 2-D animation.
        negative: Put the tokens for captions, logos, transitions and borders before the null
            caption, to steer away from them.
    """

    hq: bool = True
    duration: bool = True
    static: bool = False
    dynamic: bool = False
    borderness: bool = False
    three_d_model: bool = False
    two_d_anime: bool = False
    negative: bool = False

    @property
    def needed(self) -> bool:
        """Whether any special token is asked for."""
        return self.negative or any(getattr(self, name) for name in (*_ORDER, "duration"))


# In the order they are prepended, so the last stands first; the duration token comes after all.
_ORDER = ("static", "dynamic", "borderness", "hq", "three_d_model", "two_d_anime")
_ROWS: Mapping[str, int] = {
    "hq": 1,
    "static": 2,
    "dynamic": 3,
    "borderness": 4,
    "three_d_model": 15,
    "two_d_anime": 16,
}
_FIRST_DURATION_ROW = 7


class SpecialTokens:
    """Learned tokens of the release's ``special_tokens.npz``.

    Args:
        path: The file, with arrays ``caption_token`` (1, D), ``logo_token`` (1, D) and
            ``other_tokens`` (100, D).

    Attributes:
        channels: Width D.
        digest: SHA-256 of all tokens as the network sees them.

    Raises:
        InvalidInputError: The file is not there or lacks an array.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            with np.load(path) as arrays:
                names = ("caption_token", "logo_token", "other_tokens")
                caption, logo, others = (_as_float32(arrays[name]) for name in names)
        except (OSError, KeyError, ValueError) as error:
            raise InvalidInputError(f"{path} is no special_tokens.npz: {error}") from error
        self.channels = others.shape[1]
        stacked = torch.cat([caption, logo, others])
        self.digest = hashlib.sha256(stacked.numpy().tobytes()).hexdigest()
        self._named = {name: others[row : row + 1] for name, row in _ROWS.items()}
        self._durations = [others[_FIRST_DURATION_ROW + k][None] for k in range(_MAX_DURATION)]
        self._negative = (caption, logo, others[:1], self._named["borderness"])

    def leading(self, options: TextOptions, chunks_left: int) -> list[Tensor]:
        """Tokens (1, D) before a caption, in the order they stand.

        Args:
            options: Which ones.
            chunks_left: Chunks to come, this one included; the duration token stops at 8.
        """
        tokens = [self._named[name] for name in _ORDER if getattr(options, name)]
        if options.duration:
            tokens.append(self._durations[min(chunks_left, _MAX_DURATION) - 1])
        return tokens[::-1]

    def negative(self) -> list[Tensor]:
        """Tokens before the null caption, in the order they stand."""
        return list(self._negative[::-1])


@frozen(eq=False)
class Caption:
    """Special tokens, then text features of which only some are valid.

    Attributes:
        leading: Tokens (1, D) that always count.
        features: (L, D) float32.
        valid: Indices of the valid features, in order, already cut to the maximal length.
    """

    leading: tuple[Tensor, ...]
    features: Tensor
    valid: Tensor

    def padded(self) -> tuple[Tensor, int]:
        """All positions (min(800, L + tokens), D), masked ones included, and how many count."""
        tokens = torch.cat([*self.leading, self.features])[:_MAX_TOKENS]
        return tokens, len(self.leading) + len(self.valid)


def load_special_tokens(path: str | Path | None, options: TextOptions) -> SpecialTokens | None:
    """The tokens, or ``None`` after a warning when they are wanted and no file is given."""
    if path is not None:
        return SpecialTokens(path)
    if options.needed:
        warnings.warn(
            "MAGI-1 was released with special tokens (high quality, duration) before every "
            "caption, and none are given: results will differ from the release's. Pass "
            "special_tokens='.../special_tokens.npz' (it lies in the original repository under "
            "example/assets) or special_tokens='fetch' to have it fetched, or "
            "TextOptions(hq=False, duration=False) to do without.",
            MissingSpecialTokensWarning,
            stacklevel=3,
        )
    return None


def null_caption(
    embedding: Tensor, options: TextOptions, tokens: SpecialTokens | None = None
) -> Caption:
    """The caption of the views without text.

    Args:
        embedding: (L, D) the network's null caption.
        options: Whether negative tokens stand before it.
        tokens: Where they come from.
    """
    leading = tuple(tokens.negative()) if options.negative and tokens is not None else ()
    count = min(_NULL_TOKENS, len(leading) + len(embedding)) - len(leading)
    return Caption(leading, embedding.float(), torch.arange(count))


def chunk_caption(
    features: Tensor,
    mask: Tensor,
    null: Caption,
    chunks_left: int,
    options: TextOptions,
    tokens: SpecialTokens | None = None,
) -> Caption:
    """The caption of one chunk.

    Args:
        features: (L, D) float32 text features of the prompt.
        mask: (L) 1 where they count.
        null: Stands in for a prompt without any valid token.
        chunks_left: Chunks to come, this one included.
        options: Which special tokens.
        tokens: Where they come from.
    """
    if not mask.any():
        return null
    leading = tuple(tokens.leading(options, chunks_left)) if tokens is not None else ()
    valid = mask[: _MAX_TOKENS - len(leading)].nonzero()[:, 0]
    return Caption(leading, features.float(), valid)


def pack(captions: list[Caption], *, keep: bool = True) -> Captions:
    """Captions for the network; features and special tokens they share are stored once."""
    blocks: dict[tuple[int, int], Tensor] = {}
    parts: list[list[Tensor]] = []
    for caption in captions:
        key = (id(caption.features), len(caption.valid))
        if key not in blocks:
            blocks[key] = caption.features[caption.valid]
        parts.append([*caption.leading, blocks[key]])
    return Captions.packed(parts, keep=keep)


def _as_float32(array: np.ndarray) -> Tensor:
    # The release rounds the stored float64 to float16 first.
    return torch.from_numpy(array.astype(np.float16).astype(np.float32))
