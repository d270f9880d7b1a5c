"""Whatever changes what a pipeline makes changes its identity, and nothing else does."""

from __future__ import annotations

import logging
import types

import diffusers_cases as cases
import pytest
import tiny_pipelines as tiny
import torch
from attrs import evolve

from phyrefine import Scenario, SelfRefiner
from phyrefine.backends.continuing.fingerprint import fingerprint
from phyrefine.backends.continuing.weights import BLOCK_WORDS, digest_of_weights
from phyrefine.backends.diffusers import DiffusersVideoGenerator
from phyrefine.errors import InvalidInputError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.testing import moving_clip
from phyrefine.types import Prompt, Shot

PREFIX = moving_clip(72, (45, 64), 24.0)
SHOT = Shot(Prompt("the ball"), PREFIX, seconds=0.5, fps=24.0, size=(45, 64), seed=3)


def first_linear(model):
    return next(part for part in model.modules() if isinstance(part, torch.nn.Linear))


def one_weight(name):
    def change(pipe):
        weight = list(getattr(pipe, name).parameters())[-1]
        weight.data.view(-1)[weight.numel() // 2] += 1e-3

    return change


def swapped_weights(pipe):
    data = first_linear(pipe.transformer).weight.data.view(-1)
    data[[3, 7]] = data[[7, 3]].clone()


def two_signs(pipe):
    first_linear(pipe.transformer).weight.data.view(-1)[[1, 5]] *= -1


def fused_adapter(pipe):
    layer = first_linear(pipe.transformer)
    up, down = torch.randn(layer.out_features, 2), torch.randn(2, layer.in_features)
    layer.weight.data += 0.01 * up @ down


def adapter(pipe):
    """A LoRA as libraries keep it: modules beside the layer, switches under private names."""
    layer = first_linear(pipe.transformer)
    layer.lora_A = torch.nn.Linear(layer.in_features, 2, bias=False)
    layer.scaling = {"style": 1.0}
    layer._disable_adapters = False
    return layer


def own_processor(pipe):
    class Louder:
        def __init__(self, scale):
            self.scale = scale

        def __call__(self, attention, *args, **kwargs):
            return attention

    block = next(part for part in pipe.transformer.modules() if hasattr(part, "processor"))
    block.processor = Louder(2.0)


def forward_hook(pipe):
    scale = 1.01
    pipe.transformer.register_forward_hook(lambda module, args, out: out)
    first_linear(pipe.transformer).register_forward_hook(lambda module, args, out: out * scale)


def pre_hook(pipe):
    first_linear(pipe.transformer).register_forward_pre_hook(lambda module, args: args)


def replaced_method(pipe):
    pipe.vae.decode = lambda latents, **_: latents


def replaced_on_the_pipeline(pipe):
    pipe.encode_prompt = lambda *args, **kwargs: None


def scheduler_setting(pipe):
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, snr_shift_scale=1.5)


