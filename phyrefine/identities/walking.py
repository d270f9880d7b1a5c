"""A walk through everything that a call of a backend can see."""

from __future__ import annotations

import collections
import enum
import functools
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import define, field

from phyrefine.identities.bytecode import (
    code_of,
    environment_names,
    own_attributes_written,
    read_names,
    written_names,
)
from phyrefine.identities.values import (
    ANNOTATIONS,
    BY_REPR,
    ENTRY_POINTS,
    MOST_VALUES,
    NO_SETTING,
    PLAIN,
    SECRET,
    WRAPPERS,
    UnnamedError,
    array_token,
    attributes,
    foreign_file,
    has_identity,
    is_machinery,
    is_value_class,
)

# Plain values of torch that say all they are.
TORCH_VALUES = ("device", "dtype", "Size", "layout", "memory_format")


@define
class Walk:
    """One pass over everything reachable, as tokens; each object once."""

    own: str
    seen: dict[int, int] = field(factory=dict)
    kept: list[object] = field(factory=list)
    count: int = 0

    def tokens(self, value: Any, where: str) -> Iterator[str]:
        """Texts that together say what a value is.

        Args:
            value: Anything.
            where: What it is to the backend, for messages.

        Raises:
            UnnamedError: It cannot be compared in another process.
        """
        self.count += 1
        if self.count > MOST_VALUES:
            raise UnnamedError(f"{where} leads to more than {MOST_VALUES} values")
        if isinstance(value, enum.Enum):
            yield f"enum {type(value).__module__}.{type(value).__qualname__}.{value.name}"
        elif type(value) in PLAIN:
            yield f"{type(value).__name__} {value!r}"
        elif isinstance(value, NO_SETTING):
            yield type(value).__name__
        elif isinstance(value, BY_REPR):
            yield f"{type(value).__qualname__} {value!r}"
        elif id(value) in self.seen:
            yield f"again {self.seen[id(value)]}"
        else:
            self.seen[id(value)] = len(self.seen)
            self.kept.append(value)  # so that no id is used twice within this walk
            yield from self._compound(value, where)

    def _compound(self, value: Any, where: str) -> Iterator[str]:
        for kinds, describe in _KINDS:
            if isinstance(value, kinds):
                yield from describe(self, value, where)
                return
        yield from self._object(value, where)

    # Callables --------------------------------------------------------------------------------

    def _function(self, value: types.FunctionType, where: str) -> Iterator[str]:
        yield f"def {value.__module__}.{value.__qualname__}"
        if self._foreign(value):
            return
        written = written_names(value.__code__)
        yield from code_of(value.__code__)
        yield from self.tokens(value.__defaults__, f"a default of {where}")
        yield from self.tokens(value.__kwdefaults__, f"a default of {where}")
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            yield f"closure {name}"
            try:
                held = cell.cell_contents
            except ValueError:  # not filled yet
                continue
            yield from self._held(name, held, written, f"{name!r}, which {where} captures,")
        yield from self._globals(value, written, where)
        for name, held in sorted(value.__dict__.items()):
            yield f"attribute {name}"
            yield from self.tokens(held, f"the attribute {name!r} of {where}")

    def _globals(
        self, function: types.FunctionType, written: set[str], where: str
    ) -> Iterator[str]:
        names = read_names(function.__code__)
        for name in sorted(names & function.__globals__.keys()):
            held = function.__globals__[name]
            yield f"global {name}"
            if isinstance(held, types.ModuleType):
                yield from self._module(held, names, where)
            else:
                yield from self._held(name, held, written, f"the global {name!r}")
        for name in environment_names(function.__code__):
            if not SECRET.search(name):
                yield f"environment {name} {os.environ.get(name)!r}"

    def _module(self, module: types.ModuleType, names: set[str], where: str) -> Iterator[str]:
        yield f"module {module.__name__}"
        foreign = foreign_file(module.__name__, getattr(module, "__file__", None), self.own)
        for name in sorted(names & vars(module).keys()):
            held = vars(module)[name]
            yield f"of module {name}"
            if type(held) in PLAIN or not (foreign or isinstance(held, types.ModuleType)):
                yield from self.tokens(held, f"{module.__name__}.{name}")

    def _held(self, name: str, value: Any, written: set[str], where: str) -> Iterator[str]:
        if name in written and not callable(value):
            yield "written by the call"
        else:
            yield from self.tokens(value, where)

    def _bound(self, value: types.MethodType, where: str) -> Iterator[str]:
        yield "bound"
        yield from self.tokens(value.__func__, where)
        if isinstance(value.__self__, type):
            yield from self.tokens(value.__self__, f"the class of {where}")
        else:
            yield from self._object(value.__self__, f"the object of {where}", (value.__name__,))

    def _builtin(self, value: Any, where: str) -> Iterator[str]:
        yield f"builtin {value.__module__}.{value.__qualname__}"
        owner = getattr(value, "__self__", None)
        if owner is not None and not isinstance(owner, types.ModuleType | type):
            yield from self.tokens(owner, f"the object of {where}")

    def _partial(self, value: functools.partial[Any], where: str) -> Iterator[str]:
        yield "partial"
        yield from self.tokens(value.func, where)
        yield from self.tokens(list(value.args), f"an argument of {where}")
        yield from self.tokens(dict(value.keywords), f"an argument of {where}")

    def _cached(self, value: Any, where: str) -> Iterator[str]:
        yield "cached"
        yield from self.tokens(value.__wrapped__, where)

    def _wrapper(self, value: Any, where: str) -> Iterator[str]:
        yield type(value).__name__
        yield from self.tokens(getattr(value, "__func__", None), where)
        yield from self.tokens(getattr(value, "fget", None), where)
        yield from self.tokens(getattr(value, "func", None), where)

    # Values -----------------------------------------------------------------------------------

    def _sequence(self, value: Any, where: str) -> Iterator[str]:
        yield f"{type(value).__qualname__} of {len(value)}"
        for item in value:
            yield from self.tokens(item, f"an item of {where}")
        if type(value) not in (list, tuple):
            yield from self._state(value, where, frozenset())

    def _mapping(self, value: Mapping[Any, Any], where: str) -> Iterator[str]:
        yield f"{type(value).__qualname__} of {len(value)}"
        for key, item in value.items():
            yield from self.tokens(key, f"a key of {where}")
            yield from self.tokens(item, f"{where}[{key!r}]")

    def _set(self, value: Any, where: str) -> Iterator[str]:
        yield f"{type(value).__qualname__} of {len(value)}"
        yield from sorted("\x01".join(Walk(self.own).tokens(item, where)) for item in value)

    def _exception(self, value: BaseException, where: str) -> Iterator[str]:
        yield from self.tokens(type(value), f"the class of {where}")
        yield from self.tokens(list(value.args), f"an argument of {where}")

    def _annotation(self, value: Any, where: str) -> Iterator[str]:
        yield f"annotation {value!r}"

    def _subclass_of_plain(self, value: Any, where: str) -> Iterator[str]:
        yield f"{type(value).__qualname__} {value.__reduce_ex__(2)[1]!r}"
        yield from self._state(value, where, frozenset())

    def _class(self, value: type, where: str) -> Iterator[str]:
        yield f"class {value.__module__}.{value.__qualname__}"
        if self._foreign(value):
            return
        for base in value.__mro__[1:]:
            yield from self.tokens(base, f"a base of {where}")
        for name, held in sorted(vars(value).items()):
            if is_machinery(name, held):
                continue
            yield f"in class {name}"
            yield from self.tokens(held, f"{name!r} of {where}")

    def _object(
        self, value: Any, where: str, entries: tuple[str, ...] = ENTRY_POINTS
    ) -> Iterator[str]:
        kind = type(value)
        said = getattr(value, "identity", None) if has_identity(kind, value) else None
        if isinstance(said, str) and said and " at 0x" not in said:
            yield f"identity {said}"
            return
        digest = getattr(value, "digest", None)
        if kind.__module__.startswith("phyrefine.") and isinstance(digest, str):
            yield f"{kind.__qualname__} {digest}"
            return
        array = array_token(value, where)
        if array is not None:
            yield array
            return
        if kind.__module__ == "torch" and kind.__name__ in TORCH_VALUES:
            yield f"torch {value!r}"
            return
        if self._foreign(kind) and not is_value_class(kind):
            raise UnnamedError(
                f"{where} is a {kind.__module__}.{kind.__qualname__}, whose settings cannot be seen"
            )
        yield from self.tokens(kind, f"the class of {where}")
        yield from self._state(value, where, own_attributes_written(kind, entries))

    def _state(self, value: Any, where: str, written: frozenset[str]) -> Iterator[str]:
        for name, held in sorted(attributes(value).items()):
            yield f"attribute {name}"
            if name in written and not callable(held):
                yield "written by the call"
            else:
                yield from self.tokens(held, f"the attribute {name!r} of {where}")

    def _foreign(self, value: Any) -> bool:
        module = sys.modules.get(value.__module__ or "")
        file = getattr(module, "__file__", None)
        return foreign_file(value.__module__ or "", file, self.own)


