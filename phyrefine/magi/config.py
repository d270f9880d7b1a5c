"""What a MAGI-1 model is (`MagiConfig`) and how it is sampled (`SamplingConfig`).

The numbers of the six released variants are those of the release's example configurations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
from attrs import field, frozen

from phyrefine.errors import InvalidInputError

Shortcut = Literal["8,16,16", "16,16,8"]

# Fields of the official model_config that have one value; another value is another network.
_FIXED_MODEL_FIELDS: Mapping[str, object] = {
    "patch_size": 2,
    "t_patch_size": 1,
    "cond_hidden_ratio": 0.25,
    "xattn_cond_hidden_ratio": 1.0,
    "cond_gating_ratio": 1.0,
    "apply_layernorm_1p": True,
}


@frozen
class MagiConfig:
    """Shape of a MAGI-1 transformer.

    Attributes:
        num_layers: Transformer blocks.
        hidden_size: Width d of the residual stream.
        ffn_hidden_size: Inner width of the feed-forward.
        num_attention_heads: Query heads H.
        num_query_groups: Key and value heads G.
        attention_head_dim: Width e of a head.
        gated_linear_unit: SwiGLU feed-forward (24B) instead of GELU (4.5B).
        half_channel_vae: The 16 latent channels are fed twice, as 32 (24B).
        x_rescale_factor: Factor on the latents at the input; velocities are divided by it.
        caption_channels: Width of the text features.
        caption_max_length: Longest caption in tokens, and rows of the null caption.
        eps: Epsilon of every LayerNorm.
        quantized: Inner blocks have fp8 linears.
        distilled: One network pass per step, with the step size as an input.
    """

    num_layers: int
    hidden_size: int
    ffn_hidden_size: int
    num_attention_heads: int
    num_query_groups: int = 8
    attention_head_dim: int = 128
    gated_linear_unit: bool = False
    half_channel_vae: bool = False
    x_rescale_factor: float = 1.0
    caption_channels: int = 4096
    caption_max_length: int = 800
    eps: float = 1e-6
    quantized: bool = False
    distilled: bool = False

    @property
    def latent_channels(self) -> int:
        """Channels of the patch embedding's input, 16 or 32."""
        return 32 if self.half_channel_vae else 16

    @property
    def condition_size(self) -> int:
        """Width of the time and caption condition."""
        return self.hidden_size // 4


@frozen
class SamplingConfig:
    """How a clip is sampled.

    Attributes:
        num_steps: Denoising steps N per chunk.
        passes: Network passes per step: 3 with guidance (base), 1 (distilled).
        window_size: Chunks W in flight at once.
        chunk_width: Latent frames per chunk.
        shortcut: Step pattern for 12 steps.
        guidance_times: Breakpoints of the two guidance tables.
        history_scales: Guidance towards the history, by breakpoint.
        text_scales: Guidance towards the text, by breakpoint.
        noise_reach: How many chunks back (itself included) a chunk sees, per part of its steps.
        clean_reach: The same for a finished chunk's last pass; -1 takes the last of
            ``noise_reach``.
        clean_time: Time at which finished chunks are shown.
        near_clean_threshold: Distilled: from this time on the oldest chunk's velocity is mixed
            with one that sees no history.
        near_clean_history: Distilled: weight of the velocity that sees the history.
        scale_factor: Factor on the VAE's latents.
        fps: Frames per second.
        height: Default height in pixels.
        width: Default width in pixels.
    """

    num_steps: int = 64
    passes: Literal[1, 3] = 3
    window_size: int = 4
    chunk_width: int = 6
    shortcut: Shortcut = "8,16,16"
    guidance_times: tuple[float, ...] = (0.0, 0.0217, 0.1, 0.3, 0.999)
    history_scales: tuple[float, ...] = (1.5, 1.5, 1.5, 1.0, 1.0)
    text_scales: tuple[float, ...] = (7.5, 7.5, 7.5, 0.0, 0.0)
    noise_reach: tuple[int, ...] = (5, 4, 3, 2)
    clean_reach: int = 1
    clean_time: float = 0.9999
    near_clean_threshold: float = 0.3
    near_clean_history: float = 0.7
    scale_factor: float = 0.18215
    fps: int = 24
    height: int = 720
    width: int = 720

    def __attrs_post_init__(self) -> None:
        parts = len(self.noise_reach) or 1
        if self.num_steps % self.window_size or self.num_steps % parts:
            raise InvalidInputError(
                f"num_steps {self.num_steps} must be a multiple of the window ({self.window_size}) "
                f"and of the number of reaches ({parts})."
            )
        if not len(self.guidance_times) == len(self.history_scales) == len(self.text_scales):
            raise InvalidInputError(
                "guidance_times, history_scales and text_scales need one value each per "
                f"breakpoint, got {len(self.guidance_times)}, {len(self.history_scales)} and "
                f"{len(self.text_scales)}."
            )

    def evolve(self, **changes: Any) -> SamplingConfig:
        """A copy with some fields changed; ``None`` leaves a field as it is."""
        return attrs.evolve(self, **{k: v for k, v in changes.items() if v is not None})


