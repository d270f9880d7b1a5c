"""Pipelines as people change them: compiled, subclassed, rescheduled, unguided, drifting."""

from __future__ import annotations

import copy
import logging
from types import SimpleNamespace
from typing import Any, ClassVar

import diffusers_cases as cases
import numpy as np
import pytest
import tiny_pipelines as tiny
import torch
from attrs import evolve
from diffusers import CogVideoXDDIMScheduler, CogVideoXImageToVideoPipeline
from diffusers.configuration_utils import FrozenDict

from phyrefine.backends.diffusers import DiffusersVideoGenerator, list_families
from phyrefine.backends.diffusers.families.spec import FamilySpec
from phyrefine.backends.diffusers.families.table import named
from phyrefine.backends.diffusers.tokens import quiet
from phyrefine.errors import InvalidInputError
from phyrefine.testing import moving_clip
from phyrefine.types import FrameGrid, Prompt, Shot
from phyrefine.video.clip import Clip

PREFIX = moving_clip(24, (32, 32), 8.0)
SHOT = Shot(Prompt("a ball falls"), PREFIX, seconds=0.5, fps=8.0, seed=1)


@pytest.fixture(scope="module")
def pipe() -> Any:
    return tiny.cogvideox()


class Compiled(torch.nn.Module):
    """What ``torch.compile`` gives back: a module that has no length and no truth of its own."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self._orig_mod = module

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self._orig_mod, name)

    def __len__(self) -> int:
        raise TypeError(f"{type(self._orig_mod).__name__} does not support len()")

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._orig_mod(*args, **kwargs)


def test_a_compiled_transformer_can_be_used(pipe: Any) -> None:
    plain = DiffusersVideoGenerator(pipe, steps=1).generate(SHOT)
    wrapped = copy.copy(pipe)
    wrapped.transformer = Compiled(pipe.transformer)
    assert DiffusersVideoGenerator(wrapped, steps=1).generate(SHOT) == plain


class Patched(CogVideoXImageToVideoPipeline):
    """A subclass of a listed class, as patches make them."""


def test_a_subclass_is_its_parents_family(pipe: Any) -> None:
    found = DiffusersVideoGenerator(Patched(**pipe.components), steps=1)
    assert found.spec == DiffusersVideoGenerator(pipe, steps=1).spec
    assert found.generate(SHOT) == DiffusersVideoGenerator(pipe, steps=1).generate(SHOT)


def test_a_row_given_by_hand_is_corrected_by_the_configuration(pipe: Any) -> None:
    row = next(spec for spec in list_families() if spec.name == "cogvideox-i2v")
    given = DiffusersVideoGenerator(Patched(**pipe.components), family=row)
    assert given.spec == DiffusersVideoGenerator(pipe).spec
    assert given.spec.size == (32, 32)


def test_the_users_scheduler_is_kept(tmp_path: Any, pipe: Any) -> None:
    pipe.save_pretrained(tmp_path / "tiny")
    mine = CogVideoXDDIMScheduler()
    generator = DiffusersVideoGenerator.from_pretrained(
        str(tmp_path / "tiny"), load_options={"scheduler": mine}
    )
    assert type(generator.pipe.scheduler).__name__ == "CogVideoXDDIMScheduler"
    usual = DiffusersVideoGenerator.from_pretrained(str(tmp_path / "tiny"))
    assert type(usual.pipe.scheduler).__name__ == "CogVideoXDPMScheduler"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"num_videos_per_prompt": 2}, "several seeds"),
        ({"callback_on_step_end": 1}, "generator.cancel"),
        ({"latents": 1}, "set by the loop"),
        ({"speed": 1}, "takes no option 'speed'"),
    ],
)
def test_options_of_the_loop_are_explained_before_any_work(
    pipe: Any, option: Any, words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        DiffusersVideoGenerator(pipe, options=option)
    generator = DiffusersVideoGenerator(pipe, steps=1)
    with pytest.raises(InvalidInputError, match=words):
        generator.generate(evolve(SHOT, options=option))
    assert not generator.runner.steps_done


@pytest.mark.parametrize("num_frames", [1, 2, 4])
def test_a_pass_too_short_for_a_new_frame_is_named(num_frames: int) -> None:
    with pytest.raises(InvalidInputError, match=r"num_frames=\d.*too few.*at least 5\."):
        named("wan-2.1-i2v").shorter(num_frames)
    assert named("wan-2.1-i2v").shorter(5).grid.most == 5


# -- guidance ----------------------------------------------------------------------------------


def test_without_guidance_no_negative_prompt_is_asked_for(
    pipe: Any, caplog: pytest.LogCaptureFixture
) -> None:
    guided = DiffusersVideoGenerator(pipe, steps=1)
    unguided = DiffusersVideoGenerator(pipe, steps=1, guidance_scale=1.0)
    assert guided.profile.negative_prompt
    assert not unguided.profile.negative_prompt
    prompt = Prompt("a ball", negative="blur")
    with caplog.at_level(logging.WARNING):
        clip = unguided.generate(evolve(SHOT, prompt=prompt))
    assert "the negative prompt does nothing" in caplog.text
    assert clip == unguided.generate(evolve(SHOT, prompt=Prompt("a ball")))


def test_a_family_that_is_unguided_by_default_asks_for_no_negative_prompt() -> None:
    assert not named("anyflow-far").guided


@pytest.mark.slow
def test_ltx_2_is_really_unguided_at_one() -> None:
    generator = cases.generator("ltx-2", guidance_scale=1.0)
    batches = []
    original = generator.pipe.transformer.forward

    def watched(*args: Any, **kwargs: Any) -> Any:
        batches.append(len(kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]))
        return original(*args, **kwargs)

    generator.pipe.transformer.forward = watched
    try:
        generator.generate(evolve(SHOT, steps=1))
    finally:
        del generator.pipe.transformer.forward
    assert batches == [1]


# -- tokens ------------------------------------------------------------------------------------

LONG = "a ball falls and bounces " * 40


@pytest.mark.parametrize("name", ["cogvideox-i2v", "cosmos-3"])
def test_prompts_and_negatives_are_measured_with_the_true_tokenizer(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    generator = cases.generator(name)
    tokens = generator.runner.tokens
    with quiet():
        counted = len(tokens.tokenizer(LONG)["input_ids"])
    assert generator.count_tokens(LONG) == counted
    with caplog.at_level(logging.WARNING):
        tokens.warn_of_cut("negative prompt", LONG, 16)
        tokens.warn_of_cut("negative prompt", LONG, 16)
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        f"The negative prompt has {counted} tokens; {name} reads the first 16. Shorten it."
    ]


def test_foreign_warnings_of_long_prompts_are_dropped_and_others_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING), quiet():
        logging.getLogger("transformers.x").warning("sequence is longer than the specified maximum")
        logging.getLogger("diffusers.x").warning("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]


# -- drift -------------------------------------------------------------------------------------


class Darkening:
    """A made-up pipeline: every pass continues its image 3 % and 4 levels darker, and moves."""

    config = FrozenDict(_name_or_path="darkening")
    components: ClassVar[dict[str, Any]] = {}
    scheduler = None
    vae = None

    def __call__(
        self,
        image: Any = None,
        prompt: str = "",
        height: int = 0,
        width: int = 0,
        num_frames: int = 9,
        num_inference_steps: int = 1,
        generator: Any = None,
        output_type: str = "np",
    ) -> Any:
        first = np.asarray(image, np.float32)
        pictures = [first]
        for index in range(1, num_frames):
            share = index / (num_frames - 1)
            pictures.append(first * (1 - 0.03 * share) - 4 * share)
        frames = np.clip(np.stack(pictures), 0, 255) / 255
        return SimpleNamespace(frames=frames[None])

    def set_progress_bar_config(self, **options: Any) -> None:
        """Nothing to show."""


DARKENING = FamilySpec(
    "darkening",
    "Darkening",
    8.0,
    (32, 32),
    lambda window: {"image": window.images[-1], "num_frames": window.length},
    fixed_size=True,
    grid=FrameGrid(8, 1, most=9, least=9),
    guidance=None,
    negative_prompt=False,
    callbacks=False,
)


def drifted(**settings: Any) -> tuple[float, float, float]:
    """(whole drift, largest step at a join, largest step within a pass), in gray levels."""
    rng = np.random.default_rng(0)
    scene = np.repeat(rng.integers(80, 220, (1, 32, 32, 3)), 24, axis=0).astype(np.uint8)
    generator = DiffusersVideoGenerator(Darkening(), family=DARKENING, **settings)
    shot = Shot(Prompt("x"), Clip(scene, 8.0), seconds=5.0, fps=8.0)
    native = generator.generate(shot).as_made
    levels = np.concatenate([scene[-1:], native.frames]).mean(axis=(1, 2, 3))
    steps = np.abs(np.diff(levels))
    joins = np.arange(8, 40, 8)
    within = np.delete(steps, joins)
    return float(levels[-1] - levels[0]), float(steps[joins].max()), float(within.max())


def test_color_match_holds_the_drift_without_a_step_at_joins() -> None:
    loose, _, _ = drifted()
    assert loose < -25
    for strength in (0.5, 1.0):
        drift, join, within = drifted(color_match=strength)
        assert abs(drift) < 0.7 * abs(loose)
        assert join <= within + 0.3  # rounding to whole levels
