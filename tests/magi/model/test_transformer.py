import attrs
import pytest
import torch

from magi.goldens import (
    FORWARD,
    MODELS,
    SEEN,
    Call,
    cached,
    error,
    read_json,
    read_tensors,
    round_as_the_original_did,
    transformer,
)
from phyrefine.magi.model.cache import Captions, ChunkCache
from phyrefine.magi.model.layout import Row
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.sampling.schedule import step_size


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", ["first_text", "first_null", "three", "batch3_nocontext"])
def test_single_calls(model, case):
    call = Call(model, case)
    assert error(call.run(transformer(model)), call.out()) < FORWARD


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", ["distill_s16", "distill_s12_i2", "distill_s12_i1"])
def test_step_size_of_distilled_networks(model, case, monkeypatch):
    call = Call(model, case)
    assert error(call.run(transformer(model), distilled=True), call.out()) < FORWARD
    round_as_the_original_did(monkeypatch)
    assert error(call.run(transformer(model), distilled=True), call.out()) < SEEN


@pytest.mark.parametrize("model", MODELS)
def test_caches_and_calls_that_read_them(model):
    network, cache = transformer(model), ChunkCache()
    first = Call(model, "cache_A")
    assert error(first.run(network, cache, stored=True), first.out()) < FORWARD
    for layer in range(2):
        assert error(cached(cache, [0, 1], layer), first.out(f"cache_l{layer}")) < FORWARD
    second = Call(model, "cache_B")
    untouched = second.run(network, cache, null=False)
    assert error(untouched, second.out("out_nodrop_noupdate")) < FORWARD
    assert cache.chunks == [0, 1]
    rows = second.rows()
    rows[0] = Row(rows[0].chunk, rows[0].time, rows[0].sees, 0, 0, rows[0].null, stored=True)
    result = second.joined(network(second.latents(), rows, second.captions(), cache))
    assert error(result, second.out()) < FORWARD
    for layer in range(2):
        assert error(cached(cache, [2], layer), second.out(f"cache_l{layer}")) < FORWARD
    third = Call(model, "cache_C")
    assert error(third.run(network, cache), third.out()) < FORWARD


@pytest.mark.parametrize("model", MODELS)
def test_inner_tensors(model):
    call, network = Call(model, "three"), transformer(model)
    golden = {k.partition("probe.")[2]: v for k, v in call.golden.items() if "three/probe" in k}
    found = {}
    hooks = [
        network.patch_embed.register_forward_hook(
            lambda _m, _i, out: found.update(embedded_x=out.flatten(0, 1))
        ),
        network.blocks[0].register_forward_pre_hook(
            lambda _m, inputs: found.update(
                condition=inputs[1][None], rope=inputs[2], y_xattn_flat=inputs[4][:6]
            )
        ),
        network.blocks[0].attn.to_out.register_forward_hook(
            lambda _m, inputs, out: found.update(
                branches=inputs[0].flatten(0, 1), l0_attn_proj_out=out.flatten(0, 1)
            )
        ),
    ]
    hooks += [
        network.blocks[layer].register_forward_hook(
            lambda _m, _i, out, layer=layer: found.update(
                {f"hidden_after_layer{layer}": out[0].flatten(0, 1)}
            )
        )
        for layer in range(2)
    ]
    call.run(network)
    for hook in hooks:
        hook.remove()
    interleaved = found["branches"].unflatten(-1, (8, 2, -1))
    found["l0_self_attn_out"] = interleaved[..., 0, :].flatten(-2)
    found["l0_cross_attn_out"] = interleaved[..., 1, :].flatten(-2)
    sliced = [name for name in golden if golden[name].dim() == 3 and name != "condition"]
    assert len(sliced) == 6
    for name in sliced:
        assert error(found[name][::5, None], golden[name]) < FORWARD
    assert error(found["condition"], golden["condition"]) < FORWARD
    assert error(found["y_xattn_flat"], golden["y_xattn_flat"]) < FORWARD
    cos, sin = found["rope"][:, :, :, 0].flatten(1, 2)
    assert error(torch.cat([sin, cos], dim=-1), golden["rope_sin_cos"]) < FORWARD


@pytest.mark.parametrize("model", MODELS)
def test_rotary_table_of_five_frames(model):
    shape = read_json(f"{model}_forward")["rope_T5"]["shape"]
    cos, sin = transformer(model).rotary(0, *shape)
    golden = read_tensors(f"{model}_forward")["rope_T5/rope_sin_cos"]
    assert error(torch.cat([sin, cos], dim=-1), golden) < FORWARD


@pytest.mark.parametrize("model", MODELS)
def test_bfloat16_stays_within_its_own_rounding(model):
    call = Call(model, "three_bf16")
    result = call.run(transformer(model, torch.bfloat16))
    difference = (result - call.out()).abs().max().item()
    assert difference <= 1.5 * call.spec["err_vs_fp32"]


@pytest.mark.parametrize("model", MODELS)
def test_packed_rows_equal_rows_alone(model):
    """Views of a step share a call: that must not change any of them."""
    network = transformer(model)
    text, null = Call(model, "first_text"), Call(model, "first_null")
    rows = [
        Row(0, float(text.t), (0, 1), group=0, text=0, null=False),
        Row(0, float(text.t), (0, 1), group=1, text=0, null=True),
    ]
    latents = torch.cat([text.latents()] * 2)
    both = network(latents, rows, text.captions())
    assert error(both[:1], text.out()) < FORWARD
    assert error(both[1:], null.out()) < FORWARD


def test_rows_that_are_only_context_give_no_output_and_change_none():
    call, network = Call("dit_b", "three"), transformer("dit_b")
    rows = call.rows()
    rows[1] = attrs.evolve(rows[1], wanted=False)
    whole = network(call.latents(), call.rows(), call.captions())
    part = network(call.latents(), rows, call.captions())
    assert part.shape[0] == 2
    assert error(part, whole[[0, 2]]) < 1e-6


def test_small_groups_bound_memory_and_change_nothing():
    call, network = Call("dit_a", "three"), transformer("dit_a")
    whole = call.run(network)
    network.max_tokens = 1
    try:
        assert error(call.run(network), whole) < 2e-6
    finally:
        network.max_tokens = 32768


def test_key_bias_of_the_text_attention_cannot_matter():
    call = Call("dit_a", "three")
    network = MagiTransformer3DModel.from_shape(transformer("dit_a").shape)
    network.load_state_dict(transformer("dit_a").state_dict())
    before = call.run(network)
    network.blocks[0].attn.norm_k_text.bias.data += 3.0
    assert error(call.run(network), before) < FORWARD


def test_a_row_without_text_gets_zeros_from_the_text():
    call, network = Call("dit_b", "first_text"), transformer("dit_b")
    empty = Captions(torch.zeros(0, 16), [[]])
    result = network(call.latents(), call.rows(), empty)
    assert torch.isfinite(result).all()
    assert error(result, call.out()) > 1e-3


def test_distilled_networks_see_the_step_size():
    call, network = Call("dit_a", "three"), transformer("dit_a")
    sizes = [step_size(n, 1.0) for n in (8, 16)]
    results = [network(call.latents(), call.rows(), call.captions(), None, size) for size in sizes]
    assert error(*results) > 1e-3