@frozen
class Variant:
    """A released model: its shape, its sampling and where its weights lie.

    Attributes:
        name: Folder name of the release.
        model: Shape.
        sampling: Release defaults.
        folder: Sub-folder of the weights.
    """

    name: str
    model: MagiConfig
    sampling: SamplingConfig = field(factory=SamplingConfig)

    @property
    def folder(self) -> str:
        """Sub-folder of the weights inside the variant's folder."""
        return weight_folder(distilled=self.model.distilled, quantized=self.model.quantized)


def weight_folder(*, distilled: bool, quantized: bool) -> str:
    """Name of the release's weight folder for a kind of model."""
    return "inference_weight" + ".fp8" * quantized + ".distill" * distilled


_SMALL = MagiConfig(34, 3072, 12288, 24)
_LARGE = MagiConfig(
    48, 6144, 16384, 48, gated_linear_unit=True, half_channel_vae=True, x_rescale_factor=0.1
)


def _variants() -> dict[str, Variant]:
    found = {}
    sizes = (("4.5B", _SMALL, (64, 64), (720, 720)), ("24B", _LARGE, (32, 16), (720, 1280)))
    for size, shape, steps, (height, width) in sizes:
        for kind in ("base", "distill", "distill_quant"):
            distilled, quantized = kind != "base", kind == "distill_quant"
            sampling = SamplingConfig(
                num_steps=steps[distilled],
                passes=1 if distilled else 3,
                height=height,
                width=width,
            )
            model = attrs.evolve(shape, distilled=distilled, quantized=quantized)
            name = f"{size}_{kind}"
            found[name] = Variant(name, model, sampling)
    return found


VARIANTS: Mapping[str, Variant] = _variants()


def variant_named(name: str) -> Variant:
    """The released variant called ``name``, for example ``"4.5B_base"``.

    Raises:
        InvalidInputError: No such variant.
    """
    if name not in VARIANTS:
        raise InvalidInputError(f"No MAGI-1 variant {name!r}. There are: {', '.join(VARIANTS)}.")
    return VARIANTS[name]


def read_config(path: str | Path) -> Variant:
    """Read an official configuration file (model, runtime and engine sections).

    Raises:
        InvalidInputError: A section or field is missing, a structural field has a value that no
            release has, or the number of passes does not fit the kind of model.
    """
    text = Path(path).read_text(encoding="utf-8")
    return parse_config(json.loads(text), name=Path(path).parent.name)


def parse_config(sections: Mapping[str, Any], *, name: str = "custom") -> Variant:
    """Like `read_config`, from the parsed JSON."""
    try:
        model, runtime = sections["model_config"], sections["runtime_config"]
        engine = sections["engine_config"]
        shape = _model_from(model, engine)
        sampling = _sampling_from(runtime, engine)
    except KeyError as error:
        raise InvalidInputError(f"The MAGI-1 configuration {name!r} lacks {error}.") from error
    check_passes(shape, sampling)
    return Variant(name, shape, sampling)


