"""LoRAs on a diffusers pipeline, through diffusers and peft."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phyrefine._optional import require
from phyrefine.errors import InvalidInputError, ModelNotFoundError


def load_loras(pipe: Any, loras: Mapping[str, float]) -> None:
    """Load each LoRA and set how strongly it acts.

    Args:
        pipe: A diffusers pipeline that is not shared.
        loras: Paths or hub ids, and the strength of each.

    Raises:
        MissingDependencyError: peft is not installed.
        InvalidInputError: The pipeline takes no LoRA, or this one does not fit it.
        ModelNotFoundError: No such LoRA.
    """
    require("peft", extra="diffusers", feature="A LoRA")
    if not hasattr(pipe, "load_lora_weights"):
        raise InvalidInputError(f"{type(pipe).__name__} takes no LoRA: leave loras out.")
    names = [f"lora_{index}" for index in range(len(loras))]
    for name, source in zip(names, loras, strict=True):
        if source.startswith((".", "/", "~")) and not Path(source).expanduser().exists():
            raise ModelNotFoundError(
                f"No LoRA at {source!r}. Pass a .safetensors file, its folder, or a hub id.",
                provider="diffusers",
                model=source,
            )
        try:
            pipe.load_lora_weights(source, adapter_name=name)
        except OSError as error:
            raise ModelNotFoundError(
                f"{source!r} is no LoRA that can be read: {_line(error)}. Pass a .safetensors "
                "file, its folder, or a hub id.",
                provider="diffusers",
                model=source,
            ) from error
        except (ValueError, KeyError, RuntimeError) as error:
            raise InvalidInputError(
                f"The LoRA {source!r} does not fit {type(pipe).__name__}: {_line(error)}."
            ) from error
    known = {adapter for adapters in pipe.get_list_adapters().values() for adapter in adapters}
    for name, source in zip(names, loras, strict=True):
        if name not in known:
            raise InvalidInputError(
                f"The LoRA {source!r} holds nothing for {type(pipe).__name__}: it was made for "
                "another model."
            )
    pipe.set_adapters(names, adapter_weights=list(loras.values()))


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
