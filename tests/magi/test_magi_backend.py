"""`magi:` as a generator: its profile, what it delivers, and going on from accepted chunks."""

import contextlib
import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import attrs
import numpy as np
import pytest

from phyrefine import registry
from phyrefine.backends.magi import MagiGenerator
from phyrefine.errors import (
    GenerationError,
    GeneratorMemoryError,
    InvalidInputError,
    MissingDependencyError,
    ModelNotFoundError,
    VideoError,
)
from phyrefine.refine.convergence import MaxLoops
from phyrefine.refine.loop import Loop
from phyrefine.testing import ScriptedAsker, check_generator, moving_clip
from phyrefine.types import Prompt, Scenario, Shot
from phyrefine.video.clip import Clip
from phyrefine.video.seam import check_seam

PREFIX = moving_clip(72, (32, 48), 24.0)
SHOT = Shot(Prompt("a dot moves"), PREFIX, seconds=3.0, seed=2)


@pytest.fixture(scope="module")
def generator(original):
    return MagiGenerator.from_pretrained(original)


@contextlib.contextmanager
def counted(generator):
    """Counts forward passes of the transformer."""
    calls = []
    hook = generator.pipeline.transformer.register_forward_pre_hook(lambda *_: calls.append(1))
    try:
        yield calls
    finally:
        hook.remove()


def test_profile(generator):
    profile = generator.profile
    assert (profile.name, profile.fps, profile.size) == ("magi-tiny", 24, (32, 48))
    assert (profile.size_multiple, profile.context_frames) == (16, 72)
    assert (profile.dialect, profile.streaming) == ("per_chunk", True)
    # 800 tokens, two of which are the release's own.
    assert (profile.prompt_tokens, profile.default_steps) == (798, 4)
    assert [profile.grid.up(frames) for frames in (1, 24, 25, 120)] == [24, 24, 48, 120]


@pytest.mark.parametrize("seconds", [1.0, 1.5, 2.7])
def test_contract(generator, seconds):
    check_generator(generator, seconds=seconds)


def test_contract_of_a_distilled_model(distilled):
    check_generator(MagiGenerator.from_pretrained(distilled), seconds=1.5)


@pytest.mark.parametrize("prefix", [None, Clip(PREFIX.frames[:1], 24.0), PREFIX])
@pytest.mark.parametrize(("seconds", "fps", "size"), [(1.0, 24.0, (32, 48)), (1.3, 30.0, (45, 80))])
def test_text_image_and_video_are_delivered_exactly(generator, prefix, seconds, fps, size):
    shot = Shot(Prompt("a dot moves"), prefix, seconds=seconds, fps=fps, size=size)
    clip = generator.generate(shot)
    assert (len(clip), clip.fps, clip.size) == (shot.frames, fps, size)
    assert clip.native.fps == 24
    assert len(clip.native) == round(seconds * 24)
    if prefix is not None:
        faults = check_seam(prefix, clip, frames=shot.frames, fps=fps, size=size).faults
        assert [fault for fault in faults if "jump" not in fault] == []


def test_an_images_own_latent_is_not_delivered(generator):
    shot = attrs.evolve(SHOT, prefix=Clip(PREFIX.frames[:1], 24.0))
    whole = list(generator.pipeline.stream(generator._request(shot, generator._fit_of(shot))))
    chunks = [chunk.clip.frames for chunk in generator.stream(shot)]
    assert [len(frames) for frames in chunks] == [20, 24, 24, 24]
    np.testing.assert_array_equal(chunks[0], whole[0].frames[4:])
    np.testing.assert_array_equal(chunks[1], whole[1].frames)


def test_accepted_chunks_are_not_made_again(generator):
    chunks = list(generator.stream(SHOT))
    assert len(chunks) == 3
    steps = generator.steps_done
    with counted(generator) as calls:
        whole = generator.generate(SHOT)
    # Six stages of one step; from the fifth on each shows a finished chunk once more.
    assert (generator.steps_done - steps, len(calls)) == (6, 6 + 2)
    for done, left in ((1, 2), (2, 1)):
        accepted = tuple(chunk.clip for chunk in chunks[:done])
        begun = attrs.evolve(SHOT, accepted=accepted, state=chunks[done - 1].state)
        steps = generator.steps_done
        with counted(generator) as calls:
            assert generator.generate(begun) == whole
        # Every stage shows one finished chunk; those still seen before it are shown again too.
        assert (generator.steps_done - steps, len(calls)) == (left, 2 * left + done - 1)
    finished = attrs.evolve(
        SHOT, accepted=tuple(chunk.clip for chunk in chunks), state=chunks[-1].state
    )
    with counted(generator) as calls:
        assert generator.generate(finished) == whole
    assert calls == []