CHANGES = {
    "a weight of the transformer": one_weight("transformer"),
    "a weight of the VAE": one_weight("vae"),
    "a weight of the text encoder": one_weight("text_encoder"),
    "two weights swapped": swapped_weights,
    "two signs": two_signs,
    "a fused adapter": fused_adapter,
    "an adapter": adapter,
    "an attention processor": own_processor,
    "a forward hook": forward_hook,
    "a forward pre-hook": pre_hook,
    "a method of the VAE": replaced_method,
    "a method of the pipeline": replaced_on_the_pipeline,
    "a scheduler's setting": scheduler_setting,
    "no dropout": lambda pipe: pipe.transformer.eval(),
    "tiling": lambda pipe: pipe.vae.enable_tiling(),
    "a tokenizer's word": lambda pipe: pipe.tokenizer.add_tokens(["unheard-of"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_any_kind_is_seen_before_the_next_clip(change):
    pipe = tiny.cogvideox()
    generator = DiffusersVideoGenerator(pipe, steps=1)
    before = generator.identity
    generator.refresh_identity()
    assert generator.identity == before
    CHANGES[change](pipe)
    generator.refresh_identity()
    assert generator.identity != before


def test_caches_and_attention_backends_are_seen():
    from diffusers import FasterCacheConfig, PyramidAttentionBroadcastConfig

    seen = [fingerprint(pipe := tiny.wan_22())]
    for setting in (2, 3):
        config = PyramidAttentionBroadcastConfig(
            spatial_attention_block_skip_range=setting, current_timestep_callback=lambda: 500
        )
        pipe.transformer.enable_cache(config)
        seen.append(fingerprint(pipe))
        pipe.transformer.disable_cache()
    pipe.transformer.enable_cache(FasterCacheConfig(current_timestep_callback=lambda: 500))
    seen.append(fingerprint(pipe))
    pipe.transformer.disable_cache()
    from diffusers.models.attention_dispatch import attention_backend

    with attention_backend("native"):  # puts back what the model sets for the whole process
        pipe.transformer.set_attention_backend("_native_math")
        seen.append(fingerprint(pipe))
    assert len(set(seen)) == 5


def test_attention_set_for_the_whole_process_by_another_model_is_seen():
    from diffusers.models.attention_dispatch import attention_backend

    generator = DiffusersVideoGenerator(tiny.wan_22(), steps=1)
    before = generator.identity
    with attention_backend("native"):
        tiny.wan_22().transformer.set_attention_backend("_native_math")
        generator.refresh_identity()
        assert generator.identity != before
    generator.refresh_identity()
    assert generator.identity == before


def test_adapters_that_are_switched_off_or_weakened_are_seen():
    pipe = tiny.cogvideox()
    layer = adapter(pipe)
    seen = {fingerprint(pipe)}
    layer._disable_adapters = True
    seen.add(fingerprint(pipe))
    layer._disable_adapters, layer.scaling["style"] = False, 0.5
    seen.add(fingerprint(pipe))
    layer.lora_A.weight.data.mul_(2)
    seen.add(fingerprint(pipe))
    assert len(seen) == 4


def test_a_label_freezes_the_identity_until_it_is_changed():
    pipe = tiny.cogvideox()
    named = DiffusersVideoGenerator(pipe, steps=1, label="mine 1")
    before = named.identity
    assert "label mine 1" in before
    one_weight("transformer")(pipe)
    named.refresh_identity()
    assert named.identity == before
    assert DiffusersVideoGenerator(pipe, steps=1, label="mine 2").identity != before


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_weight_norm_is_known_by_what_it_normalizes():
    """As MiniMax H3's sound has it."""

    def normalized(dim):
        pipe = tiny.cogvideox()
        torch.nn.utils.weight_norm(first_linear(pipe.transformer), dim=dim)
        return fingerprint(pipe)

    assert normalized(0) == normalized(0)
    assert len({normalized(0), normalized(1), fingerprint(tiny.cogvideox())}) == 3


def test_something_without_a_name_asks_for_a_label():
    pipe = tiny.cogvideox()
    held = iter([1])
    pipe.transformer.register_forward_hook(lambda module, args, out: (held, out)[1])
    with pytest.raises(InvalidInputError, match=r"A hook on transformer.*list_iterator.*label="):
        fingerprint(pipe)
    assert DiffusersVideoGenerator(pipe, label="mine").identity


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.filterwarnings("ignore:In CPU autocast, but the target dtype")
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "cogvideox-i2v" else pytest.mark.slow)
             for name in (*cases.CASES, *cases.MODULAR)]
)  # fmt: skip
def test_making_a_clip_changes_no_identity(name):
    steps = 2 if name in ("mochi", "minimax-h3") else 1
    made = cases.modular_generator if name in cases.MODULAR else cases.generator
    generator = made(name, steps=steps)
    before = generator.identity
    generator.generate(evolve(SHOT, prefix=moving_clip(72, (45, 77), 24.0)))
    generator.refresh_identity()
    assert generator.identity == before


