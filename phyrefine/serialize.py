"""Values to JSON and back, through one converter.

Clips are not put into JSON: they become ``{"clip": digest, "fps": ..., "frames": ...}`` and are
kept by whoever is given as ``keep``; on the way back ``fetch`` finds them by digest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import cattrs
from cattrs.preconf.json import make_converter

from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.types import JSON
from phyrefine.video.clip import Clip

T = TypeVar("T")
Keep = Callable[[Clip], object]
Fetch = Callable[[str], Clip | None]


def _converter(keep: Keep | None = None, fetch: Fetch | None = None) -> Any:
    converter = make_converter(forbid_extra_keys=True)

    def unstructure_clip(clip: Clip) -> JSON:
        if keep is not None:
            keep(clip)
        return {"clip": clip.digest, "fps": clip.fps, "frames": len(clip), "size": list(clip.size)}

    def structure_clip(value: Any, _: Any) -> Clip:
        clip = fetch(value["clip"]) if fetch is not None else None
        if clip is None:
            raise StoreError(f"The clip {value.get('clip')!r} is not in the store.")
        return clip

    converter.register_unstructure_hook(Clip, unstructure_clip)
    converter.register_structure_hook(Clip, structure_clip)
    converter.register_structure_hook_func(lambda kind: kind is Any, lambda value, _: value)
    return converter


def to_json(value: Any, *, keep: Keep | None = None) -> JSON:
    """What ``json.dumps`` takes, from any value of ``phyrefine.types``.

    Args:
        value: One of our frozen values.
        keep: Called with every clip met, for example ``store.put_clip``.
    """
    return _converter(keep=keep).unstructure(value)


def from_json(value: JSON, kind: type[T], *, fetch: Fetch | None = None) -> T:
    """A value of ``kind`` from JSON; unknown keys are refused.

    Args:
        value: Parsed JSON.
        kind: One of our frozen types.
        fetch: Finds a clip by digest, for example ``store.get_clip``.

    Raises:
        InvalidInputError: Keys or types do not fit; the message says where.
    """
    try:
        structured: T = _converter(fetch=fetch).structure(value, kind)
    except (cattrs.BaseValidationError, cattrs.ForbiddenExtraKeysError) as error:
        where = "; ".join(cattrs.transform_error(error, path=kind.__name__))
        raise InvalidInputError(f"Not a {kind.__name__}: {where}.") from error
    return structured


def canonical(value: JSON) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def pretty(value: Mapping[str, Any] | JSON) -> str:
    """Indented JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
