"""What a function's bytecode says: what it computes, which names it reads, which it writes."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

# Methods that change a container: one that a call changes is a record of calls, not a setting.
MUTATORS = frozenset(
    "add append appendleft clear discard extend extendleft insert pop popitem popleft put "
    "put_nowait remove set setdefault update write writelines __setitem__".split()
)
_LOADS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_GLOBALS")
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
_STORES = ("STORE_GLOBAL", "STORE_DEREF", "STORE_NAME")
# How far a subscript's container may lie before the store: x[k] = v, x[k] += v.
_SUBSCRIPT_REACH = 14


def code_of(code: CodeType) -> Iterator[str]:
    """Everything of a code object that decides what it computes; names of files do not."""
    yield code.co_code.hex()
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars))
    yield repr((code.co_argcount, code.co_kwonlyargcount, code.co_posonlyargcount, code.co_flags))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from code_of(constant)
        elif isinstance(constant, frozenset):
            yield repr(sorted(constant, key=repr))
        else:
            yield repr(constant)


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


@functools.cache
def read_names(code: CodeType) -> set[str]:
    """Global names and attribute names in the code and in the functions inside it."""
    return {name for inner in _nested(code) for name in inner.co_names}


@functools.cache
def written_names(code: CodeType) -> set[str]:
    """Globals and captured variables that the code sets, or whose container it changes."""
    found: set[str] = set()
    for inner in _nested(code):
        own = set(inner.co_cellvars) | set(inner.co_varnames)
        steps = list(_steps(inner))
        found |= {step.argval for step in steps if step.opname in _STORES} - own
        found |= _changed(steps, _LOADS) - own
    return found


def environment_names(code: CodeType) -> list[str]:
    """Names of environment variables that the code spells out."""
    if not read_names(code) & {"environ", "getenv"}:
        return []
    texts = {text for inner in _nested(code) for text in inner.co_consts if isinstance(text, str)}
    return sorted(text for text in texts if text.isidentifier() and text.upper() == text)


def own_attributes_written(kind: type, entries: Iterable[str]) -> frozenset[str]:
    """Attributes of ``self`` that these methods, and the methods they call, set or change."""
    found: set[str] = set()
    waiting, seen = list(entries), set()
    while waiting:
        name = waiting.pop()
        method = _method(kind, name)
        if name in seen or method is None:
            continue
        seen.add(name)
        waiting += sorted(read_names(method.__code__) - seen)
        found |= _attributes_written(method.__code__)
    return frozenset(found)


def _method(kind: type, name: str) -> FunctionType | None:
    if name in ("__init__", "__attrs_post_init__", "__post_init__"):
        return None
    held: Any = next((vars(one)[name] for one in kind.__mro__ if name in vars(one)), None)
    held = getattr(held, "__func__", held)
    held = getattr(held, "fget", None) or getattr(held, "func", None) or held
    return held if isinstance(held, FunctionType) else None


@functools.cache
def _attributes_written(code: CodeType) -> frozenset[str]:
    steps = list(_steps(code))
    stored = {step.argval for step in steps if step.opname == "STORE_ATTR"}
    return frozenset(stored | _changed(steps, _ATTRIBUTES))


def _changed(steps: list[dis.Instruction], loads: tuple[str, ...]) -> set[str]:
    """Names loaded and then changed: by a mutating method or through a subscript."""
    found: set[str] = set()
    for index, step in enumerate(steps):
        if step.opname not in loads:
            continue
        following = steps[index + 1] if index + 1 < len(steps) else None
        if following is None:
            continue
        if (following.opname in _ATTRIBUTES and following.argval in MUTATORS) or _stores_into(
            steps, index
        ):
            found.add(step.argval)
    return found


def _stores_into(steps: list[dis.Instruction], index: int) -> bool:
    """Whether what is loaded at ``index`` is the container of a subscript that is set."""
    depth = 1  # values on the stack, counted from the one loaded
    for step in steps[index + 1 : index + 1 + _SUBSCRIPT_REACH]:
        if step.opname in ("STORE_SUBSCR", "DELETE_SUBSCR"):
            return depth == 2
        if step.opname == "COPY" and step.arg == 2 and depth == 2:
            return True  # x[k] += v keeps container and key for the store that follows
        if step.opname.startswith(("RETURN", "JUMP", "POP_JUMP", "FOR_ITER")):
            return False
        argument = step.arg if step.opcode >= dis.HAVE_ARGUMENT else None
        depth += dis.stack_effect(step.opcode, argument)
        if depth < 1:
            return False
    return False


def _steps(code: CodeType) -> Iterator[dis.Instruction]:
    hidden = ("CACHE", "RESUME", "NOP", "EXTENDED_ARG")
    return (step for step in dis.get_instructions(code) if step.opname not in hidden)
