"""A run folder's store whose every file is kept in an object store too: ``s3://``, ``gs://``.

The folder on this disk is then a copy: a machine that never saw the run fetches from the object
store what it needs, and nothing that is there is made or paid for twice. Names and contents are
those of :class:`~phyrefine.run.store.store.FolderStore`, which also verifies what was fetched. An
upload is whole or not at all in the object stores; a clip's card goes up after its frames.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from attrs import define, field

from phyrefine._atomic import write_bytes
from phyrefine._optional import require
from phyrefine.errors import InvalidInputError, MissingDependencyError, StoreError
from phyrefine.run.store.disk import read_json
from phyrefine.run.store.store import FolderStore
from phyrefine.types import JSON
from phyrefine.video.clip import Clip

log = logging.getLogger(__name__)
STORE = "store"


@define
class Bucket:
    """A folder in an object store, by the names of the files in it.

    Attributes:
        address: ``s3://bucket/path`` or any other that fsspec knows.
        filesystem: fsspec's.
        root: The path in it.
    """

    address: str
    filesystem: Any = field(repr=False)
    root: str

    @classmethod
    def at(cls, address: str) -> Self:
        """The folder at an address.

        Raises:
            InvalidInputError: It is no address that fsspec knows.
            MissingDependencyError: fsspec, or the package behind such addresses, is not installed.
        """
        fsspec = require("fsspec", extra="object-store", feature="A store at an address")
        try:
            filesystem, root = fsspec.core.url_to_fs(address)
        except ImportError as error:
            raise MissingDependencyError(
                f"{address} needs another package: {error}.", name=getattr(error, "name", None)
            ) from error
        except ValueError as error:
            raise InvalidInputError(
                f"{address!r} is no address of a store: {error}. Pass one such as s3://bucket/run."
            ) from error
        return cls(address.rstrip("/"), filesystem, root.rstrip("/"))

    def names(self) -> Iterator[str]:
        """Names of all files, relative to the folder.

        Raises:
            StoreError: The store does not answer.
        """
        try:
            self.filesystem.invalidate_cache()  # others write there too
            found = self.filesystem.find(self.root)
        except FileNotFoundError:
            return
        except Exception as error:
            raise self._failed("read", "its list of files", error) from error
        for path in found:
            yield path[len(self.root) :].lstrip("/")

    def read(self, name: str) -> bytes | None:
        """A file's content; ``None`` where there is none.

        Raises:
            StoreError: The store does not answer.
        """
        try:
            data: bytes = self.filesystem.cat_file(f"{self.root}/{name}")
        except FileNotFoundError:
            return None
        except Exception as error:
            raise self._failed("read", name, error) from error
        return data

    def write(self, name: str, data: bytes) -> None:
        """Keep a file.

        Raises:
            StoreError: The store does not take it.
        """
        path = f"{self.root}/{name}"
        try:
            self.filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
            self.filesystem.pipe_file(path, data)
        except Exception as error:
            raise self._failed("write", name, error) from error

    def create(self, name: str, data: bytes) -> bool | None:
        """Keep a file if there is none of that name, in one step.

        Returns:
            Whether it was kept; ``None`` where fsspec's filesystem has no such step.

        Raises:
            StoreError: The store does not take it.
        """
        path = f"{self.root}/{name}"
        try:
            self.filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
            self.filesystem.pipe_file(path, data, mode="create")
        except (TypeError, NotImplementedError):
            return None
        except FileExistsError:
            return False
        except Exception as error:
            if _there_already(error):
                return False
            raise self._failed("write", name, error) from error
        return True

    def _failed(self, what: str, name: str, error: Exception) -> StoreError:
        return StoreError(
            f"Cannot {what} {name} at {self.address}: {type(error).__name__}: {error}. What is "
            "finished is kept on this disk: see to the store and run the same command again."
        )


def _there_already(error: BaseException) -> bool:
    """Whether a store says that an object of that name exists (HTTP 409 or 412)."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = getattr(error, "code", None) or getattr(error, "status", None)
    causes = (error.__cause__, error.__context__)
    return status in (409, 412) or any(_there_already(one) for one in causes if one is not None)


@define
class MirroredStore:
    """A folder's store and its copy in an object store.

    Attributes:
        local: On this disk; read first.
        bucket: Where every file is kept as well.
    """

    local: FolderStore
    bucket: Bucket
    _there: set[str] = field(factory=set, init=False, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """See what is there, and send what an interrupted run did not send."""
        self._there = {name for name in self.bucket.names() if name.startswith(f"{STORE}/")}
        for path in sorted(self.local.root.rglob("*")):
            if path.is_file() and path.suffix in (".json", ".mkv") and path.name[0] != ".":
                self._send(path)

    def get(self, key: str) -> JSON | None:
        """The JSON value under ``key``, from here or from there."""
        value = self.local.get(key)
        if value is None and self._fetch(self.local.reply_path(key)):
            value = self.local.get(key)
        return value

    def put(self, key: str, value: JSON) -> None:
        """Keep a JSON value here and there.

        Raises:
            StoreError: The disk or the object store does not take it.
        """
        self.local.put(key, value)
        self._send(self.local.reply_path(key), anew=True)

    def get_clip(self, digest: str) -> Clip | None:
        """The clip with that digest, from here or from there."""
        clip = self.local.get_clip(digest)
        if clip is None and self._fetch_clip(digest):
            clip = self.local.get_clip(digest)
        return clip

    def put_clip(self, clip: Clip) -> str:
        """Keep a clip and its ``native`` here and there; gives its digest.

        Raises:
            StoreError: The disk or the object store does not take it.
        """
        digest = self.local.put_clip(clip)
        if clip.native is not None and clip.native.digest != digest:
            self._send_clip(clip.native.digest)
        self._send_clip(digest)
        return digest

    # -- files ---------------------------------------------------------------------------------

    def _send_clip(self, digest: str) -> None:
        frames = self.local.clip_path(digest)
        self._send(frames)
        self._send(frames.with_suffix(".json"))

    def _send(self, path: Path, *, anew: bool = False) -> None:
        name = self._name(path)
        if name in self._there and not anew:
            return
        self.bucket.write(name, path.read_bytes())
        with self._lock:
            self._there.add(name)

    def _fetch_clip(self, digest: str) -> bool:
        frames = self.local.clip_path(digest)
        card = frames.with_suffix(".json")
        if not self._fetch(frames) or not self._fetch(card):
            return False
        try:
            native = (read_json(card) or {}).get("native")
        except ValueError:
            return False
        return native in (None, digest) or self._fetch_clip(str(native))

    def _fetch(self, path: Path) -> bool:
        """Bring a file here; whether it was there. A damaged one here is replaced."""
        name = self._name(path)
        data = self.bucket.read(name) if name in self._there else None
        if data is None:
            return False
        write_bytes(path, data)
        return True

    def _name(self, path: Path) -> str:
        return f"{STORE}/{path.relative_to(self.local.root).as_posix()}"