def config_sections(model: MagiConfig, sampling: SamplingConfig) -> dict[str, dict[str, Any]]:
    """The official three sections of a configuration; `parse_config` reads them back."""
    return {
        "model_config": {
            **_FIXED_MODEL_FIELDS,
            "num_layers": model.num_layers,
            "hidden_size": model.hidden_size,
            "ffn_hidden_size": model.ffn_hidden_size,
            "num_attention_heads": model.num_attention_heads,
            "num_query_groups": model.num_query_groups,
            "kv_channels": model.attention_head_dim,
            "gated_linear_unit": model.gated_linear_unit,
            "half_channel_vae": model.half_channel_vae,
            "x_rescale_factor": model.x_rescale_factor,
            "caption_channels": model.caption_channels,
            "caption_max_length": model.caption_max_length,
            "layernorm_epsilon": model.eps,
        },
        "runtime_config": {
            "num_steps": sampling.num_steps,
            "cfg_number": sampling.passes,
            "window_size": sampling.window_size,
            "chunk_width": sampling.chunk_width,
            "cfg_t_range": list(sampling.guidance_times),
            "prev_chunk_scales": list(sampling.history_scales),
            "text_scales": list(sampling.text_scales),
            "noise2clean_kvrange": list(sampling.noise_reach),
            "clean_chunk_kvrange": sampling.clean_reach,
            "clean_t": sampling.clean_time,
            "scale_factor": sampling.scale_factor,
            "fps": sampling.fps,
            "video_size_h": sampling.height,
            "video_size_w": sampling.width,
        },
        "engine_config": {
            "shortcut_mode": sampling.shortcut,
            "distill": model.distilled,
            "fp8_quant": model.quantized,
            "distill_nearly_clean_chunk_threshold": sampling.near_clean_threshold,
        },
    }


def check_passes(model: MagiConfig, sampling: SamplingConfig) -> None:
    """Refuse a number of passes that the weights were not trained for.

    Raises:
        InvalidInputError: A base model with one pass, or a distilled one with three.
    """
    distilled = model.distilled or model.quantized
    if distilled and sampling.passes != 1:
        raise InvalidInputError(
            f"A distilled MAGI-1 model takes one network pass per step, but cfg_number is "
            f"{sampling.passes}. Set cfg_number to 1, or load the base weights."
        )
    if not distilled and sampling.passes != 3:
        raise InvalidInputError(
            f"A base MAGI-1 model takes three network passes per step, but cfg_number is "
            f"{sampling.passes}. Set cfg_number to 3, or load the distilled weights."
        )


def _model_from(model: Mapping[str, Any], engine: Mapping[str, Any]) -> MagiConfig:
    for name, value in _FIXED_MODEL_FIELDS.items():
        if model[name] != value:
            raise InvalidInputError(
                f"{name} is {model[name]!r}; MAGI-1 checkpoints have {value!r} and no other "
                "value is supported."
            )
    return MagiConfig(
        num_layers=model["num_layers"],
        hidden_size=model["hidden_size"],
        ffn_hidden_size=model["ffn_hidden_size"],
        num_attention_heads=model["num_attention_heads"],
        num_query_groups=model["num_query_groups"],
        attention_head_dim=model["kv_channels"],
        gated_linear_unit=model["gated_linear_unit"],
        half_channel_vae=model["half_channel_vae"],
        x_rescale_factor=float(model["x_rescale_factor"]),
        caption_channels=model["caption_channels"],
        caption_max_length=model["caption_max_length"],
        eps=model["layernorm_epsilon"],
        quantized=engine["fp8_quant"],
        distilled=engine["distill"],
    )


def _sampling_from(runtime: Mapping[str, Any], engine: Mapping[str, Any]) -> SamplingConfig:
    return SamplingConfig(
        num_steps=runtime["num_steps"],
        passes=runtime["cfg_number"],
        window_size=runtime["window_size"],
        chunk_width=runtime["chunk_width"],
        shortcut=engine["shortcut_mode"],
        guidance_times=tuple(runtime["cfg_t_range"]),
        history_scales=tuple(runtime["prev_chunk_scales"]),
        text_scales=tuple(runtime["text_scales"]),
        noise_reach=tuple(runtime["noise2clean_kvrange"]),
        clean_reach=runtime["clean_chunk_kvrange"],
        clean_time=runtime["clean_t"],
        near_clean_threshold=engine["distill_nearly_clean_chunk_threshold"],
        scale_factor=runtime["scale_factor"],
        fps=runtime["fps"],
        height=runtime["video_size_h"],
        width=runtime["video_size_w"],
    )
