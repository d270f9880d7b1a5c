"""The tiny video network: eight frames at once, from noise, a second of context and words.

Unusual here: time is not an axis of the network. The eight frames of a chunk are stacked as
channels of one picture, folded 2x2 (64x48 px cost what 32x24 cost), and a 2-D U-Net predicts the
clean chunk itself, not the velocity: so narrow a network can pass on a clean picture but not
noise (Li & He, arXiv 2511.13720). Most pixels are copied rather than drawn: each is a learned
mixture of a few sources, among them colours the network picks from the frames it continues.

Shapes: B batch, F frames of a chunk, H, W height and width, L words, D width of the condition.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

from phyrefine.errors import InvalidInputError

FPS = 8.0
FRAMES = 8
HEIGHT = 48
WIDTH = 64
MAX_WORDS = 192
PAD = 0
PALETTE = 4
# The seam frame, the frame before the chunk, the row's median, the palette, and free drawing.
SOURCES = 3 + PALETTE + 1


@attrs.frozen
class NetworkConfig:
    """Sizes of the network, and the words it knows."""

    vocabulary: Sequence[str]
    widths: Sequence[int] = (32, 64, 104)
    condition: int = 128
    word: int = 64
    queries: int = 6
    positions: int = 5


def words_of(text: str) -> list[str]:
    """The lower-case words of ``text``, without punctuation."""
    return re.findall(r"[a-z]+", text.lower())


class Tokenizer:
    """Words to numbers; words that the network never learned are passed over."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._index: Mapping[str, int] = {word: index + 1 for index, word in enumerate(vocabulary)}

    def known(self, text: str) -> list[str]:
        """The words of ``text`` that the network knows, in order."""
        return [word for word in words_of(text) if word in self._index]

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Token numbers int64 ``[B, L]``, padded with 0; at most 192 known words each."""
        rows = [[self._index[word] for word in self.known(text)][:MAX_WORDS] for text in texts]
        length = max(1, *(len(row) for row in rows)) if rows else 1
        tokens = torch.zeros(len(rows), length, dtype=torch.long)
        for row, numbers in enumerate(rows):
            tokens[row, : len(numbers)] = torch.tensor(numbers, dtype=torch.long)
        return tokens


class TextEncoder(nn.Module):
    """Words, seen with their neighbours, gathered by a few learned queries.

    Softmax gathering instead of a mean: a cue must not weaken because the prompt grows longer.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(config.vocabulary) + 1, config.word, padding_idx=PAD)
        self.neighbours = nn.Conv1d(config.word, config.word, 3, padding=1)
        self.norm = nn.LayerNorm(config.word)
        self.score = nn.Linear(config.word, config.queries)
        self.gather = nn.Linear(config.word * config.queries, config.condition)
        self.nothing = nn.Parameter(torch.zeros(config.condition))

    def forward(self, tokens: Tensor) -> Tensor:
        """Token numbers ``[B, L]`` to ``[B, D]``; a row without words gives the null prompt."""
        present = tokens != PAD
        words = self.embedding(tokens)
        mixed = words + functional.silu(self.neighbours(words.mT).mT)
        mixed = self.norm(mixed)
        scores = self.score(mixed).masked_fill(~present[..., None], -1e4)
        pooled = torch.einsum("blq,blw->bqw", scores.softmax(dim=1), mixed)
        said = self.gather(pooled.flatten(1))
        return torch.where(present.any(dim=1, keepdim=True), said, self.nothing)


class Block(nn.Module):
    """A residual block whose features the condition scales and shifts."""

    def __init__(self, width_in: int, width_out: int, condition: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, width_in)
        self.conv1 = nn.Conv2d(width_in, width_out, 3, padding=1)
        self.norm2 = nn.GroupNorm(8, width_out)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1)
        self.film = nn.Linear(condition, 2 * width_out)
        self.skip = nn.Conv2d(width_in, width_out, 1) if width_in != width_out else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.film.weight)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """``x`` ``[B, C, H, W]`` and ``condition`` ``[B, D]``."""
        scale, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(functional.silu(self.norm1(x)))
        h = self.conv2(functional.silu(self.norm2(h) * (1 + scale) + shift))
        residual: Tensor = self.skip(x) + h
        return residual


