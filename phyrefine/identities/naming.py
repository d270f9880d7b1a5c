"""Identities of backends, and names that users give them."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

from attrs import field, frozen

from phyrefine.errors import InvalidInputError
from phyrefine.identities.values import UnnamedError
from phyrefine.identities.walking import Walk


def identity(backend: object) -> str:
    """What makes two backends interchangeable for the store.

    A backend says it itself in an ``identity`` attribute (a string that names the model, its
    revision and every setting that changes its output, never a key). Others are known by their
    class or function and a digest of everything a call can see. Where that cannot be compared with
    another process's, the text ends in the object's memory address, as in ``" at 0x7f..."``.
    """
    said = getattr(backend, "identity", None)
    if isinstance(said, str) and said:
        return said
    try:
        return digest_of(backend)
    except UnnamedError:
        return f"{name_of(backend)} at {hex(id(backend))}"


def refresh(backend: object) -> None:
    """Let the backends inside these wrappers look again at what their identity depends on.

    A backend whose identity is slow to find keeps it and offers ``refresh_identity()``.
    """
    look = getattr(backend, "refresh_identity", None)
    if callable(look):
        look()
        return
    inside = [*getattr(backend, "backends", ()), getattr(backend, "backend", None)]
    for inner in inside:
        if inner is not None:
            refresh(inner)


def digest_of(backend: object, *, own: str | None = None) -> str:
    """Name and digest of a callable or an object.

    Args:
        backend: What to describe.
        own: Top-level package whose code counts though it is installed; by default the backend's.

    Raises:
        UnnamedError: It holds what cannot be compared; the message says what and where.
    """
    walk = Walk(own=name_of(backend).partition(".")[0] if own is None else own)
    digest = hashlib.blake2b(digest_size=16)
    for token in walk.tokens(backend, "it"):
        digest.update(token.encode("utf-8", "surrogatepass") + b"\x00")
    return f"{name_of(backend)}:{digest.hexdigest()}"


def why_unnamed(backend: object) -> str | None:
    """Why a backend has no lasting identity; ``None`` when it has one."""
    if isinstance(getattr(backend, "identity", None), str) and " at 0x" not in identity(backend):
        return None
    function = getattr(backend, "function", None)
    try:
        digest_of(function if callable(function) else backend)
    except UnnamedError as error:
        return str(error)
    return None if " at 0x" not in identity(backend) else "its identity is a memory address"


@frozen
class Identified:
    """A backend under a name of the user's; everything else is the backend's own.

    Attributes:
        backend: A function or an object.
        identity: The name.
    """

    backend: Any
    identity: str = field()

    @identity.validator
    def _check(self, _: object, value: object) -> None:
        if not isinstance(value, str) or not value.strip() or " at 0x" in value:
            raise InvalidInputError(
                "An identity is a text that names model and settings and stays the same in every "
                f"process, not {value!r}."
            )

    def __call__(self, request: Any) -> Any:
        """Call the function."""
        return self.backend(request)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "backend":
            raise AttributeError(name)
        return getattr(self.backend, name)


def identified(backend: Any, identity: str) -> Any:
    """A function or object under a name of yours.

    Results are stored under that name: change it whenever something changes that changes the
    output, such as the model, its settings or its weights. Never put a key into it.

    Args:
        backend: A function of one question or one shot, or an object with ``ask`` or ``generate``.
        identity: For example ``"my-vlm, checkpoint 12, temperature 0"``.

    Raises:
        InvalidInputError: The name is empty or holds a memory address, or ``backend`` is nothing
            that could be called.
    """
    if isinstance(backend, str) or not (
        callable(backend) or hasattr(backend, "ask") or hasattr(backend, "generate")
    ):
        raise InvalidInputError(
            f"identified() takes a function or an object with ask() or generate(), not {backend!r}."
        )
    return Identified(backend, identity)


def name_of(backend: object) -> str:
    """Module and name of a function, or of an object's class."""
    if isinstance(backend, functools.partial):
        return name_of(backend.func)
    if isinstance(backend, Identified):
        return name_of(backend.backend)
    function = getattr(backend, "function", None)
    if type(backend).__module__ == "phyrefine.adapt" and callable(function):
        return name_of(function)
    named = backend if hasattr(backend, "__qualname__") else type(backend)
    return f"{getattr(named, '__module__', '?')}.{getattr(named, '__qualname__', '?')}"
