"""HunyuanVideo 1.0 and 1.5, image-to-video and text-to-video, and SkyReels-V1 on top of 1.0."""

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


def _concatenates(pipe: Any) -> bool:
    """The older weights see the image's latent beside every frame, in 33 channels."""
    kind = getattr(pipe.transformer.config, "image_condition_type", None)
    return kind == "latent_concat"


_FIRST: dict[str, Any] = {
    "grid": FrameGrid(4, 1, most=129, least=129),
    # The distilled guidance is an input of the network; a negative prompt needs true_cfg_scale.
    "negative_prompt": False,
    "prompt_tokens": 256,
    "prompt_words": 180,
    "batches": "context",
    "license": "Tencent Hunyuan Community License",
    "verified": TINY,
}
_PARTS = {"transformer": 12.8, "text_encoder": 8.0, "text_encoder_2": 0.12, "vae": 0.25}

HUNYUAN_15_I2V = FamilySpec(
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
)

HUNYUAN = (
    FamilySpec(
        "hunyuanvideo-t2v",
        "HunyuanVideoPipeline",
        24.0,
        (720, 1280),
        conditioning.text_only,
        contexts=(0,),
        guidance=6.0,
        checkpoints=(Checkpoint("hunyuanvideo-community/HunyuanVideo", _PARTS),),
        notes="Text only: it does not see a prefix. 129 frames hold 5.4 s.",
        **_FIRST,
    ),
    FamilySpec(
        "hunyuanvideo-i2v",
        "HunyuanVideoImageToVideoPipeline",
        24.0,
        (720, 1280),
        conditioning.image,
        fits=lambda pipe: not _concatenates(pipe),
        guidance=6.0,
        checkpoints=(Checkpoint("hunyuanvideo-community/HunyuanVideo-I2V", _PARTS),),
        notes="Sees one frame. 121 frames hold exactly 5 s.",
        **_FIRST,
    ),
    FamilySpec(
        "hunyuanvideo-i2v-33ch",
        "HunyuanVideoImageToVideoPipeline",
        24.0,
        (720, 1280),
        conditioning.image,
        fits=_concatenates,
        # The pipeline drops the frames of the first latent and the next three.
        returned=lambda length, _: length - 4,
        repeated=lambda _: 0,
        guidance=1.0,
        checkpoints=(Checkpoint("hunyuanvideo-community/HunyuanVideo-I2V-33ch", _PARTS),),
        notes="Sees one frame. Its pipeline drops the first four frames of every pass, so three "
        "frames (an eighth of a second) are missing at each join; hunyuanvideo-i2v has no gap.",
        **_FIRST,
    ),
    FamilySpec(
        "skyreels-v1-i2v",
        "HunyuanSkyreelsImageToVideoPipeline",
        24.0,
        (544, 960),
        conditioning.image,
        guidance=1.0,
        checkpoints=(Checkpoint("Skywork/SkyReels-V1-Hunyuan-I2V", _PARTS),),
        notes="Sees one frame. True guidance is true_cfg_scale (6 by default).",
        **(_FIRST | {"grid": FrameGrid(4, 1, most=97, least=97)}),
    ),
    FamilySpec(
        "hunyuanvideo-1.5-t2v",
        "HunyuanVideo15Pipeline",
        24.0,
        (480, 848),
        conditioning.text_only,
        contexts=(0,),
        grid=FrameGrid(4, 1, most=121, least=49),
        guidance=None,
        callbacks=False,
        prompt_tokens=1000,
        prompt_words=300,
        checkpoints=(Checkpoint("hunyuanvideo-community/HunyuanVideo-1.5-480p_t2v"),),
        license="Tencent Hunyuan Community License",
        verified=TINY,
        notes="Text only: it does not see a prefix. It never calls back, so cancelling waits for "
        "the end of a pass.",
    ),
    HUNYUAN_15_I2V,
)
