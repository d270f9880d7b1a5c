"""Products that sum in float32: their numbers, and what they must not allocate.

torch gives out float32 sums on GPUs alone, so a stand-in for that operator makes them here.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from magi.goldens import Call, error, read_tensors, transformer
from phyrefine.magi.model import linears, precision, tensor_cores
from phyrefine.magi.model.linears import Fp8Linear, FullLinear, StreamLinear


@pytest.fixture
def sums(monkeypatch):
    """A device that gives out float32 sums of 16-bit operands; how often it was asked."""
    asked = []

    def product(a, b, *, out_dtype):
        assert a.dtype == b.dtype
        assert a.dtype in (torch.bfloat16, torch.float16)
        assert out_dtype == torch.float32
        asked.append(a.dtype)
        return a.float() @ b.float()

    monkeypatch.setattr(tensor_cores.torch, "mm", product)
    for module in (tensor_cores, precision, linears):
        monkeypatch.setattr(module, "gives_sums", lambda _: True)
    return asked


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [False, True])
def test_a_full_linear_multiplies_in_sixteen_bits_and_sums_in_float32(sums, dtype, bias):
    torch.manual_seed(0)
    layer = FullLinear(40, 24, bias=bias).to(dtype)
    x = torch.randn(3, 50, 40).to(dtype)
    made = layer(x)
    assert sums == [dtype]
    wanted = x.double() @ layer.weight.double().T + (layer.bias.double() if bias else 0)
    assert made.dtype == torch.float32
    torch.testing.assert_close(made.double(), wanted, rtol=0, atol=2e-6)


def test_float32_weights_are_multiplied_in_float32(sums):
    layer = FullLinear(8, 4)
    layer(torch.randn(2, 8))
    layer(torch.randn(2, 8).bfloat16())
    assert sums == []


@pytest.mark.parametrize("kind", [StreamLinear, FullLinear])
@pytest.mark.parametrize("size", [1.0, 1e6, 1e-3])
def test_float16_neither_overflows_nor_loses_digits(sums, kind, size):
    torch.manual_seed(0)
    layer = kind(64, 32, bias=False).half()
    x = torch.randn(5, 64).half().float() * 2.0 ** round(torch.tensor(size).log2().item())
    made = layer(x)
    assert sums == [torch.float16]
    torch.testing.assert_close(made, x @ layer.weight.float().T, rtol=1e-5, atol=size * 1e-5)


@pytest.mark.parametrize("model", ["dit_a", "dit_b"])
def test_whole_networks_agree_with_the_float32_products(sums, model):
    call = Call(model, "three_bf16")
    difference = (call.run(transformer(model, torch.bfloat16)) - call.out()).abs().max().item()
    assert set(sums) == {torch.bfloat16}
    assert difference <= 1.5 * call.spec["err_vs_fp32"]
    call = Call(model, "three")
    assert error(call.run(transformer(model, torch.float16)), call.out()) < 5e-3


@pytest.mark.parametrize("kind", ["per_tensor", "per_channel"])
@pytest.mark.parametrize("way", ["fp8", "16 bits", "float32"])
def test_stored_outputs_of_fp8_layers_each_way(kind, way, monkeypatch, request):
    if way == "16 bits":
        request.getfixturevalue("sums")
    monkeypatch.setattr(tensor_cores, "_has_fp8_cores", lambda _: way == "fp8")
    golden = {k.partition("/")[2]: v for k, v in read_tensors("fp8_linear").items() if kind in k}
    layer = Fp8Linear(48, 32, smooth=kind == "per_channel")
    layer.load_state_dict({k: v for k, v in golden.items() if k not in ("x", "out")})
    with Operators() as seen:
        made = layer(golden["x"])
    assert any("_scaled_mm" in name for name in seen.names) == (way == "fp8")
    ulp = 2**-7 * golden["out"].float().abs()
    assert ((made.float() - golden["out"].float()).abs() <= ulp).all()


def test_sides_that_fp8_cores_do_not_take_are_multiplied_otherwise(monkeypatch):
    monkeypatch.setattr(tensor_cores, "_has_fp8_cores", lambda _: True)
    x, weight = torch.randn(3, 20), torch.randn(10, 20)
    eight = [t.to(torch.float8_e4m3fn) for t in (x, weight)]
    one = torch.ones(1)
    with Operators() as seen:
        made = tensor_cores.fp8_linear(*eight, one, one)
    assert not any("_scaled_mm" in name for name in seen.names)
    wanted = eight[0].float() @ eight[1].float().T
    assert torch.equal(made, wanted.bfloat16())


def test_no_float32_copy_of_a_whole_fp8_weight_is_made():
    layer = Fp8Linear(8, 3 * 1024, smooth=False)
    with Operators() as seen:
        layer(torch.randn(2, 8))
    assert max(seen.float32) <= 1024 * 8 < layer.weight.numel()


class Operators(TorchDispatchMode):
    """Notes the operators that run, and the sizes of float32 tensors they give."""

    def __init__(self):
        super().__init__()
        self.names, self.float32 = [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.dtype == torch.float32:
            self.float32.append(made.numel())
        return made
