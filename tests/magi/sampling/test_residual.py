"""The residual of the flow: by hand on one chunk, by motion, and what is refused."""

import pytest
import torch

from magi.goldens import sampler
from phyrefine.errors import InvalidInputError
from phyrefine.magi.model.layout import Row
from phyrefine.magi.sampling.noise import chunk_noise
from phyrefine.magi.sampling.residual import Residual, flow_residual


@pytest.fixture(scope="module")
def made():
    """A sampler without a prefix, and the latents of its clip."""
    source = sampler("a_t2v_w4")
    return source, torch.cat([chunk.latents for chunk in source.run()], dim=2)


def test_one_chunk_by_hand(made):
    source, latents = made
    width = source.config.chunk_width
    one = latents[:, :, :width]
    noise = chunk_noise(5, 0, (width, *one.shape[3:]))(0)
    row = Row(0, 0.5, (0, 1), text=source.text_of(0))
    velocity = source.transformer(
        (0.5 * one[0] + 0.5 * noise)[None], [row], source.captions, None, None
    )[0]
    change = (one[0, :, 1:] - one[0, :, :-1]).abs().mean(0)
    moving = torch.cat([change[:1], change])
    where = moving >= moving.median()
    wanted = one[0] - noise
    off, all_ = (velocity - wanted).square().sum(0), wanted.square().sum(0)
    found = flow_residual(source, one, times=(0.5,), seeds=(5,))
    assert found.residual == pytest.approx(float(off[where].sum() / all_[where].sum()), rel=1e-5)
    assert found.motion == pytest.approx(float(moving.mean()), rel=1e-6)
    assert found.spread == 0
    assert found.score == pytest.approx(found.residual / found.motion)


def test_it_is_the_same_again_and_hangs_on_noise_and_clip(made):
    source, latents = made
    first = flow_residual(source, latents)
    assert flow_residual(source, latents) == first
    assert first.spread > 0
    assert flow_residual(source, latents, seeds=(1,)).residual != first.residual
    assert flow_residual(source, latents.flip(2)).residual != first.residual


def test_after_a_prefix_and_with_a_distilled_network():
    for name in ("a_v2v_p12", "b_distill_s16_p8"):
        source = sampler(name)
        if source.prefix_frames % source.config.chunk_width:
            continue
        latents = torch.cat([chunk.latents for chunk in source.run()], dim=2)
        assert 0 < flow_residual(source, latents, times=(0.5,)).residual < 100


def test_a_clip_that_stands_still_has_no_score(made):
    source, latents = made
    still = latents[:, :, :1].expand_as(latents)
    assert flow_residual(source, still, times=(0.5,)).score is None
    assert Residual(0.5, 0.25, 0.0).score == 2


def test_what_is_refused(made):
    source, latents = made
    with pytest.raises(InvalidInputError, match="whole chunks"):
        flow_residual(source, latents[:, :, 1:])
    for times in ((), (0.0,), (0.5, 1.0)):
        with pytest.raises(InvalidInputError, match="between 0 and 1"):
            flow_residual(source, latents, times=times)
