"""Every family of the table on tiny random weights: one per kind quickly, all of them slowly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import diffusers_cases as cases
import numpy as np
import pytest
import torch
from attrs import evolve
from diffusers_checks import PREFIX, SHOT, SIZE, second

from phyrefine.backends.diffusers import passes
from phyrefine.backends.diffusers.families import table as families
from phyrefine.errors import InvalidInputError
from phyrefine.testing import check_generator, moving_clip
from phyrefine.types import Prompt
from phyrefine.video.clip import Clip
from phyrefine.video.seam import check_seam

# Warnings of torch, and of diffusers under NumPy 2; nothing we call.
pytestmark = [
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context"),
    pytest.mark.filterwarnings("ignore:In CPU autocast, but the target dtype is not supported"),
    pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight"),
]

TEXT_ONLY = [name for name in cases.CASES if not cases.CASES[name].context]
NEW_CONDITIONED = [
    "skyreels-v2-i2v",
    "skyreels-v1-i2v",
    "sana-video-i2v",
    "hunyuanvideo-i2v",
    "hunyuanvideo-i2v-33ch",
    "kandinsky-5-i2v",
    "kandinsky-6",
    "motif-i2v",
    "easyanimate-i2v",
]
CONDITIONED = [name for name in cases.CASES if cases.CASES[name].context]
# Frames to change one by one: all of a short context, a sample of a long one.
SAMPLED_FROM, SAMPLE = 20, 9


def test_every_row_has_a_case_and_names_a_class():
    import diffusers

    named = {spec.name for spec in families.list_families()}
    assert set(cases.CASES) | set(cases.MODULAR) == named
    assert len(named) == len(families.list_families())
    for spec in families.list_families():
        assert hasattr(diffusers, spec.pipeline), spec.name
        assert all(hasattr(diffusers, name) for name in spec.accepts), spec.name
        assert spec.license
        assert spec.notes


def test_no_two_rows_claim_one_pipeline():
    for name in ("wan-2.1-i2v", "wan-2.2-i2v", "wan-2.2-ti2v"):
        assert families.of(cases.CASES[name].build()).name == name


def test_checkpoints_saved_by_a_sibling_class_load_as_the_one_that_continues(tmp_path):
    import diffusers

    parts = cases.CASES["wan-2.2-ti2v"].build()
    kept = {
        k: v for k, v in parts.components.items() if k not in ("image_encoder", "image_processor")
    }
    text = diffusers.WanPipeline(**kept, expand_timesteps=True)
    text.save_pretrained(tmp_path / "ti2v")
    generator = cases.generator("wan-2.2-ti2v", where=tmp_path / "ti2v")
    assert generator.spec.name == "wan-2.2-ti2v"
    assert type(generator.pipe).__name__ == "WanImageToVideoPipeline"
    shot = evolve(SHOT, seconds=0.5)
    assert generator.generate(shot) == cases.generator("wan-2.2-ti2v").generate(shot)
    assert families.of(text).name == "wan-2.2-ti2v-text"
    named = cases.generator("wan-2.2-ti2v-text", where=tmp_path / "ti2v")
    assert type(named.pipe).__name__ == "WanPipeline"


def test_each_generation_of_ltx_2_has_its_own_recipe():
    """diffusers' defaults are those of LTX-2.3, whichever weights are loaded."""
    for name, crosses in (("ltx-2", False), ("ltx-2.3", True)):
        pipe = cases.CASES[name].build()
        spec = families.of(pipe)
        assert spec.name == name
        options = spec.options(pipe)
        assert options["use_cross_timestep"] is crosses
        assert max(options["spatio_temporal_guidance_blocks"]) < pipe.transformer.config.num_layers


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SanaWMPipeline", "camera path"),
        ("LucyEditPipeline", "edits a clip"),
        ("EasyAnimateControlPipeline", "control video"),
        ("WanPipelines", r"It is near .*WanPipeline"),
        ("DDPMPipeline", r"table of families \('phyrefine generators' lists it\)\. To use it"),
    ],
)
def test_classes_without_a_row_are_answered(name, words):
    with pytest.raises(InvalidInputError, match=words):
        families.by_class(name)


def test_an_unknown_family_is_named():
    with pytest.raises(InvalidInputError, match="No family called 'sora'"):
        families.named("sora")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ltx-condition", "helios"])
def test_one_of_each_kind_keeps_the_contract(name):
    """CogVideoX, the kind with one frame of context, has a file of its own."""
    shorter = {"ltx-condition": 33, "helios": 33}[name]
    generator = cases.generator(name, num_frames=shorter)
    check_generator(generator, seconds=0.5)
    assert generator.profile.context_frames == generator.spec.contexts[0]


TEXT_SHOT = evolve(SHOT, prefix=None, seconds=0.25)


def quick(names):
    """Rows that take longer than two seconds are left to the slow suite."""
    slow = {"allegro", "ltx-2", "ltx-2.3", "skyreels-v2-df-t2v"}
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in slow)) for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("name", quick([*cases.EITHER, *TEXT_ONLY]))
def test_text_to_video(name):
    """No prefix: the same shot gives the same clip, another seed or prompt another one."""
    generator = cases.generator(name)
    assert not generator.spec.needs_prefix
    clip = generator.generate(TEXT_SHOT)
    check_exact(clip, TEXT_SHOT)
    assert generator.generate(TEXT_SHOT) == clip
    assert generator.generate(evolve(TEXT_SHOT, seed=4)) != clip


@pytest.mark.slow
@pytest.mark.parametrize("name", NEW_CONDITIONED)
def test_a_new_row_continues_its_prefix(name):
    generator = cases.generator(name)
    shot = evolve(SHOT, seconds=0.25, steps=1)
    clip = generator.generate(shot)
    check_exact(clip, shot)
    assert generator.generate(evolve(shot, prefix=changed(context_indices(generator)[-1:]))) != clip


