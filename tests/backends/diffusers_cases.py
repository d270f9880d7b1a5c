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
from tiny_pipelines import modular

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
# Its instruction is 128 tokens of words, and here a token is a byte.
KANDINSKY = {"prompt_template": "{}", "prompt_template_encode_start_idx": 0}


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
            "options": {"max_sequence_length": 32},
        },
        context=65,
    ),
    "ltx-2.3": Case(
        functools.partial(tiny.ltx2, newer=True),
        {"size": (32, 32), "num_frames": 185, "options": {"max_sequence_length": 32}},
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
    "anyflow-t2v": Case(
        tiny.anyflow_text, {"size": (16, 16), "num_frames": 33, "options": SHORT}, context=0
    ),
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
    "hunyuanvideo-i2v": Case(
        tiny.hunyuan_image,
        {
            "size": (32, 32),
            "num_frames": 33,
            "options": {"max_sequence_length": 32, "prompt_template": tiny.IMAGE_TEMPLATE},
        },
    ),
    "hunyuanvideo-i2v-33ch": Case(
        functools.partial(tiny.hunyuan_image, concat=True),
        {
            "size": (32, 32),
            "num_frames": 33,
            "options": {"max_sequence_length": 32, "prompt_template": tiny.IMAGE_TEMPLATE},
        },
    ),
    "kandinsky-5-i2v": Case(
        tiny.kandinsky_5,
        {"size": (32, 32), "num_frames": 33, "options": SHORT},
        attributes=KANDINSKY,
    ),
    "kandinsky-5-t2v": Case(
        functools.partial(tiny.kandinsky_5, image=False),
        {"size": (32, 32), "num_frames": 33, "options": SHORT},
        context=0,
        attributes=KANDINSKY,
    ),
    "kandinsky-6": Case(tiny.kandinsky_6, {"size": (32, 32), "num_frames": 33, "options": SHORT}),
    "motif-i2v": Case(tiny.motif, {"size": (16, 16), "num_frames": 33, "options": SHORT}),
    "motif-t2v": Case(
        functools.partial(tiny.motif, image=False),
        {"size": (16, 16), "num_frames": 33, "options": SHORT, "family": "motif-t2v"},
        context=0,
    ),
    "easyanimate-i2v": Case(tiny.easyanimate, {"size": (32, 32), "num_frames": 33}),
    "easyanimate-t2v": Case(
        functools.partial(tiny.easyanimate, image=False),
        {"size": (32, 32), "num_frames": 33},
        context=0,
    ),
}
# Modular rows have no folder here: the parts of some cannot be saved.
MODULAR = {
    "wan-2.1-t2v-modular": Case(
        modular.wan_modular, {"size": (16, 16), "num_frames": 33, "options": SHORT}, context=0
    ),
    "wan-2.2-t2v-modular": Case(
        modular.wan_22_modular, {"size": (16, 16), "num_frames": 33, "options": SHORT}, context=0
    ),
    "wan-2.1-i2v-modular": Case(
        functools.partial(modular.wan_modular, image=True),
        {"size": (16, 16), "num_frames": 33, "options": SHORT},
    ),
    "wan-2.2-i2v-modular": Case(
        functools.partial(modular.wan_22_modular, image=True),
        {"size": (16, 16), "num_frames": 33, "options": SHORT},
    ),
    "helios-modular": Case(
        modular.helios_modular,
        {"size": (32, 32), "num_frames": 66, "options": SHORT},
        context=66,
    ),
    "helios-pyramid-modular": Case(
        functools.partial(modular.helios_modular, pyramid=True),
        {"size": (64, 64), "num_frames": 33, "options": SHORT, "steps": 1},
        context=66,
    ),
    "ltx-modular": Case(
        modular.ltx_modular, {"size": (32, 32), "num_frames": 33, "options": SHORT}
    ),
    "ltx-2-modular": Case(
        modular.ltx2_modular,
        {"size": (32, 32), "num_frames": 105, "options": {"max_sequence_length": 32}},
        context=65,
    ),
    "hunyuanvideo-1.5-modular": Case(
        modular.hunyuan_15_modular, {"size": (32, 32), "num_frames": 33}
    ),
    "cosmos-3-modular": Case(
        modular.cosmos_3_modular, {"size": (32, 32), "num_frames": 41}, context=5
    ),
    "minimax-h3": Case(modular.minimax_h3, {"size": (32, 32), "steps": 3}),
}
# Rows that see a prefix and make video from text alone as well.
EITHER = (
    "ltx-condition",
    "ltx-2",
    "ltx-2.3",
    "wan-vace",
    "helios",
    "helios-pyramid",
    "cosmos-3",
    "kandinsky-6",
    "easyanimate-i2v",
)


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


@functools.cache
def _assembled(name: str) -> Any:
    return MODULAR[name].build()


def modular_generator(name: str, **settings: Any) -> DiffusersVideoGenerator:
    """A modular case as a generator of two denoising steps; its pipeline is built once."""
    return DiffusersVideoGenerator(
        _assembled(name), **{"steps": 2, **MODULAR[name].settings, **settings}
    )


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
