"""Values to JSON and back, through one converter.

Clips are not put into JSON: they become ``{"clip": digest, "fps": ..., "frames": ..., "native":
digest}`` and are kept by whoever is given as ``keep``; on the way back ``fetch`` finds them by
digest.
"""

from __future__ import annotations

import contextvars
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs
import cattrs
from attrs import evolve
from cattrs.preconf.json import make_converter

from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.types import JSON
from phyrefine.video.clip import Clip

T = TypeVar("T")
Keep = Callable[[Clip], object]
Fetch = Callable[[str], Clip | None]


_keep: contextvars.ContextVar[Keep | None] = contextvars.ContextVar("keep", default=None)
_fetch: contextvars.ContextVar[Fetch | None] = contextvars.ContextVar("fetch", default=None)


def _unstructure_clip(clip: Clip) -> JSON:
    keep = _keep.get()
    if keep is not None:
        keep(clip)
    native = {} if clip.native is None else {"native": clip.native.digest}
    size = list(clip.size)
    return {"clip": clip.digest, "fps": clip.fps, "frames": len(clip), "size": size, **native}


def _structure_clip(value: Any, _: Any) -> Clip:
    clip = _fetched(value["clip"])
    native = value.get("native")
    if native is None or (clip.native is not None and clip.native.digest == native):
        return clip
    return clip.with_native(evolve(_fetched(native), native=None))


def _fetched(digest: str) -> Clip:
    fetch = _fetch.get()
    clip = fetch(digest) if fetch is not None else None
    if clip is None:
        raise StoreError(f"The clip {digest!r} is not in the store.")
    return clip


@functools.cache
def _converter() -> Any:
    converter = make_converter(forbid_extra_keys=True)
    converter.register_unstructure_hook(Clip, _unstructure_clip)
    converter.register_structure_hook(Clip, _structure_clip)
    converter.register_structure_hook_func(lambda kind: kind is Any, lambda value, _: value)
    return converter


def to_json(value: Any, *, keep: Keep | None = None) -> JSON:
    """What ``json.dumps`` takes, from any value of ``phyrefine.types``.

    Args:
        value: One of our frozen values.
        keep: Called with every clip met, for example ``store.put_clip``.
    """
    token = _keep.set(keep)
    try:
        return _converter().unstructure(value)
    finally:
        _keep.reset(token)


def from_json(value: JSON, kind: type[T], *, fetch: Fetch | None = None) -> T:
    """A value of ``kind`` from JSON; unknown keys are refused.

    Args:
        value: Parsed JSON.
        kind: One of our frozen types.
        fetch: Finds a clip by digest, for example ``store.get_clip``.

    Raises:
        InvalidInputError: Keys or types do not fit; the message says where.
        StoreError: A clip is not where ``fetch`` looks.
    """
    if attrs.has(kind) and not isinstance(value, Mapping):
        raise InvalidInputError(
            f"Not a {kind.__name__}: a JSON object is needed, not {type(value).__name__}."
        )
    token = _fetch.set(fetch)
    try:
        structured: T = _converter().structure(value, kind)
    except cattrs.BaseValidationError as error:
        missing = error.subgroup(StoreError)
        if missing is not None:
            raise _first(missing) from error
        where = "; ".join(cattrs.transform_error(error, path=kind.__name__))
        raise InvalidInputError(f"Not a {kind.__name__}: {where}.") from error
    finally:
        _fetch.reset(token)
    return structured


def _first(group: BaseException) -> BaseException:
    """The first error of a group, without what cattrs notes for programmers."""
    if isinstance(group, BaseExceptionGroup):
        return _first(group.exceptions[0])
    ours = [note for note in getattr(group, "__notes__", ()) if type(note) is str]
    group.__notes__ = ours
    return group


def canonical(value: JSON) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8", "surrogatepass")


def pretty(value: Mapping[str, Any] | JSON) -> str:
    """Indented JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
