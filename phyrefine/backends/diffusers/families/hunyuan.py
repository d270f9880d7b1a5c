"""HunyuanVideo 1.5 image-to-video."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from phyrefine.backends.diffusers.families import conditioning
from phyrefine.backends.diffusers.families.spec import TINY, Checkpoint, FamilySpec
from phyrefine.types import FrameGrid


def _bucket(pipe: Any, picture: tuple[int, int]) -> tuple[int, int]:
    """The bucket the pipeline puts a picture of (height, width) into."""
    height, width = pipe.video_processor.calculate_default_height_width(
        *picture, target_size=pipe.target_size
    )
    return int(height), int(width)


def _sized(pipe: Any, spec: FamilySpec) -> FamilySpec:
    """The 480p and the 720p weights differ in the area they were trained at."""
    if not hasattr(pipe, "video_processor"):
        return spec
    return evolve(spec, size=_bucket(pipe, spec.size))


HUNYUAN = (
    FamilySpec(
        "hunyuanvideo-1.5-i2v",
        "HunyuanVideo15ImageToVideoPipeline",
        24.0,
        (480, 848),
        conditioning.image,
        grid=FrameGrid(4, 1, most=121, least=49),
        adapt=_sized,
        own_size=_bucket,
        # Guidance belongs to the checkpoint's guider; guidance_scale= makes another one.
        guidance=None,
        callbacks=False,
        prompt_tokens=1000,
        prompt_words=300,
        checkpoints=(Checkpoint("hunyuanvideo-community/HunyuanVideo-1.5-480p_i2v"),),
        license="Tencent Hunyuan Community License",
        verified=TINY,
        notes="Sees one frame. 121 frames hold exactly 5 s. It chooses its size from the prefix's "
        "aspect and never calls back, so cancelling waits for the end of a pass.",
    ),
)
