"""LTX-Video and LTX-2: continue a clip within one pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve

from phyrefine.backends.diffusers.families.spec import TINY, Checkpoint, FamilySpec, Window
from phyrefine.types import FrameGrid


def _condition(window: Window) -> dict[str, Any]:
    """The whole context from frame 0 on.

    ``video=[image, ...]`` would be read as a list of conditions and use its first frame only; a
    clip that is not 8m + 1 frames long would lose its end.
    """
    from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

    return {
        "conditions": [LTXVideoCondition(video=window.images, frame_index=0)],
        "num_frames": window.length,
        "frame_rate": window.fps,
    }


def _options(pipe: Any) -> dict[str, Any]:
    # Lightricks' maintainers advise these two for decoders that take a timestep (0.9.1 on).
    if getattr(pipe.vae.config, "timestep_conditioning", False):
        return {"decode_timestep": 0.05, "image_cond_noise_scale": 0.025}
    return {}


def _condition_2(window: Window) -> dict[str, Any]:
    """The whole context from latent 0 on; a single frame without H.264 artifacts put into it."""
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

    return {
        "conditions": [LTX2VideoCondition(frames=window.images, index=0, crf=0)],
        "num_frames": window.length,
        "frame_rate": window.fps,
    }


def _text(window: Window) -> dict[str, Any]:
    return {"num_frames": window.length, "frame_rate": window.fps}


LTX_CONDITION = FamilySpec(
    "ltx-condition",
    "LTXConditionPipeline",
    24.0,
    (512, 704),
    _condition,
    text=_text,
    size_multiple=32,
    grid=FrameGrid(8, 1, most=257, least=97),
    contexts=tuple(range(65, 0, -8)),
    options=_options,
    guidance=3.0,
    denoised_at_once=2,
    prompt_tokens=256,
    prompt_words=180,
    accepts=("LTXPipeline", "LTXImageToVideoPipeline"),
    checkpoints=(
        Checkpoint(
            "Lightricks/LTX-Video-0.9.5",
            {"transformer": 1.92, "text_encoder": 4.76, "vae": 1.2},
        ),
        Checkpoint("Lightricks/LTX-Video-0.9.7-dev"),
        Checkpoint("Lightricks/LTX-Video-0.9.8-13B-distilled"),
    ),
    license="LTX-Video Open Weights License",
    verified=TINY,
    notes="Sees up to 65 frames (2.7 s). Distilled checkpoints want guidance_scale=1.",
)


def _is_newer(pipe: Any) -> bool:
    """LTX-2.3 and later modulate attention across sound and picture."""
    return bool(getattr(pipe.transformer.config, "cross_attn_mod", False))


def _recipe(*, newer: bool, block: int) -> Callable[[Any], dict[str, Any]]:
    """What the authors advise for a generation; diffusers' defaults are those of LTX-2.3."""

    def options(pipe: Any) -> dict[str, Any]:
        last = pipe.transformer.config.num_layers - 1
        return {
            "use_cross_timestep": newer,
            "spatio_temporal_guidance_blocks": [min(block, last)],
        }

    return options


LTX_2 = FamilySpec(
    "ltx-2",
    "LTX2ConditionPipeline",
    24.0,
    (512, 768),
    _condition_2,
    text=_text,
    size_multiple=32,
    grid=FrameGrid(8, 1, most=257, least=121),
    contexts=tuple(range(65, 0, -8)),
    fits=lambda pipe: not _is_newer(pipe),
    options=_recipe(newer=False, block=29),
    steps=30,
    guidance=3.0,
    denoised_at_once=2,
    # huggingface/diffusers#14649: the sound's guidance and STG stay on otherwise.
    unguided={
        "audio_guidance_scale": 1.0,
        "stg_scale": 0.0,
        "audio_stg_scale": 0.0,
        "modality_scale": 1.0,
        "audio_modality_scale": 1.0,
    },
    prompt_tokens=1024,
    batches="noise",
    accepts=("LTX2Pipeline", "LTX2ImageToVideoPipeline"),
    checkpoints=(Checkpoint("Lightricks/LTX-2"),),
    license="LTX-2 Community License",
    verified=TINY,
    notes="Sees up to 65 frames (2.7 s). It makes sound too, which is dropped.",
)

LTX_23 = evolve(
    LTX_2,
    name="ltx-2.3",
    fits=_is_newer,
    options=_recipe(newer=True, block=28),
    checkpoints=(),
    notes="Sees up to 65 frames (2.7 s). It makes sound too, which is dropped. Distilled weights "
    "want guidance_scale=1.",
)

LTX = (LTX_CONDITION, LTX_2, LTX_23)
