"""Replies and clips, kept under the digest of what produced them.

A folder store looks like this::

    replies/3f/critique-3fa9...json      {"key", "digest", "value"}
    clips/a1/a1c0...mkv                  H.264 RGB, lossless
    clips/a1/a1c0...json                 {"fps", "frames", "size", "native", "source"}

Every file is written aside and renamed, a clip's card after its frames, so an entry is there whole
or not at all, whoever is killed when. Entries are verified when read: one that does not match its
digest is set aside as ``*.damaged``, with a warning, and counts as absent, so that running the same
command again makes it anew. A disk that cannot be read or written at all is a ``StoreError``.
"""

from __future__ import annotations

import collections
import hashlib
import logging
import threading
from pathlib import Path

from attrs import define, evolve, field

from phyrefine._atomic import write_bytes
from phyrefine._json import parse_json
from phyrefine.errors import InvalidInputError, VideoError
from phyrefine.run.store.disk import read_bytes, read_json, write_json, writing
from phyrefine.serialize import canonical
from phyrefine.types import JSON
from phyrefine.video.clip import Clip
from phyrefine.video.footage import Shape
from phyrefine.video.large import lazy
from phyrefine.video.large.lazy import Filed, is_large

log = logging.getLogger(__name__)

# Matroska counts in milliseconds: a faster file could not be told from an uneven one when read.
FILE_FPS = (0.1, 240.0)
CARD = frozenset({"fps", "frames", "size", "native", "source"})


@define
class FolderStore:
    """A content-addressed folder, safe for many threads and processes at once.

    Attributes:
        root: The folder; made on the first write.
    """

    root: Path = field(converter=Path)
    _verified: set[Path] = field(factory=set, init=False, repr=False, eq=False)

    # -- replies -------------------------------------------------------------------------------

    def get(self, key: str) -> JSON | None:
        """The JSON value under ``key``; ``None`` if absent or damaged (then it is set aside).

        Raises:
            StoreError: The file is there and cannot be read.
        """
        path = self.reply_path(key)
        try:
            entry = read_json(path)
        except ValueError as error:
            _set_aside(path, error)
            return None
        if entry is None:
            return None
        if not isinstance(entry, dict) or set(entry) != {"key", "digest", "value"}:
            _set_aside(path, "it is no stored reply")
            return None
        if entry["key"] != key or entry["digest"] != digest_of(entry["value"]):
            _set_aside(path, "its content does not match its digest")
            return None
        return entry["value"]

    def put(self, key: str, value: JSON) -> None:
        """Keep a JSON value.

        Raises:
            StoreError: The disk is full or may not be written; nothing is changed then.
        """
        entry = {"key": key, "digest": digest_of(value), "value": value}
        write_json(self.reply_path(key), entry)

    def reply_path(self, key: str) -> Path:
        """Where the value under a key is kept, whether or not it is."""
        if not key.replace("-", "").isalnum():
            raise InvalidInputError(f"A store key is letters, digits and dashes, not {key!r}.")
        return self.root / "replies" / key.rpartition("-")[2][:2] / f"{key}.json"

    # -- clips ---------------------------------------------------------------------------------

    def get_clip(self, digest: str) -> Clip | None:
        """The clip with that digest, pixel for pixel; ``None`` if absent or damaged.

        Raises:
            StoreError: A file is there and cannot be read.
        """
        card = self._card(digest)
        clip = self._pixels(digest, card)
        if card is None or clip is None or card["native"] is None:
            return clip
        if card["native"] == digest:
            return clip.with_native(clip)
        native = self._pixels(card["native"], self._card(card["native"]))
        return None if native is None else clip.with_native(native)

    def put_clip(self, clip: Clip) -> str:
        """Keep a clip and its ``native``; gives its digest.

        The first ``native`` kept with a clip stays; values that need another one name it.

        Raises:
            StoreError: The disk is full or may not be written; nothing is changed then.
        """
        native = None if clip.native is None else clip.native.digest
        if clip.native is not None and native != clip.digest:
            self._put_pixels(clip.native, None)
        self._put_pixels(clip, native)
        return clip.digest

    def clip_path(self, digest: str) -> Path:
        """Where the frames of a clip are kept, whether or not they are."""
        if not digest.isalnum():
            raise InvalidInputError(f"A clip's digest is letters and digits, not {digest!r}.")
        return self.root / "clips" / digest[:2] / f"{digest}.mkv"

    def _card(self, digest: str) -> JSON | None:
        path = self.clip_path(digest).with_suffix(".json")
        try:
            card = read_json(path)
        except ValueError as error:
            _set_aside(path, error)
            return None
        if card is not None and (not isinstance(card, dict) or set(card) != CARD):
            _set_aside(path, "it is no clip's card")
            return None
        return card

    def _pixels(self, digest: str, card: JSON | None) -> Clip | None:
        path = self.clip_path(digest)
        if card is None:
            return None
        shape = (card["frames"], *card["size"], 3)
        if is_large(shape):
            return self._large(digest, shape, card)
        data = read_bytes(path)
        if data is None:
            return None
        try:
            clip = evolve(Clip.from_bytes(data), fps=card["fps"], source=card["source"])
        except VideoError as error:
            _set_aside(path, error)
            return None
        if clip.digest != digest:
            _set_aside(path, "its frames do not match its digest")
            return None
        return clip

    def _large(self, digest: str, shape: Shape, card: JSON) -> Clip | None:
        """A clip whose frames stay in their file; they are compared with its digest once."""
        path = self.clip_path(digest)
        if not path.exists():
            return None
        frames = Filed(path, shape, card["fps"], digest)
        if path not in self._verified:
            try:
                found = lazy.digest_of(shape, card["fps"], frames)
            except VideoError as error:
                _set_aside(path, error)
                return None
            if found != digest:
                _set_aside(path, "its frames do not match its digest")
                return None
            self._verified.add(path)
        return Clip(frames, card["fps"], source=card["source"])

    def _put_pixels(self, clip: Clip, native: str | None) -> None:
        path = self.clip_path(clip.digest)
        card = self._card(clip.digest)
        if card is not None and path.exists() and (native is None or card["native"] is not None):
            return
        if card is None or not path.exists():
            low, high = FILE_FPS
            data = Clip(clip.pixels, min(max(clip.fps, low), high)).to_bytes("mkv")
            with writing(path):
                write_bytes(path, data)
        card = {
            "fps": clip.fps,
            "frames": len(clip),
            "size": list(clip.size),
            "native": native,
            "source": clip.source,
        }
        write_json(path.with_suffix(".json"), card)


