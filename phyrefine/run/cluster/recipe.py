"""How another process makes a video generator, and what it says of the one it made."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

from attrs import evolve, field, frozen

from phyrefine import registry
from phyrefine.adapt import as_generator
from phyrefine.errors import InvalidInputError
from phyrefine.identities import identity
from phyrefine.options import REQUIRED
from phyrefine.run.error_translation import name_of
from phyrefine.types import GeneratorProfile

MEMORY = "memory"  # the option whose values are modes, the one that needs most memory first


@frozen
class Recipe:
    """A generator by its registry name, or as an object that is sent there.

    Attributes:
        spec: Registry name with its options; ``None`` for an object.
        backend: The object, which must be picklable; ``None`` for a name.
        options: Options that go before those of ``spec``.
    """

    spec: str | None = None
    backend: Any = field(default=None, repr=False)
    options: Mapping[str, Any] = field(factory=dict)

    @classmethod
    def of(cls, generator: Any) -> Self:
        """The recipe of a registry name, an object or a function of one shot.

        Raises:
            UnknownBackendError: The name stands for nothing.
            InvalidInputError: An option there is not, or no generator at all.
        """
        if isinstance(generator, str):
            maker = registry.maker("generator", generator)
            maker.values({})
            return cls(generator)
        return cls(backend=as_generator(generator))

    def check_portable(self, dump: Callable[[Any, Any], object]) -> None:
        """See that an object can be sent to a worker.

        Args:
            dump: As ``pickle.dump``; Ray's own.

        Raises:
            InvalidInputError: It cannot; names the part that cannot, where one alone is to blame.
        """
        if self.spec is not None:
            return
        fault = _unportable(self.backend, dump)
        if fault is None:
            return
        parts = [name for name, it in _inside(self.backend) if _unportable(it, dump) is not None]
        blame = f" by its {' and '.join(parts)}" if parts else ""
        raise InvalidInputError(
            f"{self.name} cannot be sent to the cluster's workers: it cannot be pickled{blame} "
            f"({fault}). Make that when it is first used, leave it out in __getstate__, or pass "
            "the generator by name."
        )

    @property
    def name(self) -> str:
        """For messages."""
        return self.spec or str(self.backend.profile.name)

    def make(self) -> Any:
        """The generator, loaded.

        Raises:
            PhyrefineError: It cannot be made here.
        """
        if self.spec is None:
            return self.backend
        return as_generator(registry.make("generator", self.spec, **self.options))

    def smaller(self) -> Recipe | None:
        """The same in the next memory mode; ``None`` if there is none or the backend has no modes.

        Modes are the values of an option ``memory`` whose type is a ``Literal``, in that order.
        """
        if self.spec is None:
            return None
        maker = registry.maker("generator", self.spec)
        option = maker.options.get(MEMORY)
        modes = [] if option is None else _modes(option.kind)
        now = maker.values(self.options).get(MEMORY)
        if now is None and option is not None and option.default is not REQUIRED:
            now = option.default
        if now not in modes[:-1]:
            return None
        return evolve(self, options={**self.options, MEMORY: modes[modes.index(now) + 1]})


def _inside(value: Any) -> list[tuple[str, Any]]:
    """An object's own attributes, in a dictionary or in slots."""
    names = list(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else list(slots)
    return [(name, getattr(value, name, None)) for name in names if not name.startswith("__")]


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return memoryview(data).nbytes


def _unportable(value: Any, dump: Callable[[Any, Any], object]) -> str | None:
    """Why a value cannot be pickled, in a line; ``None`` if it can."""
    try:
        dump(value, _Nowhere())
    except Exception as error:  # noqa: BLE001 - an object's own pickling may raise anything
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return None


def _modes(kind: Any) -> list[str]:
    """Values of the ``Literal`` in a type."""
    if typing.get_origin(kind) is Literal:
        return [str(value) for value in typing.get_args(kind)]
    return next((found for part in typing.get_args(kind) if (found := _modes(part))), [])


@frozen
class Described:
    """What the driver must know of a generator that lives elsewhere.

    Attributes:
        profile: What it can do.
        identity: Under which its clips are stored.
        called: What a reader knows it by.
        on_gpu: Whether its seconds are GPU seconds.
        billed: Whether a service bills its clips.
        offers: Names of its optional methods.
    """

    profile: GeneratorProfile
    identity: str
    called: str
    on_gpu: bool = True
    billed: bool = False
    offers: frozenset[str] = frozenset()

    @classmethod
    def of(cls, backend: Any) -> Self:
        """Of a generator in this process."""
        return cls(
            backend.profile,
            identity(backend),
            name_of(backend),
            bool(getattr(backend, "on_gpu", True)),
            bool(getattr(backend, "billed", False)),
            frozenset(name for name in OPTIONAL if callable(getattr(backend, name, None))),
        )

    def offer(self, name: str) -> None:
        """See that the generator has an optional method.

        Raises:
            InvalidInputError: It has not.
        """
        if name not in self.offers:
            raise InvalidInputError(f"{self.profile.name} offers no {name}().")


OPTIONAL = ("count_tokens", "disclaimer", "price", "deliver", "batch_size_for")
