from types import SimpleNamespace

import diffusers_cases as cases
import numpy as np
import pytest
import tiny_pipelines as tiny
import torch
from attrs import evolve

from phyrefine.backends.diffusers import DiffusersVideoGenerator, memory
from phyrefine.backends.diffusers.families import table as families
from phyrefine.errors import InvalidInputError
from phyrefine.testing import moving_clip
from phyrefine.types import Prompt, Shot

SHOT = Shot(Prompt("it rolls"), moving_clip(24, (32, 32), 8.0), seconds=1.0, fps=8.0)
COGVIDEOX = families.named("cogvideox-i2v")


@pytest.mark.parametrize(
    ("capability", "spec", "dtype"),
    [
        ((9, 0), COGVIDEOX, torch.bfloat16),
        ((8, 0), COGVIDEOX, torch.bfloat16),
        ((7, 5), COGVIDEOX, torch.float16),
        ((7, 0), COGVIDEOX, torch.float16),
        ((7, 0), evolve(COGVIDEOX, dtypes=("bfloat16",)), torch.float32),
        ((9, 0), evolve(COGVIDEOX, dtypes=("float16",)), torch.float16),
    ],
)
def test_the_type_is_what_family_and_gpu_both_know(monkeypatch, capability, spec, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.version, "hip", None)
    assert memory.choose_dtype(spec, torch.device("cuda")) == dtype


def test_the_type_asked_for_wins_and_the_cpu_gets_float32():
    cpu = torch.device("cpu")
    assert memory.choose_dtype(COGVIDEOX, cpu) == torch.float32
    assert memory.choose_dtype(COGVIDEOX, cpu, "float16") == torch.float16
    assert memory.choose_dtype(COGVIDEOX, cpu, torch.bfloat16) == torch.bfloat16
    with pytest.raises(InvalidInputError, match="not 'half precision'"):
        memory.choose_dtype(COGVIDEOX, cpu, "half precision")


def test_the_2b_model_is_a_float16_model():
    spec = families.of(tiny.cogvideox(image=False))
    assert spec.dtypes == ("float16",)
    assert families.of(tiny.cogvideox(image=False, newer=True)).dtypes[0] == "bfloat16"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_components_named_by_the_family_stay_in_float32(dtype):
    pipe = cases.generator("wan-2.1-i2v", dtype=dtype).pipe
    assert pipe.transformer.dtype == getattr(torch, dtype)
    assert pipe.text_encoder.dtype == getattr(torch, dtype)
    assert pipe.vae.dtype == pipe.image_encoder.dtype == torch.float32


@pytest.mark.parametrize("mode", ["balanced", "tight"])
def test_modes_change_where_weights_live_and_not_the_frames(mode):
    expected = cases.generator("cogvideox-i2v").generate(SHOT)
    generator = cases.generator("cogvideox-i2v", memory=mode)
    assert generator.generate(SHOT) == expected
    assert generator.generate(SHOT) == expected
    assert generator.pipe.vae.use_slicing
    hooks = [getattr(part, "_diffusers_hook", None) for part in generator.pipe.vae.modules()]
    offloaded = any(hook and hook.get_hook("group_offloading") for hook in hooks)
    assert offloaded == (mode == "tight")


def test_tiles_are_for_pictures_larger_than_a_tile():
    calls = []
    vae = SimpleNamespace(enable_tiling=lambda: calls.append("tile"))
    memory._tile(SimpleNamespace(vae=vae), on=True, size=(32, 32))
    memory._tile(SimpleNamespace(vae=vae), on=False, size=(480, 720))
    assert calls == []
    memory._tile(SimpleNamespace(vae=vae), on=True, size=(480, 720))
    assert calls == ["tile"]


def test_eight_bit_weights_are_stored_in_eight_bits_and_stay_close():
    expected = cases.generator("cogvideox-i2v").generate(SHOT)
    generator = cases.generator("cogvideox-i2v", fp8=True)
    weight = generator.pipe.transformer.transformer_blocks[0].ff.net[0].proj.weight
    assert weight.dtype == torch.float8_e4m3fn
    close = generator.generate(SHOT)
    assert 0 < np.abs(close.frames.astype(int) - expected.frames).mean() < 20


def test_unknown_modes_are_refused():
    with pytest.raises(InvalidInputError, match="fast, balanced, tight, not 'low'"):
        DiffusersVideoGenerator.from_pretrained(str(cases.folder("cogvideox-i2v")), memory="low")


def test_modes_lead_down_and_end():
    assert memory.next_mode("fast") == "balanced"
    assert memory.next_mode("balanced") == "tight"
    assert memory.next_mode("tight") is None
    assert memory.next_mode(None) is None
