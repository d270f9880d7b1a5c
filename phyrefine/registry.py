"""Backends by name: ``"gemini:MODEL"`` gives an object. One door for ours and third parties'.

A package offers a backend through the entry-point group ``phyrefine.backends``; the entry point
names a :class:`Backend`, and modules behind it import their heavy parts on use.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from attrs import field, frozen

from phyrefine.errors import InvalidInputError, UnknownBackendError

GROUP = "phyrefine.backends"
Role = Literal["vlm", "llm", "generator"]
Factory = Callable[..., Any]


@frozen
class Backend:
    """What a name stands for.

    Each factory is called as ``factory(model, **options)``; ``model`` is the text after the
    colon, or ``None`` when there is none.

    Attributes:
        name: Name before the colon.
        summary: One line for ``phyrefine doctor``.
        extra: Extra that brings its dependencies, if any.
        needs: Modules it imports on use, for ``phyrefine doctor``.
        keys: Environment variables that may hold its key.
        vlm: Factory of a VLM.
        llm: Factory of an LLM.
        generator: Factory of a video generator.
    """

    name: str
    summary: str
    extra: str | None = None
    needs: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    vlm: Factory | None = field(default=None, kw_only=True)
    llm: Factory | None = field(default=None, kw_only=True)
    generator: Factory | None = field(default=None, kw_only=True)

    @property
    def roles(self) -> tuple[Role, ...]:
        """Roles it can play."""
        roles: tuple[Role, ...] = ("vlm", "llm", "generator")
        return tuple(role for role in roles if getattr(self, role) is not None)


def names() -> tuple[str, ...]:
    """Names of all backends installed, sorted."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def find(name: str) -> Backend:
    """The backend called ``name``.

    Raises:
        UnknownBackendError: None is installed under that name.
    """
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            backend = _load(entry)
            if not isinstance(backend, Backend):
                raise UnknownBackendError(
                    f"The entry point {entry.value!r} for {name!r} is not a phyrefine Backend "
                    f"but a {type(backend).__name__}."
                )
            return backend
    close = difflib.get_close_matches(name, names(), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UnknownBackendError(
        f"No backend called {name!r}.{hint} Installed: {', '.join(names()) or 'none'}."
    )


def _load(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:
        raise UnknownBackendError(
            f"The backend {entry.name!r} ({entry.value}) cannot be loaded: "
            f"{type(error).__name__}: {error}. Update or uninstall the package that offers it."
        ) from error


def _can(name: str, role: Role) -> bool:
    try:
        return role in find(name).roles
    except UnknownBackendError:  # somebody's broken plugin must not hide the others
        return False


def make(role: Role, spec: str, **options: Any) -> Any:
    """Make the object a name stands for.

    Args:
        role: What it shall be used as.
        spec: ``"name"`` or ``"name:model"``; the model may contain colons and slashes.
        **options: Passed to the backend's factory.

    Raises:
        UnknownBackendError: No such backend, or it cannot play that role.
        MissingDependencyError: Its extra is not installed.
    """
    name, _, model = spec.partition(":")
    backend = find(name)
    factory: Factory | None = getattr(backend, role)
    if factory is None:
        able = [other for other in names() if _can(other, role)]
        raise UnknownBackendError(
            f"Backend {name!r} cannot be a {role}. These can: {', '.join(able) or 'none'}."
        )
    try:
        return factory(model or None, **options)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise InvalidInputError(f"Backend {spec!r} does not take that option: {error}.") from error
