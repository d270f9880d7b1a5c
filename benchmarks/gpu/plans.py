"""Memory plans of diffusers families: what ``phyrefine doctor`` estimates against what a pass takes.

Pipelines of full size, with all weights zero, since only their memory is looked at. On a CPU a tiny
pipeline, whose live tensors are counted instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import diffusers
import diffusers_cases as cases
import torch
import transformers
from steps import Measurement, Record, Setting

from phyrefine.backends.diffusers import DiffusersVideoGenerator, memory
from phyrefine.backends.diffusers.estimates import MemoryEstimate, estimate_parts
from phyrefine.backends.diffusers.families.table import named
from phyrefine.backends.diffusers.sizing.live import LiveTensors
from phyrefine.backends.diffusers.sizing.parts import part_from
from phyrefine.backends.diffusers.tiny import tiny_t5
from phyrefine.testing import moving_clip
from phyrefine.types import Prompt, Shot

GIB = 2**30
Build = Callable[[], Any]


def encoder(kind: str, vocabulary: int) -> Build:
    """T5 v1.1 XXL or UMT5 XXL."""
    settings = {
        "vocab_size": vocabulary,
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10240,
        "num_layers": 24,
        "num_heads": 64,
        "feed_forward_proj": "gated-gelu",
        "is_encoder_decoder": False,
        "tie_word_embeddings": False,
    }
    config = getattr(transformers, f"{kind}Config")(**settings)
    return partial(getattr(transformers, f"{kind}EncoderModel"), config)


T5, UMT5 = encoder("T5", 32128), encoder("UMT5", 256384)
# Row, class, and the components by the published configurations.
PUBLISHED: dict[str, tuple[str, dict[str, Build]]] = {
    "Wan 2.1 T2V 1.3B": (
        "wan-2.1-t2v",
        {
            "text_encoder": UMT5,
            "transformer": partial(
                diffusers.WanTransformer3DModel,
                num_attention_heads=12,
                ffn_dim=8960,
                num_layers=30,
            ),
            "vae": diffusers.AutoencoderKLWan,
        },
    ),
    "Wan 2.1 T2V 14B": (
        "wan-2.1-t2v",
        {
            "text_encoder": UMT5,
            "transformer": diffusers.WanTransformer3DModel,
            "vae": diffusers.AutoencoderKLWan,
        },
    ),
    "CogVideoX 5B I2V": (
        "cogvideox-i2v",
        {
            "text_encoder": T5,
            "transformer": partial(
                diffusers.CogVideoXTransformer3DModel,
                num_attention_heads=48,
                num_layers=42,
                in_channels=32,
                use_rotary_positional_embeddings=True,
                use_learned_positional_embeddings=True,
            ),
            "vae": diffusers.AutoencoderKLCogVideoX,
        },
    ),
    "LTX-Video 2B": (
        "ltx-condition",
        {
            "text_encoder": T5,
            "transformer": diffusers.LTXVideoTransformer3DModel,
            "vae": diffusers.AutoencoderKLLTXVideo,
        },
    ),
}
SCHEDULERS = {
    "wan-2.1-t2v": partial(
        diffusers.UniPCMultistepScheduler,
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=3.0,
    ),
    "cogvideox-i2v": partial(diffusers.CogVideoXDPMScheduler, timestep_spacing="trailing"),
    "ltx-condition": diffusers.FlowMatchEulerDiscreteScheduler,
}
TINY = "wan-2.1-t2v"


def steps(setting: Setting) -> Iterator[Measurement]:
    """Peak memory of one pass in every mode, beside the estimate."""
    if setting.tiny:
        yield "tiny, fast", _tiny
        return
    for name in PUBLISHED:
        for mode in memory.MODES:
            yield f"{name}, {mode}", partial(_full, setting, name, mode)


def sizes(components: dict[str, Build]) -> list[Any]:
    """The components without data, as the estimate takes them."""
    with torch.device("meta"):
        return [part_from(name, build()) for name, build in components.items()]


def _full(setting: Setting, name: str, mode: memory.MemoryMode) -> Record:
    row, components = PUBLISHED[name]
    spec = named(row)
    estimate = estimate_parts(name, spec, sizes(components), dtype="bfloat16")
    pipe = _pipeline(row, components, spec.fp32)
    memory.apply_mode(pipe, mode, setting.device, size=spec.size)
    generator = DiffusersVideoGenerator(
        pipe,
        family=row,
        steps=2,
        size=spec.size,
        memory_mode=mode,
        device=setting.device,
        label=row,
    )
    found = setting.highest(partial(generator.generate, _shot(generator)))
    return _compared(estimate, mode, found["peak_gib"])


def _pipeline(row: str, components: dict[str, Build], fp32: tuple[str, ...]) -> Any:
    made = {}
    for name, build in components.items():
        with torch.device("meta"):
            module = build()
        module = module.to_empty(device="cpu").to(torch.float32 if name in fp32 else torch.bfloat16)
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.data.zero_()
        made[name] = module.eval()
    others = {"transformer_2": None} if row.startswith("wan") else {}
    kind = getattr(diffusers, named(row).pipeline)
    tokenizer = tiny_t5()["tokenizer"]
    return kind(**made, **others, tokenizer=tokenizer, scheduler=SCHEDULERS[row]())


def _shot(generator: DiffusersVideoGenerator) -> Shot:
    """The longest pass of the family."""
    spec = generator.spec
    context = spec.contexts[0]
    seconds = spec.new(spec.grid.most or spec.grid.least, context) / spec.fps
    prefix = moving_clip(72, spec.size, 24.0) if context else None
    return Shot(Prompt("it rolls"), prefix, seconds=seconds, fps=spec.fps, size=spec.size)


def _tiny() -> Record:
    generator = cases.generator(TINY, dtype="float32", device="cpu")
    with torch.no_grad(), LiveTensors() as live:
        generator.generate(_shot(generator))
    parts = [
        part_from(name, _on_meta(part))
        for name, part in generator.pipe.components.items()
        if isinstance(part, torch.nn.Module)
    ]
    weights = sum(part.parameters for part in parts) * 4
    spec = generator.spec
    estimate = estimate_parts(
        TINY, spec, parts, dtype="float32", size=spec.size, num_frames=spec.grid.most
    )
    return _compared(estimate, "fast", (live.peak + weights) / GIB)


def _on_meta(module: torch.nn.Module) -> torch.nn.Module:
    import copy

    return copy.deepcopy(module).to("meta")


def _compared(estimate: MemoryEstimate, mode: str, measured: float) -> Record:
    told = estimate.peak[mode]
    return {
        "estimated_gib": told,
        "measured_gib": measured,
        "ratio": measured / told,
        "basis": estimate.basis,
        "passed": 0.5 < measured / told < 2,
    }
