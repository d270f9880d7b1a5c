"""Predict and perturb: off by default, the same again, and a check by hand of its pieces."""

import attrs
import pytest
import torch

from magi.goldens import sampler
from phyrefine.errors import InvalidInputError
from phyrefine.magi.sampling.perturb import Perturb


def run(name, perturb):
    calls = []
    made = sampler(name)
    made._perturb = perturb
    hook = made.transformer.register_forward_pre_hook(lambda *_: calls.append(1))
    try:
        latents = torch.cat([chunk.latents for chunk in made.run()], dim=2)
    finally:
        hook.remove()
    return latents, len(calls)


@pytest.mark.slow
def test_early_steps_alone_cost_more_calls_and_change_the_clip():
    plain, calls = run("a_t2v_w4", None)
    perturbed, more = run("a_t2v_w4", Perturb(until=0.2))
    everywhere, most = run("a_t2v_w4", Perturb(until=1.0))
    assert calls < more < most
    assert not torch.equal(perturbed, plain)
    assert not torch.equal(everywhere, perturbed)
    assert torch.equal(run("a_t2v_w4", Perturb(until=0.2))[0], perturbed)
    assert not torch.equal(run("a_t2v_w4", Perturb(until=0.2, seed=1))[0], perturbed)
    assert torch.isfinite(perturbed).all()


def test_a_prediction_is_noised_again_to_its_own_time():
    perturb, prediction = Perturb(), torch.full((16, 2, 4, 4), 3.0)
    first = perturb.again(prediction, 0.25, 1, 0)
    noise = (first - 0.25 * prediction) / 0.75
    assert abs(noise.mean()) < 0.2
    assert 0.8 < noise.std() < 1.2
    assert torch.equal(perturb.again(prediction, 0.25, 1, 0), first)
    for other in ((2, 0), (1, 1)):
        assert not torch.equal(perturb.again(prediction, 0.25, *other), first)


def test_only_where_predictions_differ_most_the_fresh_value_is_taken():
    first, fresh = torch.zeros(16, 1, 2, 2), torch.ones(16, 1, 2, 2)
    before, after = torch.zeros(16, 1, 2, 2), torch.zeros(16, 1, 2, 2)
    after[:, 0, 0, 1] = 5
    after[:, 0, 1, 0] = 2
    mixed = Perturb(share=0.5).mixed(first, fresh, before, after)
    assert mixed[0, 0].tolist() == [[0, 1], [1, 0]]
    assert Perturb(share=1.0).mixed(first, fresh, before, after).min() == 1


def test_frames_of_an_incomplete_prefix_chunk_stay_as_they_are():
    seen = []
    made = sampler("b_distill_s16_p8")
    assert made.prefix_frames % made.config.chunk_width
    made._perturb = Perturb(until=1.0)
    known = made._padded
    made._padded = lambda chunk, latents: seen.append(chunk) or known(chunk, latents)
    list(made.run())
    assert made.prefix_frames // made.config.chunk_width in seen


@pytest.mark.parametrize("wrong", [{"count": 1}, {"share": 0.0}, {"share": 1.5}, {"until": 0.0}])
def test_what_is_refused(wrong):
    with pytest.raises(InvalidInputError, match="Perturb needs"):
        attrs.evolve(Perturb(), **wrong)
