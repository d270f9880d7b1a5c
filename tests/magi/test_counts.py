"""The counted costs of benchmarks/magi_counts.py: against torch's counter and the spec's table."""

import importlib.util
from pathlib import Path

import attrs
import pytest
from torch.utils.flop_counter import FlopCounterMode

from phyrefine.magi.config import variant_named
from phyrefine.magi.model import products
from phyrefine.magi.model.layout import Row
from phyrefine.magi.model.transformer import MagiTransformer3DModel

from .goldens import MODELS, Call, transformer

PATH = Path(__file__).parents[2] / "benchmarks" / "magi_counts.py"
SPEC = importlib.util.spec_from_file_location("magi_counts", PATH)
counts = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(counts)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("wanted", [(True, True, True), (True, False, True)])
def test_the_formula_equals_torchs_counter(model, wanted, monkeypatch):
    monkeypatch.setattr(products, "ONEDNN", False)  # torch's counter does not know its operator
    call, source = Call(model, "three"), transformer(model)
    network = MagiTransformer3DModel.from_shape(source.shape)
    network.load_state_dict(source.state_dict(), assign=True)
    network.requires_grad_(requires_grad=False)
    network.set_attention_backend("_native_math")  # the kernel torch counts as products
    rows = [attrs.evolve(row, wanted=want) for row, want in zip(call.rows(), wanted, strict=True)]
    with FlopCounterMode(display=False) as counter:
        network(call.latents(), rows, call.captions())
    found = counter.get_flop_counts()
    blocks = [ops for name, ops in found.items() if name.endswith(("blocks.0", "blocks.1"))]
    gates = [ops for name, ops in found.items() if name.endswith(".gate")]
    counted = sum(sum(ops.values()) for ops in blocks) - sum(sum(ops.values()) for ops in gates)
    texts = call.mask.sum(-1).flatten().tolist()
    tokens = call.spec["tokens_per_chunk"]
    priced = sum(
        counts.row_flops(source.shape, tokens, row, text, keeps_text=False)
        for row, text in zip(rows, texts, strict=True)
    )
    assert counted == priced


@pytest.mark.parametrize(
    ("name", "size", "linear", "attention"),
    [
        ("4.5B_base", (256, 256), 12.5, 2.0),
        ("4.5B_base", (720, 720), 98.8, 123),
        ("24B_base", (720, 1280), 965, 1101),
    ],
)
def test_the_published_sizes(name, size, linear, attention):
    shape = variant_named(name).model
    tokens = 6 * (size[0] // 16) * (size[1] // 16)
    costs = [
        counts.row_flops(shape, tokens, Row(4, 0.5, (4 - seen, 4)), 0, keeps_text=True) / 1e12
        for seen in (0, 2)
    ]
    assert costs[0] == pytest.approx(linear, rel=0.01)
    assert costs[1] - costs[0] == pytest.approx(attention, rel=0.02)


def test_a_known_prefix_costs_nothing_and_ours_is_never_more():
    variant = variant_named("4.5B_base")
    sampling = variant.sampling.evolve(num_steps=16)
    given = (variant.model, sampling, 100)
    fresh = counts.ours(*given, pack=True, prefix_known=False)
    known = counts.ours(*given, pack=True, prefix_known=True)
    theirs = counts.original(*given)
    assert fresh.rows - known.rows == 3
    assert known.flops < fresh.flops < theirs.flops
    assert theirs.calls == 3 * (4 * 8 + 1)
    assert (theirs.cached, fresh.cached) == (8, 3)
