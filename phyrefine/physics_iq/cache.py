"""Real clips as the metrics see them, kept on disk by content.

An entry holds a clip's quarter-size frames and masks, so that a second run decodes nothing of the
real side. Its key is made of the files' bytes and of every setting that changes the entry: another
file of the same name is another entry.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import numpy as np

from phyrefine._atomic import write_bytes
from phyrefine.errors import StoreError
from phyrefine.physics_iq.decoding import UInt8
from phyrefine.physics_iq.pairs import MaskTrack

_FORMAT = 1  # raise when the layout of an entry or the meaning of a key changes
_STALE = 3600.0  # seconds untouched after which a half-written part has lost its process
_LEVEL = 1  # zlib's fastest: decompression dominates


@attrs.frozen
class RealClip:
    """An entry: one take of one sample.

    Attributes:
        folder: Where it lies.
        key: Its digest.
        size: (height, width) the metrics work at.
        frames: How many.
        packed: Whether the frames are compressed.
    """

    folder: Path
    key: str
    size: tuple[int, int]
    frames: int
    packed: bool

    def read_frames(self) -> Iterator[UInt8]:
        """BGR frames, uint8 [H, W, 3], read one at a time."""
        shape = (*self.size, 3)
        with (self.folder / "frames.bin").open("rb") as stream:
            for _ in range(self.frames):
                yield np.frombuffer(self._next(stream), np.uint8).reshape(shape)

    def read_masks(self) -> MaskTrack:
        """The masks, as bits."""
        with np.load(self.folder / "masks.npz") as stored:
            return MaskTrack(stored["bits"], stored["counts"])

    def _next(self, stream: BinaryIO) -> bytes:
        length = (
            int.from_bytes(stream.read(4), "little")
            if self.packed
            else 3 * self.size[0] * self.size[1]
        )
        data = stream.read(length)
        if len(data) != length or not length:
            raise StoreError(
                f"{self.folder} is damaged: delete it and score again; it is made anew."
            )
        return zlib.decompress(data) if self.packed else data


@attrs.frozen
class Making:
    """An entry in the making.

    Attributes:
        size: (height, width) of its frames.
        frames: Frames to store, uint8 [H, W, 3], drawn once.
        masks: Gives the masks, asked for when all frames are drawn.
    """

    size: tuple[int, int]
    frames: Iterator[UInt8]
    masks: Callable[[], MaskTrack]


@attrs.frozen
class Cache:
    """A folder of entries and small JSON values.

    Attributes:
        folder: Where; made when missing.
        packed: Compress: about a third of the space, several times slower to read. Raw, a 5 s
            clip of the 4K footage takes 244 MB.
    """

    folder: Path
    packed: bool = False

    def clip(self, key: str, make: Callable[[], Making]) -> RealClip:
        """The entry under ``key``; made when missing.

        Args:
            key: From :func:`digest`.
            make: Begins to make it.

        Raises:
            StoreError: The folder cannot be written.
        """
        folder = self.folder / "clips" / key
        if not (folder / "entry.json").is_file():
            try:
                self._write(folder, make())
            except OSError as error:
                raise StoreError(
                    f"Cannot write the cache {self.folder}: {error}. Free space or name another."
                ) from error
        facts = json.loads((folder / "entry.json").read_text())
        return RealClip(folder, key, tuple(facts["size"]), facts["frames"], facts["packed"])

    def value(self, key: str, make: Callable[[], Any]) -> Any:
        """The JSON value under ``key``; made when missing."""
        path = self.folder / "values" / f"{key}.json"
        if path.is_file():
            return json.loads(path.read_text())
        made = make()
        write_bytes(path, json.dumps(made).encode())
        return made

    def sweep(self, *, now: float | None = None) -> None:
        """Delete what killed processes left half written: parts untouched for an hour.

        A part that is being written is touched with every frame, so other processes keep theirs.

        Args:
            now: Seconds since the epoch; by default the clock's.
        """
        limit = (time.time() if now is None else now) - _STALE
        for part in (
            *(self.folder / "clips").glob(".*.part"),
            *(self.folder / "values").glob(".*.part.json"),
        ):
            if _touched(part) < limit:
                _delete(part)

    def _write(self, folder: Path, making: Making) -> None:
        aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
        aside.mkdir(parents=True)
        try:
            count = 0
            with (aside / "frames.bin").open("wb") as stream:
                for frame in making.frames:
                    self._put(stream, np.ascontiguousarray(frame))
                    count += 1
            track = making.masks()
            save = np.savez_compressed if self.packed else np.savez
            save(aside / "masks.npz", bits=track.bits, counts=track.counts)
            entry = {"size": list(making.size), "frames": count, "packed": self.packed}
            (aside / "entry.json").write_text(json.dumps(entry))
            _adopt(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _put(self, stream: BinaryIO, frame: UInt8) -> None:
        if not self.packed:
            stream.write(frame.data)
            return
        data = zlib.compress(frame.data, _LEVEL)
        stream.write(len(data).to_bytes(4, "little"))
        stream.write(data)


def digest(*parts: object) -> str:
    """Key made of JSON values; every one of them counts."""
    text = json.dumps([_FORMAT, *parts], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _touched(part: Path) -> float:
    """When a part or anything in it was last written; never, if it is gone by now."""
    try:
        return max(path.stat().st_mtime for path in (part, *part.glob("*")))
    except FileNotFoundError:
        return float("inf")


def _delete(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def _adopt(aside: Path, folder: Path) -> None:
    try:
        aside.rename(folder)
    except OSError:
        # Another thread or process finished the same entry meanwhile: its bytes are equal.
        if not (folder / "entry.json").is_file():
            raise
