"""How much device memory a generator may need, before any weight is loaded."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from phyrefine._optional import require
from phyrefine.backends.diffusers.families import table as families
from phyrefine.backends.diffusers.families.spec import FamilySpec
from phyrefine.backends.diffusers.memory import DENOISERS, TILE_FROM_PIXELS
from phyrefine.backends.diffusers.sizing import parts, work
from phyrefine.errors import InvalidInputError

log = logging.getLogger(__name__)

GIB = 2**30
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# Where there is no configuration to follow: bytes of working memory per output pixel (frames x
# height x width) at two bytes per value, and the share of it for the denoiser or a VAE in tiles.
# Decoders of full size range from 100 (LTX) to 930 (CogVideoX); the upper end is taken.
RULE_BYTES_PER_PIXEL = 930.0
RULE_TILED_SHARE = 0.25
# Of a layer that moves while the one before it still computes.
LAYERS_AT_ONCE = 2
ANY_LENGTH = 121

EXACT = "parameters from the checkpoint's own files and configuration"
TABLE = "published parameter counts"
TRACED = (
    "working memory estimated: the decoder run without data at this size, the denoiser from its "
    "width and tokens"
)
RULE = "working memory by rule of thumb, at the upper end"
BEYOND = "What CUDA itself and its libraries take comes on top"


@frozen
class MemoryEstimate:
    """How much device memory a generator may need. Weights are counted; the rest is estimated.

    Attributes:
        model: Checkpoint.
        family: Family's name.
        dtype: Type of the weights.
        size: (height, width) of the pass.
        frames: Frames of the pass.
        weights: GiB by component.
        work: Estimated GiB beside the weights, by stage: ``"denoising"``, ``"decoding"``,
            ``"decoding in tiles"``.
        peak: Estimated GiB by memory mode.
        basis: Where the figures come from.
    """

    model: str
    family: str
    dtype: str
    size: tuple[int, int]
    frames: int
    weights: Mapping[str, float]
    work: Mapping[str, float]
    peak: Mapping[str, float]
    basis: str


def estimate_memory(
    model: str,
    *,
    dtype: str = "bfloat16",
    fp8: bool = False,
    size: tuple[int, int] | None = None,
    num_frames: int | None = None,
) -> MemoryEstimate:
    """Estimate the device memory of a checkpoint in each memory mode, without loading it.

    A folder, or a hub id whose configuration files are in the local cache, is sized by its own
    files: parameters from headers or configurations, the decoder's working memory by running it
    on torch's ``meta`` device. Nothing is downloaded. Other hub ids need a row with published
    parameter counts, and get their working memory by a rule of thumb.

    Args:
        model: Folder of a diffusers pipeline, or a hub id.
        dtype: ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        fp8: The denoiser's weights are kept in 8-bit floats.
        size: (height, width); by default the family's.
        num_frames: Frames of one pass; by default the family's longest.

    Raises:
        InvalidInputError: Neither a pipeline folder, nor in the cache, nor in the table.
        MissingDependencyError: diffusers is not installed.
    """
    if dtype not in BYTES:
        raise InvalidInputError(f"dtype must be float32, bfloat16 or float16, not {dtype!r}.")
    folder = _folder(model)
    if folder is None:
        return _from_table(model, dtype, size, num_frames, fp8=fp8)
    require("diffusers", extra="diffusers", feature="A memory estimate of a checkpoint")
    from phyrefine.backends.diffusers.pipelines import row_of

    spec = row_of(str(folder), None)
    components = parts.parts_of(folder)
    return estimate_parts(
        model, spec, components, dtype=dtype, fp8=fp8, size=size, num_frames=num_frames
    )


def estimate_parts(
    model: str,
    spec: FamilySpec,
    components: Sequence[parts.Part],
    *,
    dtype: str,
    fp8: bool = False,
    size: tuple[int, int] | None = None,
    num_frames: int | None = None,
) -> MemoryEstimate:
    """The estimate of a pipeline whose components are known.

    Args:
        model: Name to tell.
        spec: Its family.
        components: With modules on the ``meta`` device, in float32.
        dtype: As for :func:`estimate_memory`.
        fp8: As for :func:`estimate_memory`.
        size: As for :func:`estimate_memory`.
        num_frames: As for :func:`estimate_memory`.
    """
    each = {one.name: _bytes(spec, one.name, dtype, fp8=fp8) for one in components}
    weights = {one.name: one.parameters * each[one.name] / GIB for one in components}
    layers = [one.largest * each[one.name] / GIB for one in components]
    (height, width), frames = size or spec.size, num_frames or spec.grid.most or ANY_LENGTH
    try:
        stages = _stages(spec, components, dtype, (height, width), frames)
        basis = f"{EXACT}; {TRACED}. {BEYOND}"
    # A decoder of someone else's may do what shapes alone cannot follow.
    except Exception as error:  # noqa: BLE001
        log.info("%s: no working memory from its configuration: %s", model, error)
        stages = _by_rule(dtype, (height, width), frames)
        basis = f"{EXACT}; {RULE}. {BEYOND}"
    peak = _peaks(weights, layers, stages)
    return MemoryEstimate(
        model, spec.name, dtype, (height, width), frames, weights, stages, peak, basis
    )


def _from_table(
    model: str, dtype: str, size: tuple[int, int] | None, num_frames: int | None, *, fp8: bool
) -> MemoryEstimate:
    spec, billions = _published(model)
    weights = {
        name: count * 1e9 * _bytes(spec, name, dtype, fp8=fp8) / GIB
        for name, count in billions.items()
    }
    (height, width), frames = size or spec.size, num_frames or spec.grid.most or ANY_LENGTH
    stages = _by_rule(dtype, (height, width), frames)
    # The largest layer of a published checkpoint is a text encoder's table of embeddings.
    peak = _peaks(weights, [max(weights.values()) * 0.1], stages)
    basis = f"{TABLE}; {RULE}. {BEYOND}. {_fetch(model)}"
    return MemoryEstimate(
        model, spec.name, dtype, (height, width), frames, weights, stages, peak, basis
    )


# -- peaks -------------------------------------------------------------------------------------


def _peaks(
    weights: Mapping[str, float], layers: Iterable[float], stages: Mapping[str, float]
) -> dict[str, float]:
    """GiB by memory mode.

    ``fast`` holds all weights, ``balanced`` one component at a time, ``tight`` single layers.
    """
    denoising, tiled = stages["denoising"], stages["decoding in tiles"]
    denoisers = [size for name, size in weights.items() if name in DENOISERS]
    decoder, total = weights.get("vae", 0.0), sum(weights.values())
    moving = min(total, LAYERS_AT_ONCE * max(layers, default=0.0))
    return {
        "fast": total + max(denoising, stages["decoding"]),
        "balanced": max(*weights.values(), max(denoisers) + denoising, decoder + tiled),
        "tight": moving + max(denoising, tiled),
    }


def _stages(
    spec: FamilySpec,
    components: Sequence[parts.Part],
    dtype: str,
    size: tuple[int, int],
    frames: int,
) -> dict[str, float]:
    """Estimated working memory in GiB by stage, from the modules."""
    named = {one.name: one.module for one in components}
    vae, denoiser = named["vae"], named["transformer"]
    grid = work.grid_of(vae)
    latents = grid.latents(frames, size)
    denoising = work.denoising_values(
        denoiser.config,
        latents,
        prompt=spec.prompt_tokens or 0,
        batch=spec.denoised_at_once if spec.guided else 1,
    )
    whole = work.decoding_values(vae, grid, latents, tiled=False)
    tiles = max(size) >= TILE_FROM_PIXELS
    values = {
        "decoding": whole,
        "decoding in tiles": work.decoding_values(vae, grid, latents, tiled=True)
        if tiles
        else whole,
    }
    each = _bytes(spec, "vae", dtype, fp8=False)
    return {"denoising": denoising * BYTES[dtype] / GIB} | {
        stage: count * each / GIB for stage, count in values.items()
    }


def _by_rule(dtype: str, size: tuple[int, int], frames: int) -> dict[str, float]:
    decoding = frames * size[0] * size[1] * RULE_BYTES_PER_PIXEL * BYTES[dtype] / 2 / GIB
    tiled = decoding * RULE_TILED_SHARE
    return {"denoising": tiled, "decoding": decoding, "decoding in tiles": tiled}


def _bytes(spec: FamilySpec, name: str, dtype: str, *, fp8: bool) -> int:
    """Bytes of one value in a component's weights."""
    if fp8 and name in DENOISERS:
        return 1
    return 4 if name in spec.fp32 else BYTES[dtype]


# -- where a checkpoint is ---------------------------------------------------------------------


def _folder(model: str) -> Path | None:
    """The folder of a checkpoint, if it or its configuration is on this machine."""
    folder = Path(model)
    if folder.is_dir():
        return folder if parts.index_of(folder) else None
    cached = _cached(model)
    return cached if cached is not None and parts.index_of(cached) else None


def _cached(model: str) -> Path | None:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        return None
    # Not a hub id at all, or one that was never fetched.
    try:
        return Path(snapshot_download(model, local_files_only=True))
    except (OSError, ValueError):
        return None


def _published(model: str) -> tuple[FamilySpec, Mapping[str, float]]:
    known = [(spec, one) for spec in families.FAMILIES for one in spec.checkpoints if one.billions]
    for spec, checkpoint in known:
        if checkpoint.id == model:
            return spec, checkpoint.billions
    raise InvalidInputError(
        f"{model!r} is neither a folder with a model_index.json nor one of "
        f"{', '.join(dict.fromkeys(one.id for _, one in known))}. {_fetch(model)}"
    )


def _fetch(model: str) -> Any:
    return (
        f"To size it by its own configuration, fetch that first (a few MB): "
        f'hf download {model} --include "*.json"'
    )
