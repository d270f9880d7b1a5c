"""The shipped generator keeps the contract of every video generator."""

import subprocess
import sys

import numpy as np
import pytest
from attrs import evolve

from phyrefine.errors import InvalidInputError
from phyrefine.protocols import StreamingGenerator, VideoGenerator
from phyrefine.testing import check_generator, moving_clip
from phyrefine.types import Prompt, Shot
from phyrefine.video.clip import Clip
from phyrefine.video.prefix import context
from phyrefine.world.generator import WorldGenerator, WorldModel, native_size

QUICK = WorldGenerator(steps=2)


def _shot(**changed):
    prefix = moving_clip(72, (48, 64), 24.0)
    shot = Shot(Prompt("The ball falls."), prefix, seconds=2.0, fps=24.0, size=(48, 64), seed=1)
    return evolve(shot, **changed)


def test_contract():
    check_generator(QUICK, seconds=2.0)


def test_it_satisfies_the_protocols():
    assert isinstance(QUICK, VideoGenerator)
    assert isinstance(QUICK, StreamingGenerator)


def test_delivery_is_exact_and_native_is_kept():
    clip = QUICK.generate(_shot(seconds=1.5, fps=30.0, size=(90, 160)))
    assert clip.frames.shape == (45, 90, 160, 3)
    assert clip.fps == 30.0
    assert len(clip.native) == 12
    assert clip.native.fps == 8.0
    assert clip.native.size == (48, 88)


def test_a_prompt_per_chunk_acts_from_its_own_second_on():
    falls, lies = Prompt("The ball falls."), Prompt("The ball lies still on the floor.")
    shot = _shot(seconds=3.0, options={"guidance": 3.0})
    same = QUICK.generate(evolve(shot, chunk_prompts=(falls,) * 3)).native.frames
    late = QUICK.generate(evolve(shot, chunk_prompts=(falls, lies, falls))).native.frames
    assert np.array_equal(same, QUICK.generate(evolve(shot, prompt=falls)).native.frames)
    assert np.array_equal(late[:8], same[:8])
    assert not np.array_equal(late[8:16], same[8:16])


def test_only_the_last_second_of_the_prefix_counts():
    long = moving_clip(72, (48, 64), 24.0)
    changed = long.frames.copy()
    changed[:40] = 0
    first = QUICK.generate(_shot(prefix=long))
    assert first == QUICK.generate(_shot(prefix=Clip(changed, 24.0)))
    changed[69] = 0  # an eighth of a second before the seam
    assert first != QUICK.generate(_shot(prefix=Clip(changed, 24.0)))


def test_what_moves_evenly_goes_on_from_the_seam_without_a_jump():
    scene = pytest.importorskip("phyrefine.world.truth.scenes")
    sample = scene.sample_scene("projectile", 1_100_001)
    truth = scene.render(scene.simulate(sample, fps=24.0), (64, 48))
    read = context(Clip(truth[:72], 24.0), fps=8.0, frames=8)
    trained_on = scene.render(scene.simulate(sample, fps=8.0), (64, 48))[16:24]
    # Noise differs between the two films; where the ball is does not.
    gap = np.abs(read.frames.astype(int) - trained_on).max(axis=-1)
    assert (gap > 60).mean() < 0.002


def test_prompt_seed_and_steps_change_the_clip():
    shot = _shot(seconds=1.0)
    plain = QUICK.generate(shot)
    for changed in (
        evolve(shot, prompt=Prompt("The ball bounces.")),
        evolve(shot, seed=2),
        evolve(shot, steps=3),
        evolve(shot, options={"guidance": 4.0}),
        evolve(shot, chunk_seeds=(7,)),
        evolve(shot, chunk_prompts=(Prompt("The lamp moves."),)),
    ):
        assert QUICK.generate(changed) != plain


def test_one_image_is_enough_but_text_alone_is_not():
    image = Clip(moving_clip(1, (48, 64)).frames[:1], 24.0)
    assert len(QUICK.generate(_shot(prefix=image))) == 48
    with pytest.raises(InvalidInputError, match="prefix"):
        QUICK.generate(_shot(prefix=None))


def test_a_prompt_per_chunk_must_match_the_chunks():
    with pytest.raises(InvalidInputError, match="2 chunks; got 1 prompts"):
        QUICK.generate(_shot(chunk_prompts=(Prompt("a"),)))


def test_unknown_options_are_refused():
    with pytest.raises(InvalidInputError, match="quality"):
        QUICK.generate(_shot(options={"quality": 1}))


def test_identity_names_what_changes_the_output():
    said = {
        QUICK.identity,
        evolve(QUICK, steps=3).identity,
        evolve(QUICK, guidance=2.0).identity,
        evolve(QUICK, variant="priors").identity,
    }
    assert len(said) == 4


@pytest.mark.parametrize(
    ("asked", "native"),
    [
        ((480, 640), (48, 64)),
        ((1080, 1920), (48, 88)),
        ((100, 100), (48, 48)),
        ((900, 100), (48, 48)),
        ((100, 900), (48, 96)),
    ],
)
def test_native_size_follows_the_shape(asked, native):
    assert native_size(asked) == native


def test_variants_differ():
    context = moving_clip(8, (48, 64)).frames
    clips = [
        next(WorldModel.load(variant).stream(context, "the ball", seconds=1.0))
        for variant in ("truthful", "priors")
    ]
    assert not np.array_equal(*clips)


@pytest.mark.slow
def test_another_process_makes_the_same_bytes():
    script = (
        "import torch; torch.set_num_threads(1)\n"
        "from phyrefine.testing import moving_clip\n"
        "from phyrefine.types import Prompt, Shot\n"
        "from phyrefine.world.generator import WorldGenerator\n"
        "shot = Shot(Prompt('The ball falls.'), moving_clip(72, (48, 64), 24.0), seconds=2.0,"
        " fps=24.0, size=(48, 64), seed=1)\n"
        "print(WorldGenerator(steps=2).generate(shot).digest)"
    )
    made = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert made.stdout.strip() == QUICK.generate(_shot()).digest


def test_a_prompt_per_chunk_is_asked_for_by_option():
    assert QUICK.profile.chunk_frames is None
    assert evolve(QUICK, per_chunk=True).profile.chunk_frames == 8


@pytest.mark.slow
def test_seeds_made_together_are_those_made_alone():
    """Rounding may move a value by one level; the identity tells such clips apart."""
    one, both = WorldGenerator(steps=2), WorldGenerator(steps=2, batch_size=2)
    shots = [_shot(seed=seed) for seed in (5, 6)]
    assert (one.batch_size_for(shots[0]), both.batch_size_for(shots[0])) == (1, 2)
    for alone, together in zip(map(one.generate, shots), both.generate_many(shots), strict=True):
        assert np.abs(alone.frames.astype(int) - together.frames).max() <= 1
    check_generator(both, seconds=2.0)
    assert both.identity == f"{one.identity}:batch=2"
