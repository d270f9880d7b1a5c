"""The name under which the result of a call is kept."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator

from attrs import define, field

from phyrefine.errors import InvalidInputError
from phyrefine.identities import UnnamedError, identity, name_of, why_unnamed
from phyrefine.serialize import canonical, to_json
from phyrefine.types import Question, Shot

# Part of every key: raise it when the meaning of stored values changes.
FORMAT = 1


def request_key(label: str, backend: object, method: str, request: Question | Shot) -> str:
    """``label`` and the digest (BLAKE2b, 128 bits) of backend identity, method and request.

    Args:
        label: What people read in the file's name: a stage.
        backend: The one that answers; see :func:`phyrefine.protocols.identity`.
        method: Its method.
        request: Canonical JSON of it is digested; clips count by their own digests.

    Raises:
        InvalidInputError: The request holds what JSON cannot.
    """
    try:
        body = canonical([FORMAT, identity(backend), method, to_json(request)])
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"This {type(request).__name__} holds a value that JSON cannot: {error}. Options and "
            "schemas take strings, finite numbers, lists and mappings."
        ) from error
    return f"{label}-{hashlib.blake2b(body, digest_size=16).hexdigest()}"


def require_name(backend: object) -> None:
    """Refuse a backend whose results another process could not find again, or take for others'.

    Raises:
        UnnamedError: It has no lasting identity; says why and how to give it one.
    """
    if " at 0x" not in identity(backend):
        return
    why = why_unnamed(backend) or "it is known only by its memory address"
    raise UnnamedError(
        f"{name_of(backend)} cannot be told from another model, because {why}. Results in a run "
        "folder are found by what made them, so give it a name that changes with the model and "
        f'its settings: phyrefine.identified({name_of(backend).rpartition(".")[2]}, "model 1"), '
        "or an `identity` attribute."
    )


@define
class Turns:
    """Lets one thread at a time work on a key; others wait and then find its result."""

    _waiting: dict[str, tuple[threading.Lock, int]] = field(factory=dict, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @contextlib.contextmanager
    def take(self, key: str) -> Iterator[None]:
        """Wait until nobody else works on ``key``, then hold it for the block."""
        with self._lock:
            turn, count = self._waiting.get(key, (threading.Lock(), 0))
            self._waiting[key] = turn, count + 1
        try:
            with turn:
                yield
        finally:
            with self._lock:
                turn, count = self._waiting.pop(key)
                if count > 1:
                    self._waiting[key] = turn, count - 1