@pytest.mark.slow
def test_a_run_never_takes_a_clip_of_other_weights(tmp_path):
    pipe = tiny.cogvideox()
    generator = DiffusersVideoGenerator(pipe, steps=1)
    critique = {"observed": "", "moving": True, "violations": [], "corrected": "It moves."}

    def answer(question):
        return critique if question.stage == "critique" else "The ball moves on to the right."

    refiner = SelfRefiner(
        answer, answer, generator, convergence=MaxLoops(1), ensemble="last", baseline=False
    )
    scenario = Scenario("A ball.", PREFIX, seconds=0.25, size=(45, 64))
    first = refiner.refine(scenario)
    assert refiner.refine(scenario).video == first.video
    fused_adapter(pipe)
    changed = refiner.refine(scenario)
    assert changed.video != first.video
    assert changed.video == refiner.refine(scenario).video


def test_a_second_generator_never_inherits_what_was_put_on_the_first(tmp_path, caplog):
    tiny.cogvideox().save_pretrained(tmp_path)
    first = DiffusersVideoGenerator.from_pretrained(str(tmp_path), steps=1)
    plain = first.identity
    fused_adapter(first.pipe)
    with caplog.at_level(logging.INFO):
        second = DiffusersVideoGenerator.from_pretrained(str(tmp_path), steps=1)
    assert second.pipe is not first.pipe
    assert second.identity == plain
    assert "was changed since it was loaded" in caplog.text
    third = DiffusersVideoGenerator.from_pretrained(str(tmp_path), steps=1)
    assert third.pipe is second.pipe
    fused_adapter(second.pipe)
    for one in (second, third):
        with pytest.raises(InvalidInputError, match=r"2 generators .* share=False"):
            one.refresh_identity()
    alone = DiffusersVideoGenerator.from_pretrained(str(tmp_path), steps=1, share=False)
    fused_adapter(alone.pipe)
    alone.refresh_identity()
    assert alone.identity != plain


class TestWeights:
    def test_every_byte_counts_wherever_it_lies(self):
        sizes = (1, 7, 8, 9, 1000, 8 * BLOCK_WORDS - 1, 8 * BLOCK_WORDS + 3)
        for size in sizes:
            part = torch.nn.Module()
            part.register_buffer("data", torch.zeros(size, dtype=torch.uint8))
            seen = {digest_of_weights(part)}
            for at in sorted({0, size // 2, size - 1}):
                part.data[at] = 1
                seen.add(digest_of_weights(part))
                part.data[at] = 0
            assert len(seen) == 1 + len({0, size // 2, size - 1})

    def test_type_shape_and_order_count_and_layout_does_not(self):
        def digest(tensor):
            part = torch.nn.Module()
            part.register_buffer("data", tensor)
            return digest_of_weights(part)

        data = torch.arange(24, dtype=torch.float32)
        assert digest(data) != digest(data.reshape(4, 6))
        assert digest(data) != digest(data.view(torch.int32))
        assert digest(data) != digest(data.flip(0))
        assert digest(data[1:]) == digest(data[1:].clone())
        assert digest(data.reshape(4, 6).T) == digest(data.reshape(4, 6).T.contiguous())
        for kind in (torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.bool):
            assert digest(data.to(kind)) != digest(data)

    def test_weights_that_lie_elsewhere_are_found_or_refused(self):
        part = torch.nn.Linear(2, 2, device="meta")
        with pytest.raises(InvalidInputError, match=r"weight .* meta device .*label="):
            digest_of_weights(part)
        kept = {"weight": torch.ones(2, 2), "bias": torch.ones(2)}
        part._hf_hook = types.SimpleNamespace(weights_map=kept)
        there = torch.nn.Linear(2, 2)
        there.load_state_dict(kept)
        assert digest_of_weights(part) == digest_of_weights(there)
