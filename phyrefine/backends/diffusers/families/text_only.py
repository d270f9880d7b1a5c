"""Families that make video from text alone: Mochi, Allegro, SANA-Video.

They see no prefix, so they serve text-to-video benchmarks and not continuation; SANA-Video has an
image-to-video class beside it.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from phyrefine.backends.diffusers.families import conditioning
from phyrefine.backends.diffusers.families.spec import TINY, Checkpoint, FamilySpec, Window
from phyrefine.types import FrameGrid


def _sana_text(window: Window) -> dict[str, Any]:
    """Its argument for the number of frames is called ``frames``."""
    return {"frames": window.length}


def _sana_image(window: Window) -> dict[str, Any]:
    return {"image": window.images[-1], "frames": window.length}


def _tiled(pipe: Any) -> None:
    """Its VAE decodes in tiles only."""
    if not getattr(pipe.vae, "use_tiling", True):
        pipe.vae.enable_tiling()


MOCHI = FamilySpec(
    "mochi",
    "MochiPipeline",
    30.0,
    (480, 848),
    conditioning.text_only,
    contexts=(0,),
    grid=FrameGrid(6, 1, most=163, least=85),
    steps=64,
    guidance=4.5,
    denoised_at_once=2,
    prompt_tokens=256,
    prompt_words=180,
    batches="context",
    checkpoints=(Checkpoint("genmo/mochi-1-preview", {"transformer": 10.0, "text_encoder": 4.76}),),
    license="Apache-2.0",
    verified=TINY,
    notes="Text only: it does not see a prefix. 151 frames hold 5 s.",
)

ALLEGRO = FamilySpec(
    "allegro",
    "AllegroPipeline",
    15.0,
    (720, 1280),
    conditioning.text_only,
    contexts=(0,),
    fixed_size=True,
    grid=FrameGrid(88, 0, most=88, least=88),
    steps=100,
    guidance=7.5,
    denoised_at_once=2,
    fp32=("vae",),
    check=_tiled,
    # It cleans captions with beautifulsoup4 unless told not to.
    options=lambda _: {"clean_caption": False},
    checkpoints=(Checkpoint("rhymes-ai/Allegro", {"transformer": 2.8, "text_encoder": 4.76}),),
    license="Apache-2.0",
    verified=TINY,
    notes="Text only: it does not see a prefix. It makes 88 frames (5.9 s) at 15 fps, no more.",
)

SANA = FamilySpec(
    "sana-video-t2v",
    "SanaVideoPipeline",
    16.0,
    (480, 832),
    _sana_text,
    contexts=(0,),
    size_multiple=32,
    grid=FrameGrid(4, 1, most=81, least=81),
    guidance=6.0,
    denoised_at_once=2,
    prompt_tokens=300,
    prompt_words=200,
    batches="context",
    fp32=("vae",),
    options=lambda _: {"use_resolution_binning": False},
    checkpoints=(Checkpoint("Efficient-Large-Model/SANA-Video_2B_480p_diffusers"),),
    license="see the model card",
    verified=TINY,
    notes="Text only: it does not see a prefix. 81 frames hold 5 s.",
)

SANA_I2V = evolve(
    SANA,
    name="sana-video-i2v",
    pipeline="SanaImageToVideoPipeline",
    condition=_sana_image,
    contexts=(1,),
    batches="noise",
    notes="Sees one frame. 81 frames hold exactly 5 s.",
)

TEXT_ONLY = (MOCHI, ALLEGRO, SANA, SANA_I2V)
