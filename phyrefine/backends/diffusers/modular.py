"""Modular pipelines of diffusers: the same loop, other ways to load, to ask and to read the answer.

They have no arguments of their own: their blocks say which inputs there are. Guidance is a guider,
and no block calls back after a denoising step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from phyrefine.errors import InvalidInputError, ModelNotFoundError

OUTPUT = "videos"


def is_modular(pipe: Any) -> bool:
    """Whether a pipeline is a modular one."""
    return any(kind.__name__ == "ModularPipeline" for kind in type(pipe).__mro__)


def inputs_of(pipe: Any) -> frozenset[str]:
    """Names of what the pipeline's blocks take."""
    return frozenset(str(one.name) for one in pipe.blocks.inputs if one.name is not None)


def own_blocks(twin: Any) -> None:
    """Give a second handle blocks of its own, without progress bars; the original keeps its own.

    Args:
        twin: A copy of a modular pipeline that still shares its blocks.
    """
    # The property gives a copy; there is no public way to set one.
    blocks = twin._blocks = twin.blocks  # noqa: SLF001
    waiting = [blocks]
    while waiting:
        block = waiting.pop()
        waiting += getattr(block, "sub_blocks", {}).values()
        if hasattr(block, "set_progress_bar_config"):
            block.set_progress_bar_config(disable=True)


def load_modular(model: str, *, dtype: Any, revision: str | None, options: dict[str, Any]) -> Any:
    """A modular pipeline with all its components.

    Args:
        model: Hub id, or a folder with a ``modular_model_index.json``.
        dtype: Of the components.
        revision: Hub revision.
        options: Further arguments of ``load_components``.

    Raises:
        ModelNotFoundError: No such pipeline.
    """
    from diffusers import ModularPipeline

    try:
        pipe = ModularPipeline.from_pretrained(model, revision=revision)
    except (OSError, ValueError) as error:
        raise ModelNotFoundError(
            f"{model!r} is no modular pipeline: {str(error).splitlines()[0]}",
            provider="diffusers",
            model=model,
        ) from error
    pipe.load_components(dtype=dtype, **options)
    return pipe


def has_modular_index(model: str) -> bool:
    """Whether a folder holds a modular pipeline; a hub id is asked for when nothing else fits."""
    return (Path(model) / "modular_model_index.json").is_file()


def check_mode(mode: str, pipe: Any) -> None:
    """See that a memory mode is one that modular pipelines know.

    Raises:
        InvalidInputError: It is not.
    """
    if is_modular(pipe) and mode != "fast":
        raise InvalidInputError(
            f"memory={mode!r} is not for modular pipelines such as {type(pipe).__name__}: load it "
            "with memory='fast', or give it a ComponentsManager with offloading of your own."
        )
