"""Mistakes one could make, injected: the stored outputs must notice each of them."""

import attrs
import pytest
import torch
from torch.nn import functional as F

from phyrefine.magi.model import attention, embeddings, norms
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.sampling import guidance, schedule
from phyrefine.magi.sampling.sampler import Savings

from .goldens import FORWARD, SAMPLER, Call, error, read_tensors, sampler, transformer


def _tanh_gelu(patch):
    exact = F.gelu
    patch.setattr(F, "gelu", lambda x: exact(x, approximate="tanh"))


def _larger_eps(patch):
    exact = F.layer_norm
    patch.setattr(F, "layer_norm", lambda x, n, w, b, eps: exact(x, n, w, b, 1e-5))


def _plain_head_norms(patch):
    patch.setattr(norms.ZeroCenteredLayerNorm, "forward", norms.PlainLayerNorm.forward)


def _concatenated_branches(patch):
    patch.setattr(attention, "_INTERLEAVE", 1)


def _sines_first(patch):
    swap = {"cos": torch.Tensor.sin, "sin": torch.Tensor.cos}

    class Turned(torch.Tensor):
        cos, sin = swap["cos"], swap["sin"]

    exact = embeddings._time_frequencies()
    patch.setattr(embeddings, "_time_frequencies", lambda: exact.as_subclass(Turned))


def _uncentered_rows(patch):
    patch.setattr(
        embeddings,
        "_centered",
        lambda size, _ratio, device: torch.arange(size, device=device).float(),
    )


def _swapped_condition_tokens(patch):
    exact = embeddings.CaptionEmbed.forward
    patch.setattr(
        embeddings.CaptionEmbed, "forward", lambda self, text, null: exact(self, text, ~null)
    )


def _no_gates(patch):
    patch.setattr(torch, "tanh", torch.ones_like)


def _late_rotation(patch):
    exact = embeddings.RotaryEmbed.forward
    patch.setattr(
        embeddings.RotaryEmbed,
        "forward",
        lambda self, chunk, frames, *size: exact(self, chunk // 2, frames, *size),
    )


IN_A_CALL = (
    _tanh_gelu,
    _larger_eps,
    _plain_head_norms,
    _concatenated_branches,
    _sines_first,
    _uncentered_rows,
    _swapped_condition_tokens,
    _no_gates,
    _late_rotation,
)


@pytest.mark.parametrize("mistake", IN_A_CALL)
def test_a_mistake_in_the_network_shows(mistake, monkeypatch):
    call = Call("dit_a", "three")
    source = transformer("dit_a")
    network = MagiTransformer3DModel.from_shape(source.shape)  # with no tables kept
    network.load_state_dict(source.state_dict(), assign=True)
    assert error(call.run(network), call.out()) < FORWARD
    network._tables.clear()
    mistake(monkeypatch)
    assert error(call.run(network), call.out()) > 10 * FORWARD


def _scales_one_step_late(patch):
    exact = guidance.guidance_scales
    patch.setattr(guidance, "guidance_scales", lambda time, config: exact(time - 1e-6, config))


def _refresh_without_null_token(patch):
    exact = guidance.refresh_row
    patch.setattr(
        "phyrefine.magi.sampling.sampler.refresh_row",
        lambda turn, config: attrs.evolve(exact(turn, config), null=False),
    )


def _refresh_with_history(patch):
    exact = schedule.Schedule.refresh_turn
    patch.setattr(
        schedule.Schedule,
        "refresh_turn",
        lambda self, chunk: attrs.evolve(exact(self, chunk), sees=(max(0, chunk - 1), chunk + 1)),
    )


def _shared_clean_keys(patch):
    """The view with text reads the cached keys of the refreshed chunk instead of its own."""
    exact = guidance._plan_guided

    def plan(step, config, text_of, *, skip):
        return exact(attrs.evolve(step, turns=step.noisy), config, text_of, skip=skip)

    patch.setattr(guidance, "_plan_guided", plan)


@pytest.mark.parametrize(
    ("mistake", "scenario"),
    [
        (_scales_one_step_late, "a_t2v_w1"),
        (_refresh_without_null_token, "a_t2v_w4"),
        (_refresh_with_history, "a_t2v_w4"),
        (_shared_clean_keys, "a_t2v_w4"),
    ],
)
def test_a_mistake_in_the_schedule_shows(mistake, scenario, monkeypatch):
    mistake(monkeypatch)
    golden = read_tensors("sampler")
    worst = max(
        error(chunk.latents, golden[f"{scenario}/chunk.{chunk.index}"])
        for chunk in sampler(scenario, Savings()).run()
    )
    assert worst > 10 * SAMPLER
