"""Products by oneDNN: equal to torch's own, and only where they are meant to be."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from phyrefine.magi.model import products
from phyrefine.magi.model.linears import FullLinear, StreamLinear
from phyrefine.magi.model.transformer import MagiTransformer3DModel


class Operators(TorchDispatchMode):
    """Notes the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def operators_of(x: torch.Tensor, weight: torch.Tensor) -> list[str]:
    with Operators() as seen:
        products.linear(x, weight)
    return seen.names


onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN"
)


@onednn
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", [StreamLinear, FullLinear])
@torch.no_grad()
def test_float32_products_go_to_onednn_and_are_the_same(kind, bias):
    torch.manual_seed(0)
    layer = kind(40, 24, bias=bias)
    x = torch.randn(3, 50, 80)[..., ::2]  # strided, as slices of a stream are
    with Operators() as seen:
        made = layer(x)
    assert any("mkldnn" in name for name in seen.names)
    expected = F.linear(x.double(), layer.weight.double(), layer.bias.double() if bias else None)
    assert made.shape == (3, 50, 24)
    torch.testing.assert_close(made.double(), expected, rtol=0, atol=2e-6)


@onednn
@torch.no_grad()
def test_elsewhere_torch_decides(monkeypatch):
    x, weight = torch.randn(4, 8), torch.randn(6, 8)
    assert any("mkldnn" in name for name in operators_of(x, weight))
    with torch.enable_grad():
        assert not any("mkldnn" in name for name in operators_of(x, weight))
    assert not any("mkldnn" in name for name in operators_of(x.bfloat16(), weight.bfloat16()))
    assert products.linear(x[:0], weight).shape == (0, 6)
    with monkeypatch.context() as patch:
        patch.setattr(products, "ONEDNN", False)
        assert not any("mkldnn" in name for name in operators_of(x, weight))
    assert products.linear(x.to("meta"), weight.to("meta")).shape == (4, 6)


@pytest.mark.parametrize("fault", [AttributeError, RuntimeError, TypeError, None])
@torch.no_grad()
def test_an_operator_that_went_or_changed_is_left_alone(fault, monkeypatch):
    class Changed:
        def _linear_pointwise(self, x, weight, *_):
            if fault:
                raise fault("not as it was")
            return F.linear(x, weight)  # without the bias

    monkeypatch.setattr(torch.ops, "mkldnn", Changed())
    products.onednn_works.cache_clear()
    try:
        x, weight, bias = torch.randn(4, 8), torch.randn(6, 8), torch.randn(6)
        assert torch.equal(products.linear(x, weight, bias), F.linear(x, weight, bias))
    finally:
        products.onednn_works.cache_clear()


def test_groups_on_a_cpu_change_nothing_but_rounding(monkeypatch):
    from phyrefine.magi.config import MagiConfig
    from phyrefine.magi.model import transformer as module
    from phyrefine.magi.model.cache import Captions
    from phyrefine.magi.model.layout import Row

    torch.manual_seed(0)
    shape = MagiConfig(3, 64, 128, 8, 8, 8, caption_channels=16, caption_max_length=8)
    model = MagiTransformer3DModel.from_shape(shape)
    rows = [
        *(Row(chunk, 0.2, (max(0, chunk - 1), chunk + 1), wanted=chunk != 1) for chunk in range(3)),
        Row(2, 0.2, (2, 3), 1),
    ]
    latents, text = torch.randn(4, 16, 2, 4, 4), torch.randn(5, 16)

    def run() -> torch.Tensor:
        return model(latents, rows, Captions(text, [[(0, 5)]]))

    at_once = run()
    monkeypatch.setattr(module, "CPU_TOKENS", 8)  # one row of 8 tokens
    torch.testing.assert_close(run(), at_once, rtol=1e-4, atol=1e-5)
