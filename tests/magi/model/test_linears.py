"""fp8 linears: stored outputs, whole networks, and the dequantized weight."""

import pytest
import torch

from magi.fp8_networks import deeper, quantized_network
from magi.goldens import Call, read_tensors, transformer
from phyrefine.magi.model.linears import Fp8Linear, FullLinear, StreamLinear, projection
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.sampling.schedule import step_size


def _stored(kind):
    golden = {k.partition("/")[2]: v for k, v in read_tensors("fp8_linear").items() if kind in k}
    layer = Fp8Linear(48, 32, smooth=kind == "per_channel")
    layer.load_state_dict({k: v for k, v in golden.items() if k not in ("x", "out")})
    return layer, golden


@pytest.mark.parametrize("kind", ["per_tensor", "per_channel"])
def test_stored_outputs(kind):
    layer, golden = _stored(kind)
    out = layer(golden["x"])
    assert out.dtype == torch.bfloat16
    ulp = 2**-7 * golden["out"].float().abs()
    assert ((out.float() - golden["out"].float()).abs() <= ulp).all()
    assert (out == golden["out"]).float().mean() > 0.99


@pytest.mark.parametrize("kind", ["per_tensor", "per_channel"])
def test_the_dequantized_weight_only_skips_the_rounding_of_activations(kind):
    layer, golden = _stored(kind)
    scale = layer.smooth_scale[0] if layer.smooth else layer.input_scale
    inside = (golden["x"].float() / scale).clamp(-448, 448) * scale
    dense = inside @ layer.dequantized().float().T
    assert _distance(dense, golden["out"].float()) < 0.05


def test_values_past_the_range_are_clamped_not_infinite():
    layer, golden = _stored("per_tensor")
    out = layer(golden["x"] * 1e6)
    assert torch.isfinite(out).all()


def test_the_first_input_scale_is_the_one_that_counts():
    layer, golden = _stored("per_tensor")
    before = layer(golden["x"])
    layer.input_scale.data[0] *= 2
    after = layer(golden["x"])
    assert not torch.equal(before, after)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_quantized_network_stays_near_the_full_one(dtype):
    base = deeper(transformer("dit_b", dtype))
    call = Call("dit_b", "three")
    network = quantized_network(base, call)
    kinds = [type(block.ff.fc1) for block in network.blocks]
    assert kinds == [StreamLinear, Fp8Linear, Fp8Linear, StreamLinear]
    assert isinstance(network.blocks[0].attn.to_out, FullLinear)
    assert isinstance(network.blocks[1].attn.to_kv_text, StreamLinear)
    size = step_size(16, 1.0)
    told = [call.captions(), None, size]
    full = base(call.latents(), call.rows(), *told)
    told = [call.captions(), None, size]
    quantized = network(call.latents(), call.rows(), *told)
    assert 1e-3 < _distance(quantized, full) < 0.2


def test_a_quantized_network_is_saved_and_read(tmp_path):
    base = deeper(transformer("dit_b", torch.bfloat16))
    call = Call("dit_b", "three")
    network = quantized_network(base, call)
    network.save_pretrained(tmp_path)
    again = MagiTransformer3DModel.from_pretrained(
        tmp_path, torch_dtype=torch.bfloat16, local_files_only=True
    )
    assert again.blocks[1].attn.to_q.weight.dtype == torch.float8_e4m3fn
    assert again.blocks[1].attn.to_q.input_scale.dtype == torch.float32
    assert torch.equal(call.run(again), call.run(network))


def test_kinds_of_layers():
    assert isinstance(projection(4, 4), StreamLinear)
    assert isinstance(projection(4, 4, full=True), FullLinear)
    assert isinstance(projection(4, 4, fp8=True, full=True), Fp8Linear)
    layer = projection(4, 4, full=True).bfloat16()
    assert layer(torch.ones(1, 4).bfloat16()).dtype == torch.float32


def _distance(actual, golden):
    """Mean difference relative to the mean value."""
    return ((actual - golden).abs().mean() / golden.abs().mean()).item()
