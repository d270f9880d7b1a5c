"""The disk's faults in words, and JSON files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phyrefine._atomic import FORBIDDEN, FULL, write_bytes
from phyrefine._json import parse_json
from phyrefine.errors import StoreError
from phyrefine.serialize import pretty
from phyrefine.types import JSON


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Within the block a disk fault becomes one :class:`StoreError` about ``path``."""
    try:
        yield
    except OSError as error:
        raise StoreError(_in_words(error, path)) from error


def _in_words(error: OSError, path: Path) -> str:
    if error.errno in FULL:
        return (
            f"No room left to write {path} ({_free(path)}). What is finished is kept: make room "
            "and run the same command again."
        )
    if error.errno in FORBIDDEN:
        return (
            f"Cannot write {path}: {error.strerror}. Make the folder writable, or choose another "
            "run folder."
        )
    return f"Cannot write {path}: {error.strerror or error}."


def _free(path: Path) -> str:
    for folder in path.parents:
        if folder.is_dir():
            return f"{shutil.disk_usage(folder).free / 1e6:.1f} MB free on that disk"
    return "disk unknown"


def encode(value: JSON) -> bytes:
    """Indented JSON; a lone surrogate, which UTF-8 cannot hold, becomes its JSON escape."""
    return pretty(value).encode("utf-8", "backslashreplace")


def write_json(path: Path, value: JSON) -> None:
    """Write a JSON file, whole or not at all.

    Raises:
        StoreError: The disk is full or may not be written.
    """
    data = encode(value)
    with writing(path):
        write_bytes(path, data)


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, or ``None`` when there is no such file.

    Raises:
        StoreError: It is there and cannot be read.
        ValueError: It is no JSON, or no object.
    """
    data = read_bytes(path)
    if data is None:
        return None
    value = parse_json(data)
    if not isinstance(value, dict):
        raise ValueError(f"it holds {type(value).__name__} where a JSON object is needed")  # noqa: TRY004 - a damaged file, no wrong argument
    return value


def read_bytes(path: Path) -> bytes | None:
    """The content of a file, or ``None`` when there is no such file.

    Raises:
        StoreError: It is there and cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"Cannot read {path}: {error.strerror or error}.") from error


def absence(folder: Path, otherwise: str) -> str:
    """Why nothing is found in a folder: it is not there, it is a file, or ``otherwise``."""
    if folder.is_dir():
        return otherwise
    return "is a file" if folder.exists() else "is not there"
