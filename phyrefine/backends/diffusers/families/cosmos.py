"""Cosmos 1, Predict2, Predict2.5 and 3 video-to-world."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from phyrefine._optional import installed
from phyrefine.backends.diffusers.families import conditioning
from phyrefine.backends.diffusers.families.spec import TINY, Checkpoint, FamilySpec, Window
from phyrefine.errors import MissingDependencyError
from phyrefine.types import FrameGrid


def _ready(pipe: Any) -> None:
    if getattr(pipe.transformer.config, "concat_padding_mask", False) and not installed(
        "torchvision"
    ):
        raise MissingDependencyError(
            f"{type(pipe).__name__} with these weights resizes its padding mask with torchvision. "
            "Run: pip install torchvision",
            name="torchvision",
        )


def _predict25(window: Window) -> dict[str, Any]:
    """One or two latents of context; ``image=`` would need torchvision."""
    latents = 1 + (len(window.frames) - 1) // 4
    return conditioning.video(window) | {"num_latent_conditional_frames": latents}


def _cosmos3_text(window: Window) -> dict[str, Any]:
    return {"num_frames": window.length, "fps": window.fps}


def _cosmos3(window: Window) -> dict[str, Any]:
    """The context's latents are kept clean; told apart by their index."""
    latents = 1 + (len(window.frames) - 1) // 4
    return conditioning.video(window) | {
        "condition_frame_indexes_vision": tuple(range(latents)),
        "condition_video_keep": "last",
        "fps": window.fps,
    }


_GUARDRAIL = (
    "The license asks for NVIDIA's guardrail (pip install cosmos_guardrail); another one goes in "
    "by load_options={'safety_checker': ...}."
)

_PREDICT2 = FamilySpec(
    "cosmos-predict2",
    "Cosmos2VideoToWorldPipeline",
    16.0,
    (704, 1280),
    conditioning.video,
    fixed_size=True,
    # With as many context frames as the clip has, nothing is generated: five, never more.
    contexts=(5, 1),
    grid=FrameGrid(4, 1, most=93, least=93),
    check=_ready,
    steps=35,
    guidance=7.0,
    prompt_words=300,
    checkpoints=(
        Checkpoint(
            "nvidia/Cosmos-Predict2-2B-Video2World",
            {"transformer": 1.96, "text_encoder": 4.76, "vae": 0.13},
        ),
        Checkpoint("nvidia/Cosmos-Predict2-14B-Video2World"),
    ),
    license="NVIDIA Open Model License",
    verified=TINY + "; a stub in place of the guardrail, concat_padding_mask=False",
    notes="Sees 5 frames. The pipeline's fps=16 stretches time against the released weights by "
    "1.5; options={'fps': 24} undoes that (an open question upstream). " + _GUARDRAIL,
)

COSMOS_3 = FamilySpec(
    "cosmos-3",
    "Cosmos3OmniPipeline",
    24.0,
    (720, 1280),
    _cosmos3,
    text=_cosmos3_text,
    contexts=(5, 1),
    grid=FrameGrid(4, 1, most=189, least=93),
    steps=35,
    guidance=6.0,
    dialect="structured",
    prompt_tokens=None,
    prompt_words=300,
    checkpoints=(Checkpoint("nvidia/Cosmos3-Nano"), Checkpoint("nvidia/Cosmos3-Super")),
    license="NVIDIA Open Model License",
    verified=TINY + "; without the guardrail",
    notes="Sees 5 frames. 125 frames hold 5 s. " + _GUARDRAIL,
)

COSMOS = (
    evolve(
        _PREDICT2,
        name="cosmos-1",
        pipeline="CosmosVideoToWorldPipeline",
        fps=30.0,
        contexts=(9, 1),
        grid=FrameGrid(8, 1, most=121, least=121),
        steps=36,
        checkpoints=(Checkpoint("nvidia/Cosmos-1.0-Diffusion-7B-Video2World"),),
        notes="Sees 9 frames. " + _GUARDRAIL,
    ),
    evolve(
        _PREDICT2,
        name="cosmos-1-text",
        pipeline="CosmosTextToWorldPipeline",
        condition=conditioning.text_only,
        fps=30.0,
        contexts=(0,),
        grid=FrameGrid(8, 1, most=121, least=121),
        steps=36,
        checkpoints=(Checkpoint("nvidia/Cosmos-1.0-Diffusion-7B-Text2World"),),
        notes="Text only: it does not see a prefix. 121 frames hold 4 s. " + _GUARDRAIL,
    ),
    _PREDICT2,
    evolve(
        _PREDICT2,
        name="cosmos-predict2.5",
        pipeline="Cosmos2_5_PredictBasePipeline",
        condition=_predict25,
        steps=36,
        checkpoints=(Checkpoint("nvidia/Cosmos-Predict2.5-2B"),),
        notes="Sees 5 frames. Load revision 'diffusers/base/post-trained'. " + _GUARDRAIL,
    ),
    COSMOS_3,
)
