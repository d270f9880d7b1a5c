"""Float16: what passes its largest value is kept in float32, and nothing else needs to be."""

import pytest
import torch

from magi.goldens import DATA, MODELS, Call, error, transformer, variant
from phyrefine.magi.model.precision import (
    normed_value_scale,
    power_of_two_above,
    scaled_linear,
    stream_dtype,
)
from phyrefine.magi.weights.checkpoint import load_transformer
from phyrefine.magi.weights.names import kept_in_float32

LARGEST = torch.finfo(torch.float16).max
FLOAT16 = 5e-3  # what rounding weights to float16 costs these networks

# What is scaled, by how much, and where float32 activations then pass 65504.
PLACES = {
    "residual stream": ("patch_embed", 1e7, "blocks.0", 0),
    "text features": ("caption_embed.proj", 1e6, "caption_embed", 0),
    "condition": ("time_embed.linear_2", 1e6, "time_embed", None),
    "gates before tanh": ("blocks.0.gate", 1e9, "blocks.0.gate", None),
    "queries before their norm": ("blocks.0.attn.to_q", 1e6, "blocks.0.attn.to_q", None),
    "keys before their norm": ("blocks.0.attn.to_k", 1e6, "blocks.0.attn.to_k", None),
    "text queries before their norm": (
        "blocks.0.attn.to_q_text",
        1e6,
        "blocks.0.attn.to_q_text",
        None,
    ),
    "values": ("blocks.0.attn.to_v", 1e6, "blocks.0.attn.to_v", None),
    "text keys and values": ("blocks.0.attn.to_kv_text", 1e6, "blocks.0.attn.to_kv_text", None),
    "output projection": ("blocks.0.attn.to_out", 1e6, "blocks.0.attn.to_out", None),
    "inside the feed-forward": ("blocks.0.ff.fc1", 1e6, "blocks.0.ff.fc1", None),
    "feed-forward result": ("blocks.0.ff.fc2", 1e6, "blocks.0.ff.fc2", None),
}


def _scaled(model, dtype, module, factor):
    """The network with one module's weights multiplied, as far as float16 holds them."""
    network = load_transformer(
        DATA / model / "inference_weight", variant(model).model, dtype=torch.float16
    )
    for parameter in network.get_submodule(module).parameters():
        room = LARGEST * 0.99 / parameter.abs().max().float()
        parameter.data.mul_(
            min(factor, float(room)) if parameter.dtype == torch.float16 else factor
        )
    if dtype == torch.float32:
        network.float()
    return network


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("place", PLACES)
def test_float16_follows_float32_past_its_largest_value(model, place):
    module, factor, watched, index = PLACES[place]
    call, seen = Call(model, "three"), []
    exact = _scaled(model, torch.float32, module, factor)

    def watch(_module, _inputs, out):
        seen.append((out if index is None else out[index]).abs().max().item())

    exact.get_submodule(watched).register_forward_hook(watch)
    wanted = call.run(exact)
    assert max(seen) > LARGEST
    result = call.run(_scaled(model, torch.float16, module, factor))
    assert torch.isfinite(result).all()
    assert error(result, wanted) < 4 * FLOAT16


@pytest.mark.parametrize("model", MODELS)
def test_float16_is_as_good_as_its_mantissa(model):
    call = Call(model, "three")
    half = error(call.run(transformer(model, torch.float16)), call.out())
    brain = error(call.run(transformer(model, torch.bfloat16)), call.out())
    assert half < FLOAT16
    assert half < brain / 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_dtypes_are_decided_by_name(dtype):
    for model in MODELS:
        for name, parameter in transformer(model, dtype).named_parameters():
            assert parameter.dtype == (torch.float32 if kept_in_float32(name) else dtype), name


def test_the_stream_of_a_float16_model_is_float32():
    assert stream_dtype(torch.float16) == torch.float32
    assert stream_dtype(torch.bfloat16) == torch.bfloat16


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e5, 1e9])
def test_scaled_products_are_finite_and_close(size):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(7, 64, generator=generator) * size
    weight = torch.randn(32, 64, generator=generator).half()
    exact = x.double() @ weight.double().T
    result = scaled_linear(x, weight, torch.ones(32))
    assert result.dtype == torch.float32
    assert error(result, exact + 1) < 2e-3


def test_scales_are_powers_of_two_and_never_shrink_small_values():
    bounds = torch.tensor([0.0, 1.0, 32768.0, 32769.0, 1e9])
    scales = power_of_two_above(bounds)
    assert scales.tolist() == [1, 1, 1, 2, 32768]
    assert (bounds / scales <= 32768).all()


def test_values_behind_a_norm_are_bounded_by_weights_alone():
    generator = torch.Generator().manual_seed(0)
    gamma, beta = torch.full((64,), 300.0), torch.randn(64, generator=generator)
    weight = torch.randn(32, 64, generator=generator) * 1000
    scale = normed_value_scale(gamma, beta, weight)
    x = torch.zeros(1, 64)
    x[0, 3] = 1e6  # the most lopsided input a norm can get
    values = torch.nn.functional.layer_norm(x, (64,), gamma, beta) @ weight.T
    assert values.abs().max() > LARGEST
    assert (values / scale).abs().max() < LARGEST