def test_a_family_that_needs_a_prefix_says_so():
    with pytest.raises(InvalidInputError, match="has no prefix"):
        cases.generator("wan-2.1-i2v").generate(TEXT_SHOT)


# -- the matrix --------------------------------------------------------------------------------


def seconds_for(name):
    return 5.0 if cases.CASES[name].context else 1.0


def check_exact(clip, shot):
    report = check_seam(shot.prefix, clip, frames=shot.frames, fps=shot.fps, size=shot.size)
    assert not [fault for fault in report.faults if "jump" not in fault]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", cases.CASES)
def test_five_seconds_after_three(name, dtype):
    generator = cases.generator(name, dtype=dtype)
    assert generator.pipe.transformer.dtype == getattr(torch, dtype)
    shot = evolve(SHOT, seconds=seconds_for(name))
    clip = generator.generate(shot)
    check_exact(clip, shot)
    assert clip.native is not None
    assert clip.native.fps == generator.spec.fps
    assert len(clip.native) == round(shot.seconds * generator.spec.fps)
    assert bool(generator.runner.steps_done) == generator.spec.callbacks
    brief = evolve(shot, seconds=0.25)
    assert generator.generate(brief) != generator.generate(evolve(brief, seed=4))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "seen", "size"), [(1.0, (61, 33), (61, 33)), (20.0, SIZE, (50, 50))]
)
@pytest.mark.parametrize("name", CONDITIONED)
def test_other_aspects_and_lengths(name, seconds, seen, size):
    prefix = moving_clip(72, seen, 24.0)
    shot = evolve(SHOT, prefix=prefix, seconds=seconds, size=size, steps=1)
    check_exact(cases.generator(name).generate(shot), shot)


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.CASES)
def test_the_contract(name):
    check_generator(cases.generator(name), seconds=1.0)


@pytest.mark.slow
def test_a_guider_is_set_for_the_call_alone():
    plain = cases.generator("hunyuanvideo-1.5-i2v")
    guider, config = plain.pipe.guider, dict(plain.pipe.guider.config)
    guided = cases.generator("hunyuanvideo-1.5-i2v", guidance_scale=12.0)
    assert guided.pipe is plain.pipe
    assert guided.identity != plain.identity
    shot = evolve(SHOT, seconds=0.25)
    assert guided.generate(shot) != plain.generate(shot)
    assert plain.pipe.guider is guider
    assert dict(guider.config) == config
    assert guider._step is None


class Floats:
    """What the first pass of a generator gives, before any rounding."""

    def __init__(self, generator, monkeypatch):
        self.generator = generator
        self.made = None
        run = passes.Runner.run

        def spy(runner, calls, seeds, **more):
            made = run(runner, calls, seeds, **more)
            self.made = made[0].frames if self.made is None else self.made
            return made

        monkeypatch.setattr(passes.Runner, "run", spy)

    def __call__(self, shot):
        self.made = None
        next(self.generator.stream(shot))
        return self.made


def context_indices(generator):
    """Which frames of the prefix the first pass may see, oldest first: 1, 2, ... steps before the
    seam, so that the next frame is the seam's."""
    step = PREFIX.fps / generator.spec.fps
    before = len(PREFIX) - step * np.arange(generator.spec.contexts[0], 0, -1)
    nearest = 0.5 if step >= 1 else 0.0
    return np.minimum(np.floor(before + nearest + 1e-6), len(PREFIX) - 1).astype(int)


def changed(indices):
    frames = PREFIX.frames.copy()
    frames[list(indices)] = 255 - frames[list(indices)]
    return Clip(frames, PREFIX.fps)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONDITIONED)
def test_prompt_and_context_count_and_nothing_else(name, monkeypatch):
    generator = cases.generator(name)
    assert generator.spec.contexts[0] == cases.CASES[name].context
    floats = Floats(generator, monkeypatch)
    shot = evolve(SHOT, seconds=0.25)
    plain = floats(shot)
    repeated = generator.spec.repeated(generator.spec.contexts[0])
    noise = np.abs(floats(shot) - plain).max()

    def effect(**changes):
        return np.abs(floats(evolve(shot, **changes)) - plain)[repeated:].max()

    # Reruns are equal bit by bit on one thread; so ask for a hundred roundings of a float32.
    floor = 100 * max(noise, np.finfo(np.float32).eps)
    assert effect(prompt=Prompt("water pours into a glass", negative="blur")) > floor
    seen = context_indices(generator)
    picked = seen
    if len(seen) > SAMPLED_FROM:
        picked = seen[np.linspace(0, len(seen) - 1, SAMPLE).astype(int)]
    for index in picked:
        assert effect(prefix=changed([index])) > floor, index
    unseen = set(range(len(PREFIX))) - set(seen.tolist())
    assert effect(prefix=changed(unseen)) <= noise


SCRIPT = """
import sys, zlib
sys.path[:0] = {here!r}
import torch
import diffusers_cases as cases
from diffusers_checks import second
torch.set_num_threads(1)
torch.manual_seed(99)  # not ours to depend on
for name in cases.CASES:
    print(name, second(cases.generator(name, where={root!r} + "/" + name)))
"""


@pytest.mark.slow
def test_two_processes_make_the_same_frames():
    mine = {name: second(cases.generator(name)) for name in cases.CASES}
    root = cases.folder("cogvideox-i2v").parent
    script = SCRIPT.format(here=[str(Path(__file__).parents[1])], root=str(root))
    out = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=1800
    )
    lines = (line.split() for line in out.stdout.splitlines())
    assert {words[0]: int(words[1]) for words in lines if words and words[0] in mine} == mine
