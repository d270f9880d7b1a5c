"""Families that roll on by themselves: SkyReels-V2, Helios, AnyFlow-FAR, FramePack."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from attrs import evolve

from phyrefine.backends.diffusers.families import conditioning
from phyrefine.backends.diffusers.families.spec import TINY, Checkpoint, FamilySpec, Window
from phyrefine.types import FrameGrid

WINDOW = 97

# -- SkyReels-V2 -------------------------------------------------------------------------------


def _skyreels(window: Window) -> dict[str, Any]:
    """The context as history; what comes back is the context, its copy, and the new frames."""
    return {
        "video": window.images,
        "num_frames": window.length,
        "overlap_history": len(window.frames),
        # Noise on the history keeps errors from piling up; its authors use 20.
        "addnoise_condition": 20,
        "fps": int(window.fps),
    }


def _skyreels_text(window: Window) -> dict[str, Any]:
    """Windows of its own length, joined in latents when more frames are asked for."""
    arguments = {"num_frames": window.length, "fps": int(window.fps)}
    # Only beyond one window of its own does it slide, and then it wants an overlap.
    return arguments | ({"overlap_history": 17} if window.length > WINDOW else {})


SKYREELS = FamilySpec(
    "skyreels-v2-df",
    "SkyReelsV2DiffusionForcingVideoToVideoPipeline",
    24.0,
    (544, 960),
    _skyreels,
    grid=FrameGrid(4, 1, most=257, least=97),
    contexts=(17, 13, 9, 5),
    returned=lambda length, context: length + context,
    repeated=lambda context: 2 * context,
    fp32=("vae",),
    accepts=(
        "SkyReelsV2DiffusionForcingPipeline",
        "SkyReelsV2DiffusionForcingImageToVideoPipeline",
    ),
    checkpoints=(
        Checkpoint(
            "Skywork/SkyReels-V2-DF-1.3B-540P-Diffusers",
            {"transformer": 1.42, "text_encoder": 5.68, "vae": 0.13},
        ),
        Checkpoint(
            "Skywork/SkyReels-V2-DF-14B-540P-Diffusers",
            {"transformer": 14.3, "text_encoder": 5.68, "vae": 0.13},
        ),
    ),
    license="Skywork Community License",
    verified=TINY,
    notes="Sees 17 frames and slides its own window of base_num_frames (97; 121 for the 720P "
    "weights) in latents.",
)


SKYREELS_TEXT = evolve(
    SKYREELS,
    name="skyreels-v2-df-t2v",
    pipeline="SkyReelsV2DiffusionForcingPipeline",
    condition=_skyreels_text,
    contexts=(0,),
    returned=lambda length, _: length,
    repeated=lambda _: 0,
    guidance=6.0,
    accepts=(),
    notes="Text only: it does not see a prefix. Loading the checkpoint by name gives the row that "
    "continues a video; for text to video pass family='skyreels-v2-df-t2v'.",
)
SKYREELS_I2V = evolve(
    SKYREELS,
    name="skyreels-v2-i2v",
    pipeline="SkyReelsV2ImageToVideoPipeline",
    condition=conditioning.image,
    grid=FrameGrid(4, 1, most=121, least=97),
    contexts=(1,),
    returned=lambda length, _: length,
    repeated=lambda context: context,
    batches="noise",
    fp32=("vae", "image_encoder"),
    accepts=(),
    checkpoints=(Checkpoint("Skywork/SkyReels-V2-I2V-1.3B-540P-Diffusers"),),
    notes="Sees one frame. 121 frames hold exactly 5 s; 97 is the length trained at.",
)
SKYREELS_T2V = evolve(
    SKYREELS_I2V,
    name="skyreels-v2-t2v",
    pipeline="SkyReelsV2Pipeline",
    condition=conditioning.text_only,
    contexts=(0,),
    repeated=lambda _: 0,
    guidance=6.0,
    batches="context",
    fp32=("vae",),
    checkpoints=(Checkpoint("Skywork/SkyReels-V2-T2V-14B-540P-Diffusers"),),
    notes="Text only: it does not see a prefix. 121 frames hold 5 s.",
)


# -- Helios ------------------------------------------------------------------------------------

HELIOS_CHUNK = 33


HELIOS = FamilySpec(
    "helios",
    "HeliosPipeline",
    24.0,
    (384, 640),
    conditioning.video_or_image,
    text=conditioning.text_only,
    fixed_size=True,
    grid=FrameGrid(HELIOS_CHUNK, 0, most=8 * HELIOS_CHUNK, least=HELIOS_CHUNK),
    contexts=(2 * HELIOS_CHUNK, HELIOS_CHUNK, 1),
    # It makes whole chunks and cuts them to what its VAE decodes, 4j + 1.
    returned=lambda length, _: (length - 1) // 4 * 4 + 1,
    repeated=lambda _: 0,
    fp32=("vae",),
    # A fresh list each time: the pipeline changes the default's in place.
    options=lambda _: {"history_sizes": [16, 2, 1]},
    checkpoints=(Checkpoint("BestWishYsh/Helios-Base"),),
    license="Apache-2.0",
    verified=TINY,
    notes="Sees 66 frames, or 33, or one. Gives back new frames only, so nothing can be "
    "cross-faded.",
)


HELIOS_PYRAMID = evolve(
    HELIOS,
    name="helios-pyramid",
    pipeline="HeliosPyramidPipeline",
    # Steps belong to the levels of its pyramid; their number is the checkpoint's.
    steps=2,
    steps_as=lambda count: {"pyramid_num_inference_steps_list": [count] * 3},
    checkpoints=(
        Checkpoint("BestWishYsh/Helios-Mid"),
        Checkpoint("BestWishYsh/Helios-Distilled"),
    ),
    notes="Sees 66 frames, or 33, or one. steps= counts per level of its pyramid of three. "
    "Helios-Distilled wants guidance_scale=1.",
)


# -- AnyFlow-FAR -------------------------------------------------------------------------------


def _anyflow(window: Window) -> dict[str, Any]:
    """A float tensor [1, T, C, H, W] in 0..1."""
    import torch

    frames = torch.from_numpy(window.frames.astype(np.float32) / 255).permute(0, 3, 1, 2)
    return {"video": frames[None], "num_frames": window.length}


def _anyflow_partition(pipe: Any, spec: FamilySpec) -> FamilySpec:
    """Contexts that end on a chunk's edge: one that ends inside leaves its rest as zeros."""
    edges = list(itertools.accumulate(pipe.transformer.config.chunk_partition))
    length = 4 * (edges[-1] - 1) + 1
    contexts = [4 * (edge - 1) + 1 for edge in edges if 4 * (edge - 1) + 1 <= 0.55 * length]
    return evolve(
        spec, grid=FrameGrid(4, 1, most=length, least=length), contexts=tuple(contexts[::-1])
    )


