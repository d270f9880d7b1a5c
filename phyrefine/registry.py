"""Backends by name: ``"gemini:MODEL"`` gives an object. One door for ours and third parties'.

A package offers a backend through the entry-point group ``phyrefine.backends``; the entry point
names a :class:`Backend`, and modules behind it import their heavy parts on use. One's own function
or class needs no entry point: ``"package.module:factory"``. Options follow the name:
``"gemini:MODEL?fps=4&thinking=low"``.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen

from phyrefine._closest import did_you_mean
from phyrefine._secrets import scrub
from phyrefine.errors import InvalidInputError, UnknownBackendError
from phyrefine.options import (
    Option,
    check_names,
    join_options,
    options_of,
    read_options,
    split_options,
    takes_any,
)

GROUP = "phyrefine.backends"
Role = Literal["vlm", "llm", "generator"]
Factory = Callable[..., Any]


@frozen
class Backend:
    """What a name stands for.

    Each factory is called as ``factory(model, **options)``; ``model`` is the text after the
    colon, or ``None`` when there is none. The options are the factory's keyword parameters; where
    it passes ``**options`` on, ``options_from`` says to what.

    Attributes:
        name: Name before the colon.
        summary: One line for ``phyrefine doctor``.
        extra: Extra that brings its dependencies, if any.
        needs: Modules it imports on use, for ``phyrefine doctor``.
        keys: Environment variables that may hold its key.
        vlm: Factory of a VLM.
        llm: Factory of an LLM.
        generator: Factory of a video generator.
        options_from: By role, the functions and classes whose parameters are the options; each
            is an object, or ``"module:name"`` where importing it is dear. The first parameter of
            the first one is the model.
        free_options: Options that change how long a run takes, never what comes out: patience and
            the like. A run folder may be continued under other values.
    """

    name: str
    summary: str
    extra: str | None = None
    needs: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    vlm: Factory | None = field(default=None, kw_only=True)
    llm: Factory | None = field(default=None, kw_only=True)
    generator: Factory | None = field(default=None, kw_only=True)
    options_from: Mapping[str, tuple[Factory | str, ...]] = field(factory=dict, kw_only=True)
    free_options: tuple[str, ...] = field(default=(), kw_only=True)

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
    hint = did_you_mean(name, names())
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


def _imported(source: Factory | str) -> Factory:
    if not isinstance(source, str):
        return source
    module, _, name = source.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    factory: Factory = found
    return factory


@frozen
class Maker:
    """What a spec stands for, before anything is made.

    Attributes:
        owner: Who it is, for messages.
        backend: The backend; ``None`` for one's own factory.
        model: Text after the colon; ``None`` when there is none.
        given: Options in the spec, as text.
        factory: Called with the model, if there is a backend, and the options.
        sources: Whose parameters the options are.
        declared: They are all there is.
    """

    owner: str
    backend: Backend | None
    model: str | None
    given: Mapping[str, str]
    factory: Factory
    sources: tuple[Factory | str, ...]
    declared: bool = False

    @property
    def options(self) -> dict[str, Option]:
        """The options there are, by name."""
        sources = [_imported(source) for source in self.sources]
        return options_of(sources, skip=1 if self.backend is not None else 0)

    def values(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The spec's options with their types, and ``options`` over them.

        Raises:
            InvalidInputError: There is no such option, or a text is no such value.
        """
        if not self.given and not options:
            return {}
        known = self.options
        any_name = not self.declared and takes_any(self.factory)
        check_names(options, known, self.owner, any_name=any_name)
        return read_options(self.given, known, self.owner, any_name=any_name) | dict(options)

    def make(self, options: Mapping[str, Any]) -> Any:
        """The object."""
        values = self.values(options)
        try:
            if self.backend is None:
                return self.factory(**values)
            return self.factory(self.model, **values)
        except TypeError as error:
            if "unexpected keyword" in str(error):
                said = f"{self.owner} does not take that option: {error}."
            elif "multiple values" in str(error):
                said = f"{self.owner} sets an option itself: {error}."
            elif "required" in str(error) and "missing" in str(error):
                said = f"{self.owner} needs an option: {error}."
            else:
                raise
            raise InvalidInputError(said) from error


def maker(role: Role, spec: str) -> Maker:
    """What ``spec`` stands for in a role; nothing is made yet.

    Args:
        role: What it shall be used as.
        spec: As :func:`make`'s.

    Raises:
        UnknownBackendError: No such backend, or it cannot play that role.
        InvalidInputError: Options that are no ``key=value``.
    """
    bare, given = split_options(spec)
    name, colon, model = bare.partition(":")
    if colon and model and name not in names() and _is_module(name):
        own = _own(name, model)
        return Maker(f"{bare!r}", None, None, given, own, (own,))
    backend = find(name)
    factory: Factory | None = getattr(backend, role)
    if factory is None:
        able = [other for other in names() if _can(other, role)]
        raise UnknownBackendError(
            f"Backend {name!r} cannot be a {role}. These can: {', '.join(able) or 'none'}."
        )
    declared = role in backend.options_from
    sources = tuple(backend.options_from.get(role, (factory,)))
    return Maker(f"Backend {name!r}", backend, model or None, given, factory, sources, declared)


def make(role: Role, spec: str, **options: Any) -> Any:
    """Make the object a name stands for.

    Args:
        role: What it shall be used as.
        spec: ``"name"`` or ``"name:model"``, the model may contain colons and slashes; or
            ``"package.module:factory"``, a function or class of one's own. Options may follow:
            ``"name:model?key=value&key=value"``.
        **options: Passed to the factory; they go before those in ``spec``.

    Raises:
        UnknownBackendError: No such backend, or it cannot play that role.
        InvalidInputError: An option it does not take, or a value of the wrong type.
        MissingDependencyError: Its extra is not installed.
    """
    return maker(role, spec).make(options)


def binding(spec: str) -> str:
    """``spec`` without its free options: two that are equal then make the same.

    A name that stands for nothing here is left as it is.
    """
    try:
        bare, given = split_options(spec)
        free = find(bare.partition(":")[0]).free_options if given else ()
    except InvalidInputError:
        return spec
    kept = [f"{name}={value}" for name, value in sorted(given.items()) if name not in free]
    return join_options(bare, kept)


# -- one's own factories -----------------------------------------------------------------------


def _is_module(name: str) -> bool:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:  # a console script does not look here
        sys.path.append(here)
    try:
        return importlib.util.find_spec(name) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def _own(module: str, name: str) -> Factory:
    try:
        found = _imported(f"{module}:{name}")
    except AttributeError as error:
        raise UnknownBackendError(
            f"The module {module!r} has no {name!r} to make a backend with: {error}."
        ) from error
    except Exception as error:
        raise UnknownBackendError(
            f"The module {module!r} cannot be imported: {type(error).__name__}: "
            f"{scrub(str(error))}."
        ) from error
    if not callable(found):
        raise UnknownBackendError(
            f"{module}:{name} is a {type(found).__name__}, not a function or class that makes a "
            "backend."
        )
    return found
