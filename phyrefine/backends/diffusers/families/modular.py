"""Modular pipelines: Wan, Helios and MiniMax H3.

What a class's blocks take is read from them; here is what they mean. Wan and Helios are their
ordinary rows under another class, guided by a guider.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from phyrefine.backends.diffusers.families import conditioning
from phyrefine.backends.diffusers.families.native import HELIOS
from phyrefine.backends.diffusers.families.spec import Checkpoint, FamilySpec, Window
from phyrefine.backends.diffusers.families.wan import I2V, T2V
from phyrefine.types import FrameGrid

# Guidance is the guider's, and no block calls back.
_MODULAR: dict[str, Any] = {"guidance": None, "callbacks": False, "accepts": (), "checkpoints": ()}
# Wan's own is 5; a guider is part of a modular checkpoint and may say otherwise.
_NOTE = "A modular pipeline: guidance is its guider's, cancelling waits for the end of a pass, and "
_NOTE += "memory='fast' or a ComponentsManager of your own."


def _always(_: Any) -> bool:
    return True


def _h3_image(window: Window) -> dict[str, Any]:
    return {"image": window.images[-1], "num_frames": window.length}


MODULAR = (
    evolve(
        T2V,
        name="wan-2.1-t2v-modular",
        pipeline="WanModularPipeline",
        fits=_always,
        notes="Text only. " + _NOTE,
        **_MODULAR,
    ),
    evolve(
        T2V,
        name="wan-2.2-t2v-modular",
        pipeline="Wan22ModularPipeline",
        fits=_always,
        notes="Text only. " + _NOTE,
        **_MODULAR,
    ),
    evolve(
        I2V,
        name="wan-2.1-i2v-modular",
        pipeline="WanImage2VideoModularPipeline",
        fits=_always,
        notes="Sees one frame. " + _NOTE,
        **_MODULAR,
    ),
    evolve(
        I2V,
        name="wan-2.2-i2v-modular",
        pipeline="Wan22Image2VideoModularPipeline",
        fits=_always,
        notes="Sees one frame. " + _NOTE,
        **_MODULAR,
    ),
    evolve(
        HELIOS,
        name="helios-modular",
        pipeline="HeliosModularPipeline",
        notes="Sees 66 frames, or 33, or one; makes video from text alone too. " + _NOTE,
        **_MODULAR,
    ),
    FamilySpec(
        "minimax-h3",
        "MiniMaxH3ModularPipeline",
        24.0,
        (768, 1344),
        _h3_image,
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
        verified="not run: read in diffusers 0.42.1",
        notes="Sees one frame, and makes video from text alone too. It makes sound, which is "
        "dropped, and takes no negative prompt. " + _NOTE,
    ),
)