ANYFLOW = FamilySpec(
    "anyflow-far",
    "AnyFlowFARPipeline",
    16.0,
    (480, 832),
    _anyflow,
    grid=FrameGrid(4, 1, most=81, least=81),
    contexts=(37, 25, 13, 1),
    adapt=_anyflow_partition,
    fixed_size=True,
    size_multiple=32,
    steps=4,
    guidance=1.0,
    batches="noise",
    checkpoints=(
        Checkpoint(
            "nvidia/AnyFlow-FAR-Wan2.1-1.3B-Diffusers",
            {"transformer": 1.42, "text_encoder": 5.68, "vae": 0.13},
        ),
    ),
    license="other: see the model card",
    verified=TINY,
    notes="Sees 37 frames (2.3 s). Four steps are enough for it. Checkpoints whose index names a "
    "class of NVIDIA's own package must be loaded by AnyFlowFARPipeline and passed.",
)


ANYFLOW_TEXT = FamilySpec(
    "anyflow-t2v",
    "AnyFlowPipeline",
    16.0,
    (480, 832),
    conditioning.text_only,
    contexts=(0,),
    grid=FrameGrid(4, 1, most=81, least=81),
    steps=4,
    guidance=1.0,
    batches="context",
    checkpoints=(Checkpoint("nvidia/AnyFlow-Wan2.1-T2V-14B-Diffusers"),),
    license="other: see the model card",
    verified=TINY,
    notes="Text only: it does not see a prefix. 81 frames hold 5 s. Four steps are enough for it.",
)


# -- FramePack ---------------------------------------------------------------------------------


def framepack(window: int = 9) -> FamilySpec:
    """FramePack with windows of ``window`` latents: it makes whole windows.

    Each window is ``4 window - 3`` frames asked for and ``4 window`` frames given.
    """
    asked, given = 4 * window - 3, 4 * window
    return FamilySpec(
        "framepack",
        "HunyuanVideoFramepackPipeline",
        30.0,
        (480, 832),
        conditioning.image,
        grid=FrameGrid(asked, 0, most=20 * asked, least=asked),
        returned=lambda length, _: given * (length // asked) + 1,
        options=lambda _: {"latent_window_size": window},
        guidance=9.0,
        # Real guidance needs true_cfg_scale above 1 besides; without it a negative prompt is idle.
        negative_prompt=False,
        prompt_tokens=256,
        prompt_words=120,
        batches="context",
        fp32=(),
        checkpoints=(
            Checkpoint("lllyasviel/FramePackI2V_HY"),
            Checkpoint("lllyasviel/FramePack_F1_I2V_HY_20250503"),
        ),
        license="Tencent Hunyuan Community License",
        verified=TINY,
        notes="Sees one frame, and then its own history in latents: long continuations are one "
        "pass. The class is not in a model_index.json of the published weights: build the "
        "pipeline as the diffusers documentation shows and pass it.",
    )


NATIVE = (
    SKYREELS,
    SKYREELS_TEXT,
    SKYREELS_I2V,
    SKYREELS_T2V,
    HELIOS,
    HELIOS_PYRAMID,
    ANYFLOW,
    ANYFLOW_TEXT,
    framepack(),
)
