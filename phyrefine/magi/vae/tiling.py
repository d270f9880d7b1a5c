"""Cutting videos and latents into overlapping tiles, and blending the tiles back together.

Every temporal tile is a piece of its own (there is no temporal blending), so both directions
work piece by piece and never hold more than one piece of tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from attrs import frozen
from torch import Tensor

Tile = list[list[Tensor]]

# One tile of 256 x 256 pixels and 12 frames is 3072 tokens, too few to keep a large GPU busy.
GPU_TILES = 8


@frozen
class Tiling:
    """Sizes of tiles in pixels and frames.

    Attributes:
        size: Height and width of a tile; ``None`` for no spatial tiling.
        frames: Frames of a tile; the release takes half a second, 12.
        overlap: Part of a tile shared with the next.
        together: Tiles of one piece that go through the network at once; ``None`` takes
            ``GPU_TILES`` on a GPU and one elsewhere.
    """

    size: int | None = 256
    frames: int = 12
    overlap: float = 0.25
    together: int | None = None

    def batch(self, device: torch.device) -> int:
        """Tiles at once on a device."""
        return self.together or (GPU_TILES if device.type == "cuda" else 1)


@frozen
class _Axis:
    """One spatial axis of a piece: where tiles start, and how they go together."""

    tile: int
    stride: int
    extent: int
    keep: int


def encode_pieces(
    video: Tensor, encode: Callable[[Tensor], Tensor], tiling: Tiling, factor: int, length: int
) -> Iterator[Tensor]:
    """Latents of each temporal tile.

    Args:
        video: (B, 3, T, h, w).
        encode: One tile to its latents.
        tiling: Tile sizes.
        factor: Spatial factor of the autoencoder.
        length: Temporal factor.
    """
    side = tiling.size or max(video.shape[-2:])
    latent = side // factor
    extent = int(latent * tiling.overlap)
    axis = _Axis(side, int(side * (1 - tiling.overlap)), extent, latent - extent)
    keep = tiling.frames // length
    for start in range(0, video.shape[2], tiling.frames):
        piece = video[:, :, start : start + tiling.frames]
        if tiling.size is None:
            yield encode(piece)[:, :, :keep]
        else:
            tiles = _each_tile(piece, encode, axis, tiling.batch(piece.device))
            yield _blended(tiles, axis, blend_into="blended")[:, :, :keep]


def decode_pieces(
    latents: Tensor, decode: Callable[[Tensor], Tensor], tiling: Tiling, factor: int, length: int
) -> Iterator[Tensor]:
    """Pixels of each temporal tile.

    Args:
        latents: (B, z, T', H', W').
        decode: One tile to its pixels.
        tiling: Tile sizes, in pixels and frames.
        factor: Spatial factor of the autoencoder.
        length: Temporal factor.
    """
    latent = (tiling.size or max(latents.shape[-2:]) * factor) // factor
    extent = int(latent * factor * tiling.overlap)
    stride = int(latent * (1 - tiling.overlap))
    axis = _Axis(latent, stride, extent, latent * factor - extent)
    step = tiling.frames // length
    for start in range(0, latents.shape[2], step):
        piece = latents[:, :, start : start + step]
        if tiling.size is None:
            yield decode(piece)
        else:
            tiles = _each_tile(piece, decode, axis, tiling.batch(piece.device))
            yield _blended(tiles, axis, blend_into="original")


def blend(previous: Tensor, tile: Tensor, extent: int, dim: int) -> Tensor:
    """``tile`` with its first part faded over from the last part of the tile before.

    Over k = min(both sizes, extent) positions i: ``previous[-k + i] (1 - i / k) + tile[i] i / k``.
    """
    k = min(previous.shape[dim], tile.shape[dim], extent)
    if k == 0:
        return tile
    shape = [1] * tile.dim()
    shape[dim] = k
    ramp = (torch.arange(k, device=tile.device, dtype=torch.float32) / k).view(shape)
    before = previous.narrow(dim, previous.shape[dim] - k, k)
    faded = before * (1 - ramp) + tile.narrow(dim, 0, k) * ramp
    rest = tile.narrow(dim, k, tile.shape[dim] - k)
    return torch.cat([faded.to(tile.dtype), rest], dim=dim)


def _each_tile(piece: Tensor, run: Callable[[Tensor], Tensor], axis: _Axis, together: int) -> Tile:
    """What ``run`` makes of every tile; tiles of one shape go through it ``together`` at a time."""
    height, width = piece.shape[-2:]
    rows, columns = range(0, height, axis.stride), range(0, width, axis.stride)
    alike: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    cut = {
        (r, c): piece[..., row : row + axis.tile, column : column + axis.tile]
        for r, row in enumerate(rows)
        for c, column in enumerate(columns)
    }
    for place, tile in cut.items():
        alike.setdefault(tuple(tile.shape), []).append(place)
    done: dict[tuple[int, int], Tensor] = {}
    for places in alike.values():
        for start in range(0, len(places), together):
            batch = places[start : start + together]
            made = run(torch.cat([cut[place] for place in batch]))
            done.update(zip(batch, made.chunk(len(batch)), strict=True))
    return [[done[r, c] for c in range(len(columns))] for r in range(len(rows))]


def _blended(tiles: Tile, axis: _Axis, *, blend_into: Literal["blended", "original"]) -> Tensor:
    """Blend rows with the tile above, then columns with the tile to the left, and join.

    ``blended``: neighbors are those already blended, as the release encodes. ``original``: the
    neighbors as they came, as it decodes.
    """
    done: Tile = []
    for r, row in enumerate(tiles):
        done.append([])
        for c, tile in enumerate(row):
            above = done if blend_into == "blended" else tiles
            if r > 0:
                tile = blend(above[r - 1][c], tile, axis.extent, -2)
            if c > 0:
                left = (done if blend_into == "blended" else tiles)[r][c - 1]
                tile = blend(left, tile, axis.extent, -1)
            done[r].append(tile)
    rows = [
        torch.cat([tile[..., : axis.keep, : axis.keep] for tile in row], dim=-1) for row in done
    ]
    return torch.cat(rows, dim=-2)