def test_accepted_chunks_that_do_not_fit(generator):
    first, second = list(generator.stream(SHOT))[:2]
    with pytest.raises(InvalidInputError, match="pixels alone"):
        generator.generate(attrs.evolve(SHOT, accepted=(first.clip,)))
    with pytest.raises(InvalidInputError, match="given out with chunk 2"):
        generator.generate(attrs.evolve(SHOT, accepted=(first.clip,), state=second.state))
    small = first.clip.resize(16, 24)
    with pytest.raises(InvalidInputError, match="native frames of this continuation are 48x32"):
        generator.generate(attrs.evolve(SHOT, accepted=(small,), state=first.state))
    with pytest.raises(InvalidInputError, match="no state"):
        generator.generate(attrs.evolve(SHOT, accepted=(first.clip,), state=b"not a state at all"))


def test_prompts_and_seeds_by_chunk(generator):
    plain = generator.generate(SHOT)
    prompts = (Prompt("a dot moves"), Prompt("a ball falls"))
    assert generator.generate(attrs.evolve(SHOT, chunk_prompts=prompts)) != plain
    assert generator.generate(attrs.evolve(SHOT, chunk_prompts=prompts[:1])) == plain
    assert generator.generate(attrs.evolve(SHOT, chunk_seeds=(7, 8, 9))) != plain
    assert generator.generate(attrs.evolve(SHOT, prompt=prompts[1])) != plain


@pytest.mark.slow
def test_prompts_of_the_loop_reach_their_chunks(generator):
    """Each chunk's prompt changes its own chunk and those after it, and none before."""
    events = [{"what": f"The dot {does}.", "start": 3.0 + at, "end": 4.0 + at}
              for at, does in enumerate(("slides left", "hits a wall", "rests"))]  # fmt: skip
    vlm = ScriptedAsker([json.dumps({"prediction": "x", "events": events})])
    loop = Loop(vlm, ScriptedAsker([""]), generator, MaxLoops(1))
    scene = Scenario("A dot moves.", PREFIX, seconds=3.0)
    prompt = loop.compose(loop.predict(scene), scene)
    assert [("slides" in c, "hits a wall." in c, "rests." in c) for c in prompt.chunks] == [
        (True, True, False),
        (False, True, True),
        (False, False, True),
    ]  # with what comes next
    assert all(chunk.startswith("A dot moves.") for chunk in prompt.chunks)
    assert prompt.chunks[0].endswith("Right after this: the dot hits a wall.")
    whole = loop.render(prompt, scene, steps=None, seed=2).clip.as_made.frames
    for index in range(3):
        other = [*prompt.chunks]
        other[index] = "A lamp goes on."
        changed = attrs.evolve(prompt, chunks=tuple(other))
        frames = loop.render(changed, scene, steps=None, seed=2).clip.as_made.frames
        same = [np.array_equal(frames[24 * n : 24 * n + 24], whole[24 * n : 24 * n + 24])
                for n in range(3)]  # fmt: skip
        assert same == [n < index for n in range(3)]


@pytest.mark.slow
def test_identity_names_weights_and_settings(original, tmp_path):
    from . import tiny_checkpoint

    def identity(path=original, **settings):
        return MagiGenerator.from_pretrained(path, **settings).identity

    plain = identity()
    assert identity() == plain
    tokens = original / "special_tokens.npz"
    other = tmp_path / "other.npz"
    with np.load(tokens) as arrays:
        np.savez(other, **{name: arrays[name] + 1 for name in arrays})
    changed = [
        identity(tiny_checkpoint.write(tmp_path / "other", seed=6)),
        identity(steps=8),
        identity(size=(48, 48)),
        identity(prefix_frames=24),
        identity(fit="crop"),
        identity(options={"window_size": 2}),
        identity(quirks="original"),
        identity(special_tokens=other),
        identity(dtype="bfloat16"),
    ]
    assert len({plain, *changed}) == len(changed) + 1


def test_options_of_a_shot(generator):
    plain = generator.generate(SHOT)
    windowed = attrs.evolve(SHOT, options={"text_scales": [1.0, 1.0, 1.0, 0.0, 0.0]})
    assert generator.generate(windowed) != plain
    with pytest.raises(InvalidInputError, match="no option 'guidance'"):
        generator.generate(attrs.evolve(SHOT, options={"guidance": 2}))
    with pytest.raises(InvalidInputError, match="one value each"):
        generator.generate(attrs.evolve(SHOT, options={"text_scales": [1.0]}))
    assert generator.generate(attrs.evolve(SHOT, steps=8)) != plain


