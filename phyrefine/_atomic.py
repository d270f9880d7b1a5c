"""Files appear whole or not at all: write aside, flush to disk, rename."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
FORBIDDEN = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary neighbor of ``path`` that replaces it when the block succeeds.

    The neighbor keeps the suffix, which encoders look at. On any exception it is removed and
    ``path`` is as it was.

    Raises:
        OSError: The disk cannot be written; it names ``path``, which the user knows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        with faults_name(path, instead_of=aside):
            yield aside
            with aside.open("rb+") as file:
                os.fsync(file.fileno())
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def faults_name(path: Path, *, instead_of: Path) -> Iterator[None]:
    """Within the block a disk fault at a temporary neighbor, or at no name, is one at ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno is None or _elsewhere(error.filename, instead_of):
            raise
        reason = error.strerror or os.strerror(error.errno)
        raise OSError(error.errno, reason, str(path)) from error


def _elsewhere(name: object, aside: Path) -> bool:
    return name is not None and not Path(os.fsdecode(str(name))).is_relative_to(aside)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, whole or not at all."""
    with written_aside(path) as aside:
        aside.write_bytes(data)
