"""Loading MAGI-1 for the generator: data types, devices, and errors that say what to pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import fields

from phyrefine._optional import require
from phyrefine.errors import InvalidInputError, ModelNotFoundError, PhyrefineError

if TYPE_CHECKING:
    from phyrefine.magi.pipeline import MagiPipeline

NEEDS = ("torch", "diffusers", "transformers", "accelerate", "bs4", "ftfy", "sentencepiece")


def load_pipeline(
    path: str | Path,
    *,
    dtype: Any = None,
    device: Any = None,
    memory: Any = "fast",
    text: Any = None,
    quirks: Any = None,
    text_dtype: Any = "float32",
    **options: Any,
) -> MagiPipeline:
    """Load a pipeline; arguments and errors as ``MagiGenerator.from_pretrained``."""
    for module in NEEDS:
        require(module, extra="magi", feature="MAGI-1")
    import torch

    from phyrefine.magi.media import Quirks
    from phyrefine.magi.pipeline import MagiPipeline
    from phyrefine.magi.text.captions import TextOptions
    from phyrefine.magi.weights.memory import Memory

    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    default = torch.float32 if where.type == "cpu" else torch.bfloat16
    try:
        return MagiPipeline.from_pretrained(
            path,
            dtype=default if dtype is None else dtype_of(dtype),
            device=where,
            memory=_value(Memory, "memory", memory),
            text=_value(TextOptions, "text", text) or TextOptions(),
            quirks=Quirks.original()
            if quirks == "original"
            else _value(Quirks, "quirks", quirks) or Quirks(),
            text_dtype=dtype_of(text_dtype),
            **options,
        )
    except PhyrefineError:
        raise
    except (OSError, ValueError) as error:
        if Path(path).exists():
            raise
        raise ModelNotFoundError(
            f"{str(path)!r} is neither a folder nor a model the hub gives out "
            f"({type(error).__name__}). Pass the folder of a MAGI-1 checkpoint, or a hub id "
            "such as sand-ai/MAGI-1 with the hub in reach.",
            provider="magi",
            model=str(path),
        ) from error


def dtype_of(name: Any) -> Any:
    """The ``torch.dtype`` of a name, or of itself.

    Raises:
        InvalidInputError: Neither bfloat16, float16 nor float32.
    """
    import torch

    found = getattr(torch, name, None) if isinstance(name, str) else name
    if found not in (torch.bfloat16, torch.float16, torch.float32):
        raise InvalidInputError(f"dtype must be bfloat16, float16 or float32, not {name!r}.")
    return found


def _value(kind: Any, name: str, given: Any) -> Any:
    """The value itself, or one made of the JSON object that a command line gives.

    Raises:
        InvalidInputError: A field it does not have.
    """
    if not isinstance(given, Mapping):
        return given
    unknown = sorted(set(given) - {field.name for field in fields(kind)})
    if unknown:
        known = ", ".join(field.name for field in fields(kind))
        raise InvalidInputError(f"{name} takes no {unknown[0]!r}. It takes: {known}.")
    return kind(**given)