def test_a_picture_of_another_shape_keeps_its_place(generator):
    """A wide picture lies padded in the model's frame; only its part comes back."""
    wide = moving_clip(24, (30, 64), 24.0)
    clip = generator.generate(attrs.evolve(SHOT, prefix=wide, seconds=1.0))
    height, width = clip.native.size
    assert abs(height / width - 30 / 64) < 0.03


def test_two_threads_share_a_pipeline(generator):
    """Candidates may be made side by side; the prefix is encoded for one of them only."""
    shots = [attrs.evolve(SHOT, seed=seed) for seed in (2, 3)]
    alone = [generator.generate(shot) for shot in shots]
    memory = generator.pipeline.prefixes
    memory.clear()
    encoded, shown = memory.encoded, memory.shown
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(generator.generate, shots)) == alone
    assert (memory.encoded, memory.shown) == (encoded + 1, shown + 1)


def test_cancelling(generator):
    chunks = generator.stream(SHOT)
    next(chunks)
    generator.cancel.set()
    try:
        with pytest.raises(GenerationError, match="Cancelled before the first step"):
            generator.generate(SHOT)
    finally:
        generator.cancel.clear()
    assert len(list(generator.stream(SHOT))) == 3


def test_cancelling_between_steps(generator):
    hook = generator.pipeline.transformer.register_forward_pre_hook(
        lambda *_: generator.cancel.set()
    )
    before = generator.steps_done
    try:
        with pytest.raises(GenerationError, match="Cancelled after"):
            generator.generate(SHOT)
    finally:
        hook.remove()
        generator.cancel.clear()
    assert generator.steps_done == before + 1


@pytest.mark.parametrize(
    ("raised", "expected", "words"),
    [
        (RuntimeError("CUDA out of memory. Tried"), GeneratorMemoryError, "memory='balanced'"),
        (RuntimeError("boom\nmore"), GenerationError, "RuntimeError: boom$"),
    ],
)
def test_errors_of_the_network(generator, raised, expected, words):
    def fail(*_):
        raise raised

    hook = generator.pipeline.transformer.register_forward_pre_hook(fail)
    try:
        with pytest.raises(expected, match=words):
            generator.generate(SHOT)
    finally:
        hook.remove()


def test_a_prompt_that_is_cut_is_told(generator, caplog):
    shot = attrs.evolve(SHOT, prompt=Prompt("a dot moves " * 400), seconds=1.0)
    with caplog.at_level(logging.WARNING, "phyrefine.backends.magi"):
        generator.generate(shot)
    assert "MAGI-1 reads the first 798" in caplog.text


def test_settings_that_are_refused(original, generator):
    with pytest.raises(InvalidInputError, match="divisible by 16"):
        MagiGenerator(generator.pipeline, size=(40, 48))
    with pytest.raises(InvalidInputError, match="multiple of 4"):
        MagiGenerator(generator.pipeline, prefix_frames=30)
    with pytest.raises(InvalidInputError, match="num_steps 6"):
        MagiGenerator(generator.pipeline, steps=6)
    with pytest.raises(InvalidInputError, match="bfloat16, float16 or float32"):
        MagiGenerator.from_pretrained(original, dtype="int8")
    with pytest.raises(VideoError, match="needs four"):
        generator.generate(attrs.evolve(SHOT, prefix=Clip(PREFIX.frames[:3], 24.0)))


def test_by_name(original):
    made = registry.make("generator", f"magi:{original}", variant="tiny", memory="low")
    assert made.pipeline.memory.stream_blocks
    assert registry.make("generator", f"magi:{original}#tiny").pipeline.variant.name == "tiny"
    with pytest.raises(InvalidInputError, match="no variant 'huge'"):
        registry.make("generator", f"magi:{original}#huge")


def test_a_model_that_is_nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ModelNotFoundError, match="neither a folder nor a model"):
        registry.make("generator", f"magi:{tmp_path}/nowhere")


def test_a_missing_package_is_one_line(monkeypatch, original):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(MissingDependencyError) as caught:
        registry.make("generator", f"magi:{original}")
    assert str(caught.value) == ('MAGI-1 needs sentencepiece. Run: pip install "phyrefine[magi]"')
