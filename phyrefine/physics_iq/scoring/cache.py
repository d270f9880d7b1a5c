"""Real clips as the metrics see them, kept on disk by content.

An entry holds a clip's quarter-size frames and masks, so that a second run decodes nothing of the
real side. Its key is made of the files' bytes and of every setting that changes the entry: another
file of the same name is another entry.

What is read is held against checksums of what was written. Damage is found when an entry is opened
(files missing, cut off or not ours) or when its bytes are read (altered ones): the entry is deleted
and made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from phyrefine._atomic import write_bytes
from phyrefine._json import parse_json
from phyrefine.errors import StoreError
from phyrefine.physics_iq.data.decoding import UInt8
from phyrefine.video.masks import MaskTrack

log = logging.getLogger(__name__)

_FORMAT = 2  # raise when the layout of an entry or the meaning of a key changes
_STALE = 3600.0  # seconds untouched after which a half-written part has lost its process
_LEVEL = 1  # zlib's fastest: decompression dominates
_PAGE = 4096  # bytes, of file systems and of checksums


class DamagedError(StoreError):
    """Something in a cache is not what was written.

    Args:
        path: The entry or value.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is damaged: delete it and score again; it is made anew.")
        self.path = path


class Stamp(NamedTuple):
    """What must come back of a piece that was written.

    Attributes:
        length: In bytes, on disk.
        checksum: Of those bytes.
    """

    length: int
    checksum: int

    @classmethod
    def of(cls, data: bytes | memoryview) -> Stamp:
        """The stamp of contiguous bytes.

        The checksum is the CRC-32 of each page's sum of 64-bit words, several times faster than
        that of every byte, which would cost a cached 4K view 6 % of its time. It misses changes
        that leave the sum of a page as it was, as disks and interrupted copies hardly make them.
        """
        flat = np.frombuffer(data, np.uint8)
        whole = len(flat) - len(flat) % _PAGE
        sums = flat[:whole].view("<u8").reshape(-1, _PAGE // 8).sum(axis=1)
        return cls(len(flat), zlib.crc32(flat[whole:].data, zlib.crc32(sums.data)))


@attrs.frozen
class RealClip:
    """An entry: one take of one sample.

    Attributes:
        folder: Where it lies.
        key: Its digest.
        size: (height, width) the metrics work at.
        packed: Whether its pieces are compressed.
        frames: The stamp of each frame, in order.
        masks: The stamps of the masks' counts and bits.
    """

    folder: Path
    key: str
    size: tuple[int, int]
    packed: bool
    frames: tuple[Stamp, ...]
    masks: tuple[Stamp, ...]

    @classmethod
    def open(cls, folder: Path, key: str) -> RealClip:
        """An entry that was written under ``key``.

        Raises:
            DamagedError: Files are missing, of another length, or not ours.
        """
        facts = _unsealed(folder / "entry.json", key, folder)
        frames, masks = (tuple(Stamp(*stamp) for stamp in facts[k]) for k in ("frames", "masks"))
        for name, stamps in (("frames.bin", frames), ("masks.bin", masks)):
            try:
                length = (folder / name).stat().st_size
            except OSError as error:
                raise DamagedError(folder) from error
            if length != sum(stamp.length for stamp in stamps):
                raise DamagedError(folder)
        return cls(folder, key, tuple(facts["size"]), facts["packed"], frames, masks)

    def read_frames(self) -> Iterator[UInt8]:
        """BGR frames, uint8 [H, W, 3], read one at a time.

        Raises:
            DamagedError: The next frame is not what was written.
        """
        for data in self._read("frames.bin", self.frames):
            yield np.frombuffer(data, np.uint8).reshape(*self.size, 3)

    def read_masks(self) -> MaskTrack:
        """The masks, as bits.

        Raises:
            DamagedError: They are not what was written.
        """
        counts, bits = self._read("masks.bin", self.masks)
        height, width = self.size
        return MaskTrack(
            np.frombuffer(bits, np.uint8).reshape(-1, height, (width + 7) // 8),
            np.frombuffer(counts, np.uint16).reshape(self.size),
        )

    def _read(self, name: str, stamps: tuple[Stamp, ...]) -> Iterator[bytes]:
        try:
            with (self.folder / name).open("rb") as stream:
                for stamp in stamps:
                    data = stream.read(stamp.length)
                    if Stamp.of(data) != stamp:
                        raise DamagedError(self.folder)
                    yield zlib.decompress(data) if self.packed else data
        except OSError as error:
            raise DamagedError(self.folder) from error


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
        """The entry under ``key``; made when missing or damaged.

        Args:
            key: From :func:`digest`.
            make: Begins to make it.

        Raises:
            StoreError: The folder cannot be written.
        """
        folder = self.folder / "clips" / key
        if folder.exists():
            try:
                return RealClip.open(folder, key)
            except DamagedError as error:
                self.discard(error)
        with self._writing():
            self._write(folder, key, make())
        return RealClip.open(folder, key)

    def value(self, key: str, make: Callable[[], Any]) -> Any:
        """The JSON value under ``key``; made when missing or damaged.

        Args:
            key: From :func:`digest`.
            make: Makes it.

        Raises:
            StoreError: The folder cannot be written.
        """
        path = self.folder / "values" / f"{key}.json"
        if path.exists():
            try:
                return _unsealed(path, key, path)
            except DamagedError as error:
                self.discard(error)
        made = make()
        with self._writing():
            write_bytes(path, _sealed(key, made))
        return made

    def discard(self, damaged: DamagedError) -> None:
        """Delete what is damaged, with a warning; the next call makes it anew.

        Args:
            damaged: Says what.

        Raises:
            StoreError: It cannot be deleted.
        """
        path = damaged.path
        log.warning("%s is damaged: it is deleted and made anew.", path)
        # In one step: another process never sees half of it.
        aside = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
        # Gone: another process has met the same damage.
        with self._writing(), contextlib.suppress(FileNotFoundError):
            path.rename(aside)
        _delete(aside)

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

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"Cannot write the cache {self.folder}: {error}. Free space or name another."
            ) from error

    def _write(self, folder: Path, key: str, making: Making) -> None:
        aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
        aside.mkdir(parents=True)
        try:
            with (aside / "frames.bin").open("wb") as stream:
                frames = [self._put(stream, frame) for frame in making.frames]
            track = making.masks()
            with (aside / "masks.bin").open("wb") as stream:
                masks = [self._put(stream, array) for array in (track.counts, track.bits)]
            facts = {"size": making.size, "packed": self.packed, "frames": frames, "masks": masks}
            (aside / "entry.json").write_bytes(_sealed(key, facts))
            _adopt(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _put(self, stream: BinaryIO, array: NDArray[Any]) -> Stamp:
        raw = np.ascontiguousarray(array).data
        data = zlib.compress(raw, _LEVEL) if self.packed else raw
        stream.write(data)
        return Stamp.of(data)


def digest(*parts: object) -> str:
    """Key made of JSON values; every one of them counts."""
    text = json.dumps([_FORMAT, *parts], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _sealed(key: str, content: Any) -> bytes:
    """JSON with a digest of itself and of its key."""
    seal = digest(key, json.dumps(content))
    return json.dumps({"seal": seal, "content": content}).encode()


def _unsealed(path: Path, key: str, owner: Path) -> Any:
    """What was sealed; ``owner`` is the entry or value that is damaged if it was not."""
    try:
        stored = parse_json(path.read_bytes())
        seal, content = stored["seal"], stored["content"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DamagedError(owner) from error
    if seal != digest(key, json.dumps(content)):
        raise DamagedError(owner)
    return content


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
