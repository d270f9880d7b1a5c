import attrs
import pytest
import torch

from magi.goldens import (
    FORWARD,
    MODELS,
    Call,
    cached,
    error,
    round_as_the_original_did,
    transformer,
)
from phyrefine.magi.config import SamplingConfig
from phyrefine.magi.model.cache import Captions, ChunkCache
from phyrefine.magi.sampling.guidance import guidance_scales, plan_step, refresh_row
from phyrefine.magi.sampling.schedule import Step, Turn, step_size

CONFIG = SamplingConfig(num_steps=16)


def _step(call, *, near_clean=False):
    """The stored call as a step whose clean chunk is in the cache already."""
    extra = call.spec["kwargs"]["fwd_extra_1st_chunk"]
    turns = tuple(
        Turn(
            call.start + r,
            float(call.t[0, r]),
            tuple(call.sees[r]),
            None if extra and r == 0 else r,
        )
        for r in range(call.chunks)
    )
    return Step(0, 0, turns, call.interval, near_clean)


def _cache(model):
    first, cache = Call(model, "cache_A"), ChunkCache()
    first.run(transformer(model), cache, stored=True)
    return cache


def _captions(call, config):
    """Captions of a stored call, and how rows name them.

    The stored calls have another null caption for every chunk and give the clean chunk its own
    text; the sampler has one null caption, which the clean chunk takes.
    """
    texts = [y[0][m[0].bool()] for y, m in zip(call.y, call.mask, strict=True)]
    nulls = texts
    if config.passes == 3:
        y, mask = call.out("y_null"), call.out("mask_null")
        nulls = [row[0][valid[0].bool()] for row, valid in zip(y, mask, strict=True)]

    def rows_of(rows):
        def text(row):
            place = row.chunk - call.start
            clean_with_text = row.time > 0.99 and not row.null
            return place + (0 if row.text or clean_with_text else call.chunks)

        return [attrs.evolve(row, text=text(row)) for row in rows]

    return Captions.packed([[text] for text in (*texts, *nulls)]), rows_of


def _guided(model, case, config, *, skip, step_told=None):
    """Velocities by chunk, the cache afterwards and the views' velocities, for a stored call."""
    call = Call(model, case)
    network, cache = transformer(model), _cache(model)
    near_clean = call.spec["kwargs"]["distill_nearly_clean_chunk"]
    step = _step(call, near_clean=near_clean)
    captions, rows_of = _captions(call, config)
    latents = dict(zip(range(call.start, call.start + call.chunks), call.latents(), strict=True))
    if step.refreshes:
        row = rows_of([refresh_row(step.turns[0], config)])[0]
        network(latents[row.chunk][None], [row], captions, cache, step_told)
    plan = plan_step(step, config, lambda chunk: chunk - call.start + 1, skip=skip)
    rows = rows_of(plan.rows)
    stacked = torch.stack([latents[row.chunk] for row in rows])
    out = network(stacked, rows, captions, cache, step_told)
    wanted = [place for place, row in enumerate(plan.rows) if row.wanted]
    velocities = dict(zip(wanted, out, strict=True))
    views = {(min(plan.rows[k].group, 2), plan.rows[k].chunk): velocities[k] for k in wanted}
    mixed = {turn.chunk: plan.combine(turn.chunk, velocities) for turn in step.noisy}
    return call, step, mixed, cache, views


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", ["guidance3_plain", "guidance3_extra"])
@pytest.mark.parametrize("skip", [False, True])
def test_three_way_guidance(model, case, skip):
    spec = Call(model, case).spec
    config = attrs.evolve(
        CONFIG,
        history_scales=tuple(spec["prev_chunk_scales"]),
        text_scales=tuple(spec["text_scales"]),
    )
    call, step, velocities, *_ = _guided(model, case, config, skip=skip)
    golden = call.out().unflatten(2, (call.chunks, call.width))[0]
    for turn in step.noisy:
        assert error(velocities[turn.chunk], golden[:, turn.chunk - call.start]) < FORWARD


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", ["guidance3_plain", "guidance3_extra"])
def test_each_view_before_it_is_mixed(model, case):
    call, step, _, _, views = _guided(model, case, CONFIG, skip=False)
    first_noisy = step.noisy[0].chunk
    # The pass without history leaves a refreshed chunk out.
    for view, (name, first) in enumerate(
        [("v_text_pre", call.start), ("v_pre", call.start), ("v_uncond", first_noisy)]
    ):
        golden = call.out(name).unflatten(2, (-1, call.width))[0]
        for turn in step.noisy:
            assert error(views[view, turn.chunk], golden[:, turn.chunk - first]) < FORWARD


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "case", ["distill_nearclean_plain", "distill_nearclean_extra", "distill_notclean_extra"]
)
def test_distilled_guidance(model, case, monkeypatch):
    round_as_the_original_did(monkeypatch)
    config = attrs.evolve(CONFIG, passes=1)
    spec = Call(model, case)
    told = step_size(spec.steps, spec.interval)
    call, step, velocities, cache, _ = _guided(model, case, config, skip=True, step_told=told)
    golden = call.out().unflatten(2, (call.chunks, call.width))[0]
    for turn in step.noisy:
        assert error(velocities[turn.chunk], golden[:, turn.chunk - call.start]) < FORWARD
    if step.refreshes:
        for layer in range(2):
            after = call.out(f"cache_l{layer}_after")
            assert error(cached(cache, [call.start], layer), after) < FORWARD


def _turn(chunk, time, sees, index=0):
    return Turn(chunk, time, sees, index)


def _views(plan):
    return [(row.chunk, row.group, row.wanted) for row in plan.rows]


def test_late_chunks_need_one_view_and_context_stays():
    step = Step(0, 0, (_turn(1, 0.5, (0, 2)), _turn(2, 0.1, (0, 3))))
    plan = plan_step(step, CONFIG, lambda _: 1)
    # Chunk 1 is past the guided range: it stays in the text view only because chunk 2 sees it.
    assert _views(plan) == [(1, 0, False), (2, 0, True), (1, 1, True), (2, 1, True), (2, 4, True)]
    assert plan.mix[1] == ((2, 1.0),)


def test_a_step_past_the_guided_range_runs_one_view():
    step = Step(0, 0, (_turn(1, 0.5, (0, 2)),))
    assert _views(plan_step(step, CONFIG, lambda _: 1)) == [(1, 1, True)]


def test_a_chunk_without_history_needs_no_view_without_history():
    step = Step(0, 0, (_turn(0, 0.1, (0, 1)),))
    plan = plan_step(step, CONFIG, lambda _: 1)
    assert _views(plan) == [(0, 0, True), (0, 1, True)]
    p, q = guidance_scales(0.1, CONFIG)
    assert sum(weight for _, weight in plan.mix[0]) == pytest.approx(1.0)
    assert dict(plan.mix[0]) == {1: 1 - q, 0: q}
    assert p != 1


def test_plain_plans_run_every_view_of_every_chunk():
    step = Step(0, 0, (_turn(1, 0.5, (0, 2)), _turn(2, 0.1, (0, 3))))
    assert len(plan_step(step, CONFIG, lambda _: 1, skip=False).rows) == 6
