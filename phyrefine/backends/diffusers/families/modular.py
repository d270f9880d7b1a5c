"""Modular pipelines: Wan, Helios, LTX, HunyuanVideo 1.5, Cosmos 3 and MiniMax H3.

What a class's blocks take is read from them; here is what they mean. All but MiniMax H3 are their
ordinary rows under another class, most of them guided by a guider.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from phyrefine.backends.diffusers.families import conditioning
from phyrefine.backends.diffusers.families.cosmos import COSMOS_3
from phyrefine.backends.diffusers.families.hunyuan import HUNYUAN_15_I2V
from phyrefine.backends.diffusers.families.ltx import LTX_2, LTX_CONDITION
from phyrefine.backends.diffusers.families.native import HELIOS, HELIOS_PYRAMID
from phyrefine.backends.diffusers.families.spec import Checkpoint, FamilySpec, Window
from phyrefine.backends.diffusers.families.wan import I2V, T2V
from phyrefine.types import FrameGrid

# Guidance is the guider's, and no block calls back.
_MODULAR: dict[str, Any] = {
    "guidance": None,
    "callbacks": False,
    "batches": None,
    "accepts": (),
    "checkpoints": (),
}
# Wan's own is 5; a guider is part of a modular checkpoint and may say otherwise.
_NOTE = "A modular pipeline: guidance is its guider's, cancelling waits for the end of a pass, and "
_NOTE += "memory='fast' or a ComponentsManager of your own."


RUN = "real classes with tiny random weights, CPU, float32, diffusers 0.42.1"


def _always(_: Any) -> bool:
    return True


def _unchanged(_: Any, spec: FamilySpec) -> FamilySpec:
    return spec


def _ltx_image(window: Window) -> dict[str, Any]:
    return conditioning.image(window) | {"frame_rate": window.fps}


def _ltx_decoding(pipe: Any) -> dict[str, Any]:
    """As the ordinary row, without its noise on the condition, which the blocks do not take."""
    options = LTX_CONDITION.options(pipe)
    return {name: value for name, value in options.items() if name != "image_cond_noise_scale"}


def _no_options(_: Any) -> dict[str, Any]:
    return {}


def _row(base: FamilySpec, name: str, pipeline: str, notes: str, **changes: Any) -> FamilySpec:
    """An ordinary row under a modular class."""
    settings = _MODULAR | {"fits": _always, "notes": f"{notes} {_NOTE}", "verified": RUN} | changes
    return evolve(base, name=name, pipeline=pipeline, **settings)


MODULAR = (
    _row(T2V, "wan-2.1-t2v-modular", "WanModularPipeline", "Text only."),
    _row(T2V, "wan-2.2-t2v-modular", "Wan22ModularPipeline", "Text only."),
    _row(I2V, "wan-2.1-i2v-modular", "WanImage2VideoModularPipeline", "Sees one frame."),
    _row(I2V, "wan-2.2-i2v-modular", "Wan22Image2VideoModularPipeline", "Sees one frame."),
    _row(
        HELIOS,
        "helios-modular",
        "HeliosModularPipeline",
        "Sees 66 frames, or 33, or one; makes video from text alone too.",
    ),
    _row(
        HELIOS_PYRAMID,
        "helios-pyramid-modular",
        "HeliosPyramidModularPipeline",
        "Sees 66 frames, or 33, or one; makes video from text alone too. steps= counts per level "
        "of its pyramid of three.",
    ),
    _row(
        LTX_CONDITION,
        "ltx-modular",
        "LTXModularPipeline",
        "Sees one frame, and makes video from text alone too; ltx-condition sees more.",
        condition=_ltx_image,
        contexts=(1,),
        options=_ltx_decoding,
    ),
    _row(
        LTX_2,
        "ltx-2-modular",
        "LTX2ModularPipeline",
        "Sees up to 65 frames (2.7 s), and makes video from text alone too. It makes sound too, "
        "which is dropped.",
        unguided={},
        # Its guiders are the checkpoint's.
        options=_no_options,
    ),
    _row(
        HUNYUAN_15_I2V,
        "hunyuanvideo-1.5-modular",
        "HunyuanVideo15ModularPipeline",
        "Sees one frame, and makes video from text alone too, each from weights of its own.",
        text=conditioning.text_only,
        adapt=_unchanged,
        own_size=None,
    ),
    _row(
        COSMOS_3,
        "cosmos-3-modular",
        "Cosmos3OmniModularPipeline",
        "Sees 5 frames, and makes video from text alone too. The license asks for NVIDIA's "
        "guardrail; without it call disable_safety_checker() on the pipeline.",
        # Its guidance is an argument, not a guider.
        guidance=COSMOS_3.guidance,
    ),
    FamilySpec(
        "minimax-h3",
        "MiniMaxH3ModularPipeline",
        24.0,
        (768, 1344),
        conditioning.image,
        text=conditioning.text_only,
        size_multiple=32,
        # 5 to 15 s in steps of 17 frames.
        grid=FrameGrid(17, 5, most=345, least=124),
        guidance=None,
        negative_prompt=False,
        callbacks=False,
        prompt_tokens=None,
        prompt_words=300,
        dialect="timed",
        checkpoints=(Checkpoint("MiniMaxAI/MiniMax-H3"),),
        license="see the model card",
        verified=RUN + "; a stand-in for the processor, which needs torchvision",
        notes="Sees one frame, and makes video from text alone too. It makes sound, which is "
        f"dropped, and takes no negative prompt. {_NOTE}",
    ),
)