_KINDS: tuple[tuple[Any, Callable[[Walk, Any, str], Iterator[str]]], ...] = (
    (types.FunctionType, Walk._function),  # noqa: SLF001 - a table of this class's own methods
    (types.MethodType, Walk._bound),  # noqa: SLF001
    (functools.partial, Walk._partial),  # noqa: SLF001
    ((types.BuiltinFunctionType, types.MethodWrapperType, types.WrapperDescriptorType,
      types.MethodDescriptorType, types.ClassMethodDescriptorType), Walk._builtin),  # noqa: SLF001
    (type(functools.lru_cache(len)), Walk._cached),  # noqa: SLF001
    (WRAPPERS, Walk._wrapper),  # noqa: SLF001
    (type, Walk._class),  # noqa: SLF001
    (BaseException, Walk._exception),  # noqa: SLF001
    (ANNOTATIONS, Walk._annotation),  # noqa: SLF001
    ((list, tuple, collections.deque), Walk._sequence),  # noqa: SLF001
    ((dict, types.MappingProxyType), Walk._mapping),  # noqa: SLF001
    ((set, frozenset), Walk._set),  # noqa: SLF001
    ((int, float, str, bytes, bytearray), Walk._subclass_of_plain),  # noqa: SLF001
)  # fmt: skip
