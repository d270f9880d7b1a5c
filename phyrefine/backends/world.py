"""The embedded default: a pixel-measuring VLM, an extractive LLM, a tiny learned generator.

It shows the mechanism on any laptop; its numbers say nothing of large models.
"""

from __future__ import annotations

from typing import Any

from phyrefine.errors import UnknownBackendError
from phyrefine.registry import Backend


def _vlm(model: str | None, **options: Any) -> Any:
    from phyrefine.world.eye import WorldVLM

    if model is not None:
        raise UnknownBackendError(f"The world has one VLM: use 'world', not 'world:{model}'.")
    return WorldVLM(**options)


def _llm(model: str | None, **options: Any) -> Any:
    from phyrefine.world.rewriter import WorldLLM

    if model not in (None, "extractive", "paraphrase"):
        raise UnknownBackendError(
            f"The world's LLM has no variant {model!r}: use 'world:extractive' or "
            "'world:paraphrase'."
        )
    return WorldLLM("paraphrase" if model == "paraphrase" else "extractive", **options)


def _generator(model: str | None, **options: Any) -> Any:
    from phyrefine._optional import require

    require("torch", extra="demo", feature="The world's video generator")
    from phyrefine.world.generator import WorldGenerator

    return WorldGenerator(model, **options) if model else WorldGenerator(**options)


BACKEND = Backend(
    name="world",
    summary="small world on this machine: measuring VLM, extractive LLM, tiny learned generator",
    extra="demo",
    needs=("torch", "safetensors"),
    vlm=_vlm,
    llm=_llm,
    generator=_generator,
    options_from={
        "vlm": (_vlm, "phyrefine.world.eye:WorldVLM"),
        "llm": (_llm,),
        "generator": ("phyrefine.world.generator:WorldGenerator",),
    },
)
