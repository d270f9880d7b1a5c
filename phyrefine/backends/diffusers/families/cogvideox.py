"""CogVideoX: image-to-video and text-to-video, first generation and 1.5."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from phyrefine.backends.diffusers.families import conditioning
from phyrefine.backends.diffusers.families.spec import TINY, Checkpoint, FamilySpec
from phyrefine.types import FrameGrid


def _is_15(pipe: Any) -> bool:
    return getattr(pipe.transformer.config, "patch_size_t", None) is not None


def _cogvideox(pipe: Any, spec: FamilySpec) -> FamilySpec:
    config = pipe.transformer.config
    scale = getattr(pipe, "vae_scale_factor_spatial", 8)
    # The released 1.5 configurations name a position table larger than the size trained at.
    size = (
        min(spec.size[0], config.sample_height * scale),
        min(spec.size[1], config.sample_width * scale),
    )
    smaller = size != spec.size
    frames = config.sample_frames
    rotary = getattr(config, "use_rotary_positional_embeddings", True)
    return evolve(
        spec,
        size=size,
        fixed_size=spec.fixed_size or smaller,
        grid=evolve(
            spec.grid, least=frames, most=frames if not _is_15(pipe) or smaller else spec.grid.most
        ),
        prompt_tokens=config.max_text_seq_length,
        # The 2B model is the one without rotary positions; it was trained in float16.
        dtypes=("bfloat16", "float16") if rotary else ("float16",),
    )


def _cogvideox_options(pipe: Any) -> dict[str, Any]:
    return {
        "max_sequence_length": pipe.transformer.config.max_text_seq_length,
        # Its authors pair dynamic guidance with the DPM scheduler and switch it off with DDIM.
        "use_dynamic_cfg": type(pipe.scheduler).__name__ == "CogVideoXDPMScheduler",
    }


_COGVIDEOX: dict[str, Any] = {
    "adapt": _cogvideox,
    "options": _cogvideox_options,
    "guidance": 6.0,
    "denoised_at_once": 2,
    "dtypes": ("bfloat16", "float16"),
    "dialect": "prose",
    "prompt_tokens": 226,
    "prompt_words": 160,
    "batches": "context",
    "dispatches_attention": False,
    "scheduler": ("CogVideoXDPMScheduler", {"timestep_spacing": "trailing"}),
    "verified": TINY,
}
_COGVIDEOX_LICENSE = "CogVideoX License: research free; commercial use needs registration"
_5B = {"transformer": 5.57, "text_encoder": 4.76, "vae": 0.22}

COGVIDEOX = (
    FamilySpec(
        "cogvideox-i2v",
        "CogVideoXImageToVideoPipeline",
        8.0,
        (480, 720),
        conditioning.image,
        fits=lambda pipe: not _is_15(pipe),
        fixed_size=True,
        grid=FrameGrid(8, 1, most=49, least=49),
        checkpoints=(Checkpoint("THUDM/CogVideoX-5b-I2V", _5B),),
        license=_COGVIDEOX_LICENSE,
        notes="Sees one frame: say each object's direction and speed. 49 frames is the only length "
        "it is good at, so the rest of the last pass is cut off.",
        **_COGVIDEOX,
    ),
    FamilySpec(
        "cogvideox-1.5-i2v",
        "CogVideoXImageToVideoPipeline",
        16.0,
        (768, 1360),
        conditioning.image,
        fits=_is_15,
        grid=FrameGrid(16, 1, most=161, least=81),
        checkpoints=(Checkpoint("THUDM/CogVideoX1.5-5B-I2V", _5B),),
        license=_COGVIDEOX_LICENSE,
        notes="Sees one frame. 81 frames hold exactly 5 s.",
        **_COGVIDEOX,
    ),
    FamilySpec(
        "cogvideox-t2v",
        "CogVideoXPipeline",
        8.0,
        (480, 720),
        conditioning.text_only,
        fits=lambda pipe: not _is_15(pipe),
        fixed_size=True,
        grid=FrameGrid(8, 1, most=49, least=49),
        contexts=(0,),
        checkpoints=(
            Checkpoint("THUDM/CogVideoX-5b", _5B),
            Checkpoint("THUDM/CogVideoX-2b", {**_5B, "transformer": 1.69}),
        ),
        license=_COGVIDEOX_LICENSE + "; the 2B model is Apache-2.0",
        notes="Text only: it ignores the prefix and cannot go beyond one pass.",
        **_COGVIDEOX,
    ),
    FamilySpec(
        "cogvideox-1.5-t2v",
        "CogVideoXPipeline",
        16.0,
        (768, 1360),
        conditioning.text_only,
        fits=_is_15,
        grid=FrameGrid(16, 1, most=161, least=81),
        contexts=(0,),
        checkpoints=(Checkpoint("THUDM/CogVideoX1.5-5B", _5B),),
        license=_COGVIDEOX_LICENSE,
        notes="Text only: it ignores the prefix and cannot go beyond one pass.",
        **_COGVIDEOX,
    ),
)
