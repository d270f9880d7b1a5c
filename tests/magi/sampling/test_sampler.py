import attrs
import pytest
import torch

from magi.goldens import SAMPLER, SCENARIOS, error, read_json, read_tensors, sampler
from phyrefine.magi.model.cache import cache_state
from phyrefine.magi.sampling.sampler import Savings
from phyrefine.magi.sampling.schedule import Schedule
from phyrefine.magi.sampling.state import pack_state, unpack_state

PLAIN = Savings(skip=False, pack=False, keep_text=False)


def _compare(name, savings):
    golden = read_tensors("sampler")
    chunks = list(sampler(name, savings).run())
    shapes = [[chunk.index, list(chunk.latents.shape)] for chunk in chunks]
    assert shapes == read_json("sampler")[name]["yielded"]
    for chunk in chunks:
        assert error(chunk.latents, golden[f"{name}/chunk.{chunk.index}"]) < SAMPLER


@pytest.mark.parametrize("name", SCENARIOS)
def test_chunks_equal_the_original(name):
    _compare(name, Savings())


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("savings", [PLAIN, Savings(pack=False), Savings(skip=False)])
def test_chunks_equal_the_original_without_savings(name, savings):
    _compare(name, savings)


@pytest.mark.parametrize(
    "name",
    [
        "a_t2v_w4",
        "b_distill_s16_p8",
        pytest.param("a_v2v_p12_kv", marks=pytest.mark.slow),
        pytest.param("a_i2v", marks=pytest.mark.slow),
    ],
)
def test_going_on_after_any_chunk_is_bitwise_the_same(name):
    whole = list(sampler(name).run())
    for position, chunk in enumerate(whole[:-1]):
        bytes_ = pack_state(chunk.progress, {"a": "b"})
        rest = list(sampler(name).run(unpack_state(bytes_, {"a": "b"})))
        for ours, theirs in zip(rest, whole[position + 1 :], strict=True):
            assert ours.index == theirs.index
            assert torch.equal(ours.latents, theirs.latents)


def test_finished_chunks_cost_no_steps():
    steps = []
    whole = list(sampler("a_t2v_w4", on_step=steps.append).run())
    resumed = []
    list(sampler("a_t2v_w4", on_step=resumed.append).run(whole[1].progress))
    assert len(steps) == 14
    assert [step.stage for step in resumed] == [5, 5, 6, 6]


def test_a_prefix_cache_serves_other_samplers_unchanged():
    first = sampler("a_v2v_p12")
    cache = first.prefix_cache()
    first.cache = cache
    once = [chunk.latents for chunk in first.run()]
    assert cache.chunks == [0, 1]
    second = sampler("a_v2v_p12")
    second.cache = cache
    calls = []
    second.prefix_cache = lambda: calls.append(1)
    again = [chunk.latents for chunk in second.run()]
    assert calls == []
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))


def _prefix_keys(name, **changes):
    """Keys and values of the prefix under other settings, by (chunk, layer)."""
    made = sampler(name)
    made.config = attrs.evolve(made.config, **changes)
    made.schedule = Schedule(made.config, made.schedule.chunks + 3, made.schedule.prefix)
    return cache_state(made.prefix_cache())


def _same(one, other):
    return all(torch.equal(one[key], other[key]) for key in one)


def test_keys_of_a_prefix_hang_on_neither_steps_nor_length_nor_guidance_of_a_base_model():
    base = _prefix_keys("a_v2v_p12")
    other = {"text_scales": (1.0, 2.0, 3.0, 4.0, 5.0), "num_steps": 32}
    assert base
    assert _same(base, _prefix_keys("a_v2v_p12", **other))
    assert not _same(base, _prefix_keys("a_v2v_p12", clean_time=0.99))


def test_keys_of_a_prefix_hang_on_the_told_step_size_of_a_distilled_model():
    keys = {n: _prefix_keys("b_distill_s16_p8", num_steps=n) for n in (8, 12, 16)}
    assert _same(keys[8], keys[12])  # both are told 4
    assert not _same(keys[8], keys[16])


@pytest.mark.parametrize(("dtype", "limit"), [(torch.bfloat16, 0.1), (torch.float16, 0.01)])
@pytest.mark.parametrize("name", ["a_v2v_p8", "b_distill_s8_i2v"])
def test_half_precision_follows_float32(name, dtype, limit):
    golden = read_tensors("sampler")
    for chunk in sampler(name, dtype=dtype).run():
        assert error(chunk.latents, golden[f"{name}/chunk.{chunk.index}"]) < limit


def test_an_exception_in_a_callback_stops_at_once():
    seen = []

    def stop(step):
        seen.append(step)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(sampler("a_t2v_w4", on_step=stop).run())
    assert len(seen) == 3


def test_the_cache_holds_few_chunks_however_long_the_video():
    """With release settings one clean chunk is read once the ramp after the prefix is over."""
    running = sampler("a_t2v_w4")
    held = []
    inner = running._advance

    def advance(step, in_flight, finished, cache):
        held.append((len(in_flight), len(cache.chunks), len(finished)))
        inner(step, in_flight, finished, cache)

    running._advance = advance
    list(running.run())
    assert max(count for _, count, _ in held) == 1
    assert max(count for count, _, _ in held) == 4