@define
class MemoryStore:
    """Keeps the newest replies and clips of this process, for runs without a folder.

    Attributes:
        max_bytes: Bound on frames and replies together; the longest unused go first. An entry
            larger than the bound is not kept.
    """

    max_bytes: int = 1 << 30
    _entries: collections.OrderedDict[str, tuple[bytes | Clip, int]] = field(
        factory=collections.OrderedDict, init=False, repr=False
    )
    _bytes: int = field(default=0, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def get(self, key: str) -> JSON | None:
        """The JSON value under ``key``, or ``None``."""
        data = self._get(f"reply {key}")
        return None if data is None else parse_json(data)  # type: ignore[arg-type]

    def put(self, key: str, value: JSON) -> None:
        """Keep a JSON value."""
        data = canonical(value)
        self._put(f"reply {key}", data, len(data))

    def get_clip(self, digest: str) -> Clip | None:
        """The clip with that digest, or ``None``."""
        clip = self._get(f"clip {digest}")
        assert clip is None or isinstance(clip, Clip)
        return clip

    def put_clip(self, clip: Clip) -> str:
        """Keep a clip and its ``native``; gives its digest."""
        kept = self.get_clip(clip.digest)
        if kept is None or (kept.native is None and clip.native is not None):
            self._put(f"clip {clip.digest}", clip, clip.held_bytes)
        if clip.native is not None and clip.native.digest != clip.digest:
            self._put(f"clip {clip.native.digest}", clip.native, clip.native.held_bytes)
        return clip.digest

    def _get(self, name: str) -> bytes | Clip | None:
        with self._lock:
            if name not in self._entries:
                return None
            self._entries.move_to_end(name)
            return self._entries[name][0]

    def _put(self, name: str, value: bytes | Clip, size: int) -> None:
        with self._lock:
            _, before = self._entries.pop(name, (b"", 0))
            self._bytes -= before
            if size > self.max_bytes:
                return
            self._entries[name] = value, size
            self._bytes += size
            while self._bytes > self.max_bytes:
                _, (_, freed) = self._entries.popitem(last=False)
                self._bytes -= freed


def digest_of(value: JSON) -> str:
    """Hex digest of a JSON value (BLAKE2b, 128 bits)."""
    return hashlib.blake2b(canonical(value), digest_size=16).hexdigest()


def _set_aside(path: Path, why: object) -> None:
    log.warning("%s is damaged and will be made anew: %s", path, why)
    aside = path.with_name(path.name + ".damaged")
    try:
        path.replace(aside)
    except OSError as error:
        log.warning("It could not be renamed to %s: %s", aside.name, error)