def time_features(time: Tensor, count: int = 32) -> Tensor:
    """Sines and cosines ``[B, count]`` of a time in [0, 1]."""
    rates = torch.linspace(0.0, math.log(100.0), count // 2, device=time.device).exp()
    angles = time[:, None] * rates * math.pi
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class VideoNetwork(nn.Module):
    """Predicts a clean chunk from a noisy one, its context, the seam frame and the prompt."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        top, middle, bottom = config.widths
        size = config.condition
        self.config = config
        self.text = TextEncoder(config)
        self.time = nn.Sequential(nn.Linear(32, size), nn.SiLU(), nn.Linear(size, size))
        self.position = nn.Embedding(config.positions, size)
        self.enter = nn.Conv2d(12 * (2 * FRAMES + 1), top, 1)
        self.down0 = Block(top, top, size)
        self.shrink0 = nn.Conv2d(top, middle, 2, stride=2)
        self.down1 = Block(middle, middle, size)
        self.shrink1 = nn.Conv2d(middle, bottom, 2, stride=2)
        self.middle1 = Block(bottom, bottom, size)
        self.middle2 = Block(bottom, bottom, size)
        self.grow1 = nn.Conv2d(bottom, middle, 1)
        self.up1 = Block(2 * middle, middle, size)
        self.grow0 = nn.Conv2d(middle, top, 1)
        self.up0 = Block(2 * top, top, size)
        self.look = nn.Conv2d(top, 2 * PALETTE, 1)
        self.leave = nn.Conv2d(top, 4 * FRAMES * SOURCES + 12 * FRAMES, 1)
        # Start by repeating the seam frame: most pixels never change.
        start = torch.cat([torch.full((4 * FRAMES,), 3.0), torch.zeros(self.leave.out_channels)])
        self.leave.bias = nn.Parameter(start[: self.leave.out_channels])

    def encode(self, tokens: Tensor) -> Tensor:
        """The prompt ``[B, L]`` as ``[B, D]``; the same for every step and chunk."""
        encoded: Tensor = self.text(tokens)
        return encoded

    def forward(
        self,
        noisy: Tensor,
        time: Tensor,
        context: Tensor,
        anchor: Tensor,
        prompt: Tensor,
        position: Tensor,
    ) -> Tensor:
        """Predict the clean chunk.

        Args:
            noisy: ``time * clean + (1 - time) * noise``, ``[B, F, 3, H, W]``; clean is in [-1, 1].
            time: ``[B]`` in [0, 1].
            context: The eight frames before the chunk, ``[B, F, 3, H, W]``.
            anchor: The last frame of the prefix, ``[B, 3, H, W]``.
            prompt: From ``encode``, ``[B, D]``.
            position: Number of the chunk after the seam, int64 ``[B]``.

        Returns:
            ``[B, F, 3, H, W]``.
        """
        where = self.position(position.clamp(max=self.config.positions - 1))
        condition = functional.silu(self.time(time_features(time)) + prompt + where)
        pictures = torch.cat([noisy.flatten(1, 2), context.flatten(1, 2), anchor], dim=1)
        folded = functional.pixel_unshuffle(pictures, 2)
        x0 = self.down0(self.enter(folded.contiguous(memory_format=torch.channels_last)), condition)
        x1 = self.down1(self.shrink0(x0), condition)
        h = self.middle1(self.shrink1(x1), condition)
        h = self.grow1(self.middle2(h, condition))
        h = functional.interpolate(h, scale_factor=2)
        h = self.grow0(self.up1(torch.cat([h, x1], dim=1), condition))
        h = functional.interpolate(h, scale_factor=2)
        h = self.up0(torch.cat([h, x0], dim=1), condition)
        # Training may run the blocks above in fewer bits; pixels need all of them.
        with torch.autocast(h.device.type, enabled=False):
            return self._paint(functional.silu(h.to(self.leave.weight.dtype)), context, anchor)

    def _paint(self, h: Tensor, context: Tensor, anchor: Tensor) -> Tensor:
        """Mix the sources of every pixel: features ``[B, C, H / 2, W / 2]`` to a chunk."""
        batch, frames, _, height, width = context.shape
        shares, drawn = self.leave(h).split([4 * frames * SOURCES, 12 * frames], dim=1)
        shares = functional.pixel_shuffle(shares, 2)
        shares = shares.reshape(batch, SOURCES, frames, 1, height, width).softmax(dim=1)
        drawn = functional.pixel_shuffle(drawn, 2).reshape(batch, frames, 3, height, width)
        last = context[:, -1]
        palette = pick_colours(self.look(h), torch.stack([last, anchor], dim=1))
        row = anchor.median(dim=-1, keepdim=True).values
        mixed = shares[:, -1] * drawn
        for source, picture in enumerate((anchor, last, row)):
            mixed = mixed + shares[:, source] * picture[:, None]
        painted = torch.einsum("bkfhw,bkc->bfchw", shares[:, 3:-1, :, 0], palette)
        return mixed + painted


def pick_colours(logits: Tensor, pictures: Tensor) -> Tensor:
    """Colours ``[B, K, 3]`` that attention picks from pictures ``[B, 2, 3, H, W]``.

    Args:
        logits: ``[B, 2 K, H / 2, W / 2]``: K attention maps over both pictures.
        pictures: What to pick from; every second pixel is looked at.
    """
    batch = len(logits)
    weights = logits.reshape(batch, 2, -1, *logits.shape[2:]).transpose(1, 2)
    weights = weights.flatten(2).softmax(dim=-1)
    colours = pictures[..., ::2, ::2].transpose(1, 2).flatten(2)
    return weights @ colours.mT


def check_size(height: int, width: int) -> None:
    """Refuse frames that the network cannot fold.

    Raises:
        InvalidInputError: Height or width is no multiple of 8.
    """
    if height % 8 or width % 8:
        raise InvalidInputError(f"{width}x{height} px: width and height must be multiples of 8.")
