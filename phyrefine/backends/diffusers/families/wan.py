"""Wan 2.1 and 2.2 image-to-video and text-to-video, Wan 2.2 TI2V, and Wan VACE."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from phyrefine.backends.diffusers.families import conditioning
from phyrefine.backends.diffusers.families.spec import TINY, Checkpoint, FamilySpec, Window
from phyrefine.types import FrameGrid

GRAY = 128
KEEP, MAKE = 0, 255
_TEXT = {"text_encoder": 5.68, "vae": 0.13}
_EXPERTS = {**_TEXT, "transformer": 14.3, "transformer_2": 14.3}
# The 5B model of Wan 2.2, whose VAE halves the latents' size once more.
_TI2V: dict[str, Any] = {
    "fps": 24.0,
    "size": (704, 1280),
    "size_multiple": 32,
    "grid": FrameGrid(4, 1, most=121, least=49),
    "checkpoints": (Checkpoint("Wan-AI/Wan2.2-TI2V-5B-Diffusers", {**_TEXT, "transformer": 5.0}),),
}


def _vace(window: Window) -> dict[str, Any]:
    """Context frames to keep, then gray frames to make, all at exactly the model's size.

    The pipeline never enlarges a control clip and keeps its aspect: one of another size runs
    without an error but lies in the wrong place.
    """
    from PIL import Image

    height, width = window.size
    kept, missing = len(window.frames), window.length - len(window.frames)
    gray = Image.new("RGB", (width, height), (GRAY, GRAY, GRAY))
    masks = [Image.new("L", (width, height), value) for value in (KEEP, MAKE)]
    return {
        "video": window.images + [gray] * missing,
        "mask": [masks[0]] * kept + [masks[1]] * missing,
        "num_frames": window.length,
    }


def _is_ti2v(pipe: Any) -> bool:
    return bool(getattr(pipe.config, "expand_timesteps", False))


def _has_two_experts(pipe: Any) -> bool:
    return getattr(pipe.config, "boundary_ratio", None) is not None and not _is_ti2v(pipe)


def _has_one_network(pipe: Any) -> bool:
    return not _is_ti2v(pipe) and not _has_two_experts(pipe)


I2V = FamilySpec(
    "wan-2.1-i2v",
    "WanImageToVideoPipeline",
    16.0,
    (480, 832),
    conditioning.image,
    fits=_has_one_network,
    grid=FrameGrid(4, 1, most=81, least=33),
    dtypes=("bfloat16", "float16"),
    batches="noise",
    fp32=("vae", "image_encoder"),
    checkpoints=(
        Checkpoint(
            "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers",
            {**_TEXT, "transformer": 16.4, "image_encoder": 0.63},
        ),
        Checkpoint(
            "Wan-AI/Wan2.1-I2V-14B-720P-Diffusers",
            {**_TEXT, "transformer": 16.4, "image_encoder": 0.63},
        ),
    ),
    license="Apache-2.0",
    verified=TINY,
    notes="Sees one frame. 81 frames hold exactly 5 s. For the 720P weights pass size=(720, 1280).",
)

T2V = evolve(
    I2V,
    name="wan-2.1-t2v",
    pipeline="WanPipeline",
    condition=conditioning.text_only,
    contexts=(0,),
    batches="context",
    fp32=("vae",),
    checkpoints=(
        Checkpoint("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", {**_TEXT, "transformer": 1.42}),
        Checkpoint("Wan-AI/Wan2.1-T2V-14B-Diffusers", {**_TEXT, "transformer": 14.3}),
    ),
    notes="Text only: it does not see a prefix. 81 frames hold 5 s.",
)

WAN = (
    I2V,
    evolve(
        I2V,
        name="wan-2.2-i2v",
        fits=_has_two_experts,
        checkpoints=(Checkpoint("Wan-AI/Wan2.2-I2V-A14B-Diffusers", _EXPERTS),),
        notes="Sees one frame. Two experts of 14B each; guidance_scale_2 is for the second.",
    ),
    evolve(
        I2V,
        name="wan-2.2-ti2v",
        fits=_is_ti2v,
        # The published index names the text-to-video class, which shares every component.
        accepts=("WanPipeline",),
        notes="Sees one frame. 121 frames hold exactly 5 s.",
        **_TI2V,
    ),
    T2V,
    evolve(
        T2V,
        name="wan-2.2-t2v",
        fits=_has_two_experts,
        checkpoints=(Checkpoint("Wan-AI/Wan2.2-T2V-A14B-Diffusers", _EXPERTS),),
        notes="Text only: it does not see a prefix. Two experts of 14B each.",
    ),
    evolve(
        T2V,
        name="wan-2.2-ti2v-text",
        fits=_is_ti2v,
        notes="Text only. Loading the checkpoint by name gives the image-to-video row; for text "
        "to video pass a WanPipeline, or family='wan-2.2-ti2v-text'.",
        **_TI2V,
    ),
    evolve(
        I2V,
        name="wan-vace",
        pipeline="WanVACEPipeline",
        condition=_vace,
        text=_vace,
        fits=lambda _: True,
        contexts=(17, 13, 9, 5, 1),
        batches=None,
        fp32=("vae",),
        checkpoints=(
            Checkpoint("Wan-AI/Wan2.1-VACE-1.3B-diffusers", {**_TEXT, "transformer": 2.15}),
            Checkpoint("Wan-AI/Wan2.1-VACE-14B-diffusers", {**_TEXT, "transformer": 17.3}),
        ),
        notes="Sees up to 17 frames (1 s), so 5 s take two passes; context_frames=1 makes it one. "
        "Without a prefix it makes video from text.",
    ),
)
