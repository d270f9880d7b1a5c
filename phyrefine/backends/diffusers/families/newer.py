"""Kandinsky 5 and 6, Motif-Video and EasyAnimate."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from phyrefine.backends.diffusers.families import conditioning
from phyrefine.backends.diffusers.families.spec import TINY, Checkpoint, FamilySpec, Window
from phyrefine.types import FrameGrid

# -- Kandinsky ---------------------------------------------------------------------------------

KANDINSKY_5 = FamilySpec(
    "kandinsky-5-i2v",
    "Kandinsky5I2VPipeline",
    24.0,
    (512, 768),
    conditioning.image,
    grid=FrameGrid(4, 1, most=121, least=121),
    prompt_words=300,
    checkpoints=(Checkpoint("kandinskylab/Kandinsky-5.0-I2V-Pro-sft-5s-Diffusers"),),
    license="see the model card",
    verified=TINY,
    notes="Sees one frame. 121 frames hold exactly 5 s.",
)
KANDINSKY_5_TEXT = evolve(
    KANDINSKY_5,
    name="kandinsky-5-t2v",
    pipeline="Kandinsky5T2VPipeline",
    condition=conditioning.text_only,
    contexts=(0,),
    batches="context",
    checkpoints=(
        Checkpoint("kandinskylab/Kandinsky-5.0-T2V-Lite-sft-5s-Diffusers"),
        Checkpoint("kandinskylab/Kandinsky-5.0-T2V-Pro-sft-5s-Diffusers"),
    ),
    notes="Text only: it does not see a prefix. 121 frames hold 5 s. Checkpoints named nocfg or "
    "distilled want guidance_scale=1, and the distilled ones 16 steps.",
)


def _kandinsky_6(window: Window) -> dict[str, Any]:
    return conditioning.image(window) | {"frame_rate": window.fps}


def _kandinsky_6_text(window: Window) -> dict[str, Any]:
    return {"num_frames": window.length, "frame_rate": window.fps}


KANDINSKY_6 = evolve(
    KANDINSKY_5,
    name="kandinsky-6",
    pipeline="Kandinsky6TI2VAPipeline",
    condition=_kandinsky_6,
    text=_kandinsky_6_text,
    # The sound would be dropped, so none is made.
    options=lambda _: {"sample_audio": False},
    prompt_tokens=1024,
    batches="context",
    checkpoints=(),
    notes="Sees one frame, and makes video from text alone too. It can make sound: that is off.",
)

# -- Motif -------------------------------------------------------------------------------------

MOTIF = FamilySpec(
    "motif-i2v",
    "MotifVideoImage2VideoPipeline",
    24.0,
    (736, 1280),
    conditioning.image,
    grid=FrameGrid(4, 1, most=121, least=121),
    # Guidance belongs to the checkpoint's guider; guidance_scale= makes another one.
    guidance=None,
    prompt_words=300,
    # The published index may name either class; all components are shared.
    accepts=("MotifVideoPipeline",),
    checkpoints=(Checkpoint("Motif-Technologies/Motif-Video-2B"),),
    license="see the model card",
    verified=TINY,
    notes="Sees one frame. 121 frames hold exactly 5 s.",
)
MOTIF_TEXT = evolve(
    MOTIF,
    name="motif-t2v",
    pipeline="MotifVideoPipeline",
    condition=conditioning.text_only,
    contexts=(0,),
    batches="context",
    accepts=("MotifVideoImage2VideoPipeline",),
    notes="Text only. Loading the checkpoint by name gives the image-to-video row; for text to "
    "video pass family='motif-t2v'.",
)

# -- EasyAnimate -------------------------------------------------------------------------------


def _easyanimate(window: Window) -> dict[str, Any]:
    """float32 [1, 3, T, H, W] in 0..1 whose first frame is to be kept, by a mask of 0 and 1."""
    import torch

    count, (height, width) = window.length, window.size
    video = torch.zeros(1, 3, count, height, width)
    video[0, :, 0] = torch.from_numpy(window.frames[-1].copy()).permute(2, 0, 1).float() / 255
    mask = torch.ones(1, 1, count, height, width)
    mask[:, :, 0] = 0
    return {"video": video, "mask_video": mask, "num_frames": count}


def _nothing_more(_: Any) -> None:
    """It has no mask."""


def _with_its_mask(pipe: Any) -> None:
    """Say what the pipeline asks of its VAE and the VAE's class leaves out (diffusers 0.42.1).

    The first frame of a mask has a latent of its own, as in EasyAnimate's own code.
    """
    if "cache_mag_vae" not in pipe.vae.config:
        pipe.vae.register_to_config(cache_mag_vae=True)


EASYANIMATE = FamilySpec(
    "easyanimate-i2v",
    "EasyAnimateInpaintPipeline",
    8.0,
    (384, 672),
    _easyanimate,
    text=conditioning.text_only,
    check=_with_its_mask,
    grid=FrameGrid(4, 1, most=49, least=49),
    denoised_at_once=2,
    dispatches_attention=False,
    # Without one its text encoding fails (diffusers 0.42.1).
    empty_negative=True,
    prompt_tokens=256,
    prompt_words=180,
    checkpoints=(Checkpoint("alibaba-pai/EasyAnimateV5.1-12b-zh-InP-diffusers"),),
    license="see the model card",
    verified=TINY,
    notes="Sees one frame, and makes video from text alone too. 49 frames hold 6 s.",
)
EASYANIMATE_TEXT = evolve(
    EASYANIMATE,
    name="easyanimate-t2v",
    pipeline="EasyAnimatePipeline",
    condition=conditioning.text_only,
    text=None,
    check=_nothing_more,
    contexts=(0,),
    batches="context",
    checkpoints=(
        Checkpoint("alibaba-pai/EasyAnimateV5.1-12b-zh-diffusers"),
        Checkpoint("alibaba-pai/EasyAnimateV5.1-7b-zh-diffusers"),
    ),
    notes="Text only: it does not see a prefix. 49 frames hold 6 s.",
)

NEWER = (
    KANDINSKY_5,
    KANDINSKY_5_TEXT,
    KANDINSKY_6,
    MOTIF,
    MOTIF_TEXT,
    EASYANIMATE,
    EASYANIMATE_TEXT,
)
