"""The tiny pipelines as saved folders, and how to load each as a generator."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tiny_pipelines as tiny
from attrs import field, frozen

from phyrefine.backends.diffusers import DiffusersVideoGenerator
from phyrefine.backends.diffusers.families.native import framepack

SHORT = {"max_sequence_length": 16}
TEMPLATE = SHORT | {"prompt_template": {"template": "{}", "crop_start": 0}}
# Its long instruction is a thousand tokens of single characters.
HUNYUAN_15 = {
    "system_message": "",
    "prompt_template_encode_start_idx": 0,
    "tokenizer_max_length": 96,
    "tokenizer_2_max_length": 16,
}


@frozen
class Case:
    """A tiny pipeline.

    Attributes:
        build: Makes it.
        settings: Of the generator.
        context: Frames it must use.
        guarded: It wants a guardrail on loading.
        attributes: Set on the loaded pipeline.
    """

    build: Callable[[], Any]
    settings: Mapping[str, Any] = field(factory=dict)
    context: int = 1
    guarded: bool = False
    attributes: Mapping[str, Any] = field(factory=dict)


CASES = {
    "cogvideox-i2v": Case(tiny.cogvideox),
    "cogvideox-1.5-i2v": Case(functools.partial(tiny.cogvideox, newer=True, frames=17)),
    "cogvideox-t2v": Case(functools.partial(tiny.cogvideox, image=False), context=0),
    "cogvideox-1.5-t2v": Case(
        functools.partial(tiny.cogvideox, image=False, newer=True, frames=17), context=0
    ),
    "ltx-condition": Case(
        tiny.ltx, {"size": (32, 32), "num_frames": 185, "options": SHORT}, context=65
    ),
    "ltx-2": Case(
        tiny.ltx2,
        {
            "size": (32, 32),
            "num_frames": 185,
            "options": {"max_sequence_length": 32, "spatio_temporal_guidance_blocks": [1]},
        },
        context=65,
    ),
    "wan-2.1-i2v": Case(tiny.wan_21, {"size": (16, 16), "num_frames": 33, "options": SHORT}),
    "wan-2.2-i2v": Case(tiny.wan_22, {"size": (16, 16), "num_frames": 33, "options": SHORT}),
    "wan-2.2-ti2v": Case(tiny.wan_ti2v, {"size": (32, 32), "num_frames": 49, "options": SHORT}),
    "wan-vace": Case(tiny.vace, {"size": (16, 16), "num_frames": 81, "options": SHORT}, context=17),
    "skyreels-v2-df": Case(
        tiny.skyreels,
        {"size": (16, 16), "num_frames": 97, "options": SHORT | {"base_num_frames": 57}},
        context=17,
    ),
    "helios": Case(tiny.helios, {"size": (32, 32), "num_frames": 66, "options": SHORT}, context=66),
    "anyflow-far": Case(tiny.anyflow, {"size": (32, 32), "options": SHORT}, context=9),
    "framepack": Case(
        tiny.framepack,
        {
            "size": (32, 32),
            "num_frames": 36,
            "family": framepack(3),
            "options": {"prompt_template": {"template": "{}", "crop_start": 0}},
        },
    ),
    "hunyuanvideo-1.5-i2v": Case(
        tiny.hunyuan_15,
        {"num_frames": 33},
        attributes=HUNYUAN_15,
    ),
    "cosmos-1": Case(
        tiny.cosmos_1,
        {"size": (32, 32), "num_frames": 41, "options": SHORT},
        context=9,
        guarded=True,
    ),
    "cosmos-predict2": Case(
        tiny.cosmos_2,
        {"size": (32, 32), "num_frames": 41, "options": SHORT},
        context=5,
        guarded=True,
    ),
    "cosmos-predict2.5": Case(
        tiny.cosmos_25,
        {"size": (32, 32), "num_frames": 41, "options": {"max_sequence_length": 128}},
        context=5,
        guarded=True,
    ),
    "cosmos-3": Case(tiny.cosmos_3, {"size": (32, 32), "num_frames": 41}, context=5),
    # -- text to video, and what came with it
    "wan-2.1-t2v": Case(
        tiny.wan_text, {"size": (16, 16), "num_frames": 81, "options": SHORT}, context=0
    ),
    "wan-2.2-t2v": Case(
        tiny.wan_text_22, {"size": (16, 16), "num_frames": 81, "options": SHORT}, context=0
    ),
    "wan-2.2-ti2v-text": Case(
        tiny.wan_ti2v_text,
        {
            "size": (32, 32),
            "num_frames": 49,
            "options": SHORT,
            "family": "wan-2.2-ti2v-text",
        },
        context=0,
    ),
    "skyreels-v2-df-t2v": Case(
        tiny.skyreels_df_text,
        {"size": (16, 16), "num_frames": 97, "options": SHORT, "family": "skyreels-v2-df-t2v"},
        context=0,
    ),
    "skyreels-v2-i2v": Case(
        tiny.skyreels_image, {"size": (16, 16), "num_frames": 33, "options": SHORT}
    ),
    "skyreels-v2-t2v": Case(
        tiny.skyreels_text, {"size": (16, 16), "num_frames": 33, "options": SHORT}, context=0
    ),
    "helios-pyramid": Case(
        tiny.helios_pyramid,
        {"size": (64, 64), "num_frames": 66, "options": SHORT, "steps": 1},
        context=66,
    ),
    "hunyuanvideo-t2v": Case(
        tiny.hunyuan_text, {"size": (32, 32), "num_frames": 33, "options": TEMPLATE}, context=0
    ),
    "skyreels-v1-i2v": Case(
        tiny.skyreels_v1, {"size": (32, 32), "num_frames": 33, "options": TEMPLATE}
    ),
    "hunyuanvideo-1.5-t2v": Case(
        tiny.hunyuan_15_text,
        {"size": (32, 32), "num_frames": 33},
        context=0,
        attributes=HUNYUAN_15,
    ),
    "cosmos-1-text": Case(
        tiny.cosmos_1_text,
        {"size": (32, 32), "num_frames": 41, "options": SHORT},
        context=0,
        guarded=True,
    ),
    "mochi": Case(tiny.mochi, {"size": (16, 16), "num_frames": 31, "options": SHORT}, context=0),
    "allegro": Case(tiny.allegro, {"size": (64, 64), "options": SHORT}, context=0),
    "sana-video-t2v": Case(
        tiny.sana_text, {"size": (32, 32), "num_frames": 33, "options": SHORT}, context=0
    ),
    "sana-video-i2v": Case(tiny.sana_image, {"size": (32, 32), "num_frames": 33, "options": SHORT}),
}
# Rows that see a prefix and make video from text alone as well.
EITHER = ("ltx-condition", "ltx-2", "wan-vace", "helios", "helios-pyramid", "cosmos-3")


@functools.cache
def _root() -> Path:
    root = Path(tempfile.mkdtemp(prefix="tiny-pipelines-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return root


@functools.cache
def folder(name: str) -> Path:
    """The saved pipeline of a case; built once per session."""
    target = _root() / name
    CASES[name].build().save_pretrained(target)
    return target


def generator(name: str, *, where: Path | None = None, **settings: Any) -> DiffusersVideoGenerator:
    """A case as a generator of two denoising steps, loaded from its folder."""
    case = CASES[name]
    options = {"load_options": {"safety_checker": tiny.Guardrail()}} if case.guarded else {}
    made = DiffusersVideoGenerator.from_pretrained(
        str(where or folder(name)), **{"steps": 2, **case.settings, **options, **settings}
    )
    for attribute, value in case.attributes.items():
        setattr(made.pipe, attribute, value)
        setattr(made.runner.twin, attribute, value)
    return made
