"""Finished shards on the training device, and batches drawn from them."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import torch
from torch import Tensor

from phyrefine.errors import InvalidInputError
from phyrefine.world.generator.network import FRAMES
from phyrefine.world.truth.captions.moments import CHUNKS
from phyrefine.world.truth.training.data import PLAIN_ROWS, SECOND_ROWS, WHOLE_ROWS, Part

# Most happens soon after the seam, so early chunks are shown more often.
CHUNK_SHARES = (0.25, 0.22, 0.20, 0.17, 0.16)
# Share of captions with cues that tell of one second instead of the whole clip.
SECOND_SHARE = 0.4
_GROUPS = 4


@attrs.frozen(eq=False)
class Batch:
    """What one step learns from (``B`` chunks of uint8 pictures).

    Args:
        clean: The chunk, ``[B, 8, H, W, 3]``.
        context: The eight frames before.
        earlier: The eight frames before those; for the first chunk the context again.
        anchor: The seam frame ``[B, H, W, 3]``.
        position: Number of the chunk, int64 ``[B]``.
        words: Caption as word numbers, int64 ``[B, 192]``.
        stated: Which topics the caption states, float ``[B, topics]``.
    """

    clean: Tensor
    context: Tensor
    earlier: Tensor
    anchor: Tensor
    position: Tensor
    words: Tensor
    stated: Tensor


def join(batches: list[Batch]) -> Batch:
    """One batch of several."""
    names = [field.name for field in attrs.fields(Batch)]
    return Batch(*(torch.cat([getattr(one, name) for one in batches]) for name in names))


@attrs.frozen(eq=False)
class _Shard:
    frames: Tensor
    words: Tensor
    stated: Tensor


class Bank:
    """All finished shards of one part in a folder, held on a device.

    On a CPU the frames stay in the files and are read as needed.

    Args:
        folder: Where the shards are.
        part: Which of them.
        device: Where they are held.
    """

    def __init__(self, folder: Path, part: Part, device: torch.device) -> None:
        self.part = part
        self._folder, self._device = folder, device
        self._taken: set[Path] = set()
        self._shards: list[_Shard] = []
        self.refresh()

    def refresh(self) -> None:
        """Take in shards finished since."""
        for path in sorted(set(self._folder.glob(f"{self.part}-*.npy")) - self._taken):
            # Copy on write: torch wants memory that may be written.
            frames = torch.from_numpy(np.load(path, mmap_mode="c"))
            with np.load(path.with_suffix(".npz")) as captions:
                words, stated = captions["words"], captions["stated"]
            tensors = (frames, torch.from_numpy(words), torch.from_numpy(stated))
            self._shards.append(_Shard(*(tensor.to(self._device) for tensor in tensors)))
            self._taken.add(path)

    def __len__(self) -> int:
        return sum(len(shard.frames) for shard in self._shards)

    def draw(self, count: int, plain: float, rng: torch.Generator) -> Batch:
        """Draw chunks of random clips with a caption of each.

        Args:
            count: Chunks.
            plain: Share of captions that state no topic.
            rng: CPU generator of every choice.

        Raises:
            InvalidInputError: There is no finished shard.
        """
        if not self._shards:
            raise InvalidInputError(
                f"No shard of part {self.part!r} in {self._folder}. Render some first "
                "(python -m phyrefine.world.truth.training.data)."
            )
        groups = min(_GROUPS, count)
        sizes = [count // groups + (group < count % groups) for group in range(groups)]
        picked = torch.randint(len(self._shards), (groups,), generator=rng).tolist()
        return join(
            [
                self._pick(self._shards[shard], size, plain, rng)
                for shard, size in zip(picked, sizes, strict=True)
            ]
        )

    def _pick(self, shard: _Shard, count: int, plain: float, rng: torch.Generator) -> Batch:
        rows = torch.randint(len(shard.frames), (count,), generator=rng)
        shares = torch.tensor(CHUNK_SHARES)
        position = torch.multinomial(shares, count, replacement=True, generator=rng)
        caption = caption_rows(position, plain, rng)
        rows, position, caption = (one.to(self._device) for one in (rows, position, caption))
        window = torch.arange(FRAMES, device=self._device)
        first = FRAMES * position[:, None] + window
        earlier = FRAMES * (position - 1).clamp(min=0)[:, None] + window
        return Batch(
            clean=shard.frames[rows[:, None], first + FRAMES],
            context=shard.frames[rows[:, None], first],
            earlier=shard.frames[rows[:, None], earlier],
            anchor=shard.frames[rows, FRAMES - 1],
            position=position,
            words=shard.words[rows, caption].long(),
            stated=shard.stated[rows, caption].float(),
        )


def caption_rows(position: Tensor, plain: float, rng: torch.Generator) -> Tensor:
    """Which caption row of its clip each chunk gets, int64 ``[B]``.

    Args:
        position: Number of each chunk, 0 to 4.
        plain: Share of captions that state no topic.
        rng: Source of every choice.
    """
    count = len(position)
    bare = torch.rand(count, generator=rng) < plain
    timed = torch.rand(count, generator=rng) < SECOND_SHARE
    any_row = torch.randint(2**31, (count,), generator=rng)
    second = PLAIN_ROWS + WHOLE_ROWS + position.clamp(max=CHUNKS - 1) * SECOND_ROWS
    told = torch.where(timed, second + any_row % SECOND_ROWS, PLAIN_ROWS + any_row % WHOLE_ROWS)
    return torch.where(bare, any_row % PLAIN_ROWS, told)
