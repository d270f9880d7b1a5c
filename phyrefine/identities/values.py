"""Which values count as settings, and in which words."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import functools
import hashlib
import logging
import os
import pathlib
import re
import sys
import sysconfig
import threading
import types
import typing
import uuid
from typing import Any

from phyrefine.errors import InvalidInputError

# Arrays are compared in full up to this size; larger ones need a name, for speed's sake.
ARRAY_BYTES = 8 << 20
# More values than this are no settings but data.
MOST_VALUES = 20_000
ENTRY_POINTS = ("ask", "generate", "stream", "deliver", "score", "__call__")

PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented))
BY_REPR = (
    dt.date, dt.time, dt.timedelta, dt.tzinfo, decimal.Decimal, fractions.Fraction, uuid.UUID,
    pathlib.PurePath, range, slice, re.Pattern,
)  # fmt: skip
# They change no reply: who holds a lock and where a line is logged.
NO_SETTING = (
    type(threading.Lock()), type(threading.RLock()), threading.Event, threading.Condition,
    threading.Semaphore, threading.local, logging.Logger, logging.LoggerAdapter,
)  # fmt: skip
SECRET = re.compile(r"key|token|secret|password|credential", re.IGNORECASE)


ANNOTATIONS = (
    type(list[int]), type(int | str), type(typing.Any), type(typing.Literal[1]),
    type(list), typing.TypeVar,
)  # fmt: skip
WRAPPERS = (staticmethod, classmethod, property, functools.cached_property)


class UnnamedError(InvalidInputError):
    """A backend cannot be told from another one without a name."""


@functools.cache
def _installed_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(sorted(f"{os.path.realpath(folder)}{os.sep}" for folder in folders))


@functools.cache
def foreign_file(module: str, file: str | None, own: str) -> bool:
    """Whether a module is Python's, ours or of an installed package other than the backend's."""
    top = module.partition(".")[0]
    if top in ("phyrefine", "builtins") or top in sys.stdlib_module_names:
        return True
    if top == own or module == "__main__" or file is None:
        return False
    return os.path.realpath(file).startswith(_installed_folders())


def is_machinery(name: str, held: object) -> bool:
    """Whether a class's attribute was put there by Python, attrs or dataclasses."""
    if isinstance(held, types.GetSetDescriptorType | types.MemberDescriptorType):
        return True
    special = name.startswith("__") and name.endswith("__")
    if name == "_abc_impl" or (special and not callable(held)):
        return True
    file = getattr(getattr(held, "__code__", None), "co_filename", "")
    return special and file.startswith(("<attrs generated", "<string>"))


def has_identity(kind: type, value: object) -> bool:
    """Whether an object, rather than something it forwards to, has an ``identity``."""
    return hasattr(kind, "identity") or "identity" in getattr(value, "__dict__", {})


def is_value_class(kind: type) -> bool:
    """A class whose fields are all there is to it."""
    return (
        hasattr(kind, "__attrs_attrs__")
        or hasattr(kind, "__dataclass_fields__")
        or hasattr(kind, "model_fields")
        or kind is types.SimpleNamespace
        or kind is object
    )


def attributes(value: object) -> dict[str, Any]:
    """Everything an object holds by name, in its ``__dict__`` and its slots."""
    found = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__weakref__", "__dict__") and hasattr(value, name):
                found[name] = getattr(value, name)
    return found


def array_token(value: Any, where: str) -> str | None:
    """Type, shape and digest of a NumPy array or a torch tensor; ``None`` for anything else."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(value, torch.Tensor):
        size = value.numel() * value.element_size()
        if size <= ARRAY_BYTES:
            flat = value.detach().to("cpu").contiguous().reshape(-1).view(torch.uint8)
            return f"tensor {value.dtype} {tuple(value.shape)} {_digest(flat.numpy().tobytes())}"
    elif numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        size = value.nbytes
        if value.dtype.hasobject:
            raise UnnamedError(f"{where} is an array of objects")
        if size <= ARRAY_BYTES:
            return f"array {value.dtype} {value.shape} {_digest(value.tobytes())}"
    else:
        return None
    raise UnnamedError(f"{where} is an array of {size / 1e6:.0f} MB")


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
