"""The pipeline on a whole tiny checkpoint in the original's layout."""

import functools
import warnings

import attrs
import numpy as np
import pytest
import torch

from phyrefine.errors import InvalidInputError, VideoError
from phyrefine.magi.media import Quirks, fps_indices, prefix_frames
from phyrefine.magi.pipeline import MagiPipeline
from phyrefine.magi.request import Request
from phyrefine.magi.text.captions import MissingSpecialTokensWarning, TextOptions
from phyrefine.testing import moving_clip

VIDEO = moving_clip(96, (32, 48), 24.0).frames


@pytest.fixture(scope="module")
def load(original):
    return functools.partial(MagiPipeline.from_pretrained, original, dtype=torch.float32)


@pytest.fixture(scope="module")
def pipe(load):
    return load()


def request(prefix=None, frames=48, **changes):
    return Request("a dot moves", prefix=prefix, num_frames=frames, **changes)


@pytest.mark.parametrize(
    ("prefix", "asked", "made"),
    [
        (None, 24, [24]),
        (None, 28, [24, 24]),
        (VIDEO[:1], 20, [24]),  # the image's own latent, four frames, comes first
        (VIDEO[:1], 24, [24, 24]),
        (VIDEO[:72], 24, [24]),
        (VIDEO[:40], 24, [8, 24]),  # ten latents: four of them share a chunk with two new ones
        (VIDEO[:8], 16, [16]),
    ],
)
def test_frame_counts(pipe, prefix, asked, made):
    chunks = list(pipe.stream(request(prefix, asked)))
    assert [len(chunk.frames) for chunk in chunks] == made
    assert [chunk.index for chunk in chunks] == list(range(len(made)))
    assert {chunk.frames.shape[1:] for chunk in chunks} == {(32, 48, 3)}


def test_only_the_last_72_frames_count(pipe):
    whole, last = pipe(request(VIDEO)), pipe(request(VIDEO[-72:]))
    np.testing.assert_array_equal(whole, last)
    earlier = VIDEO.copy()
    earlier[:24] = 0
    np.testing.assert_array_equal(pipe(request(earlier)), last)
    assert (pipe(request(VIDEO[:72])) != last).any()


def test_the_last_frame_is_kept_at_any_rate():
    numbered = np.arange(50, dtype=np.uint8)[:, None, None, None].repeat(3, 3)
    for rate in (8, 24, 25, 30, 60):
        taken = prefix_frames(numbered, rate, fps=24, size=(1, 1), quirks=Quirks())
        assert taken[-1, 0, 0, 0] == 49
        assert len(taken) <= 72
        assert not len(taken) % 4


def test_first_frames_as_the_original():
    numbered = np.arange(96, dtype=np.uint8)[:, None, None, None].repeat(3, 3)
    quirks = Quirks(first_frames=True)
    taken = prefix_frames(numbered, 24, fps=24, size=(1, 1), quirks=quirks)
    assert taken[:, 0, 0, 0].tolist() == list(range(32))
    slow = prefix_frames(numbered, 8, fps=24, size=(1, 1), quirks=quirks)
    assert slow[:, 0, 0, 0].tolist() == fps_indices(96, 8, 24)[:32].tolist()


def test_the_original_continues_the_beginning(load, pipe):
    original = load(quirks=Quirks(first_frames=True))
    made = original(request(VIDEO, 24))
    np.testing.assert_array_equal(made, pipe(request(VIDEO[:32], 24)))


def test_the_image_comes_first_unless_drift_is_kept(load, pipe):
    first = pipe(request(VIDEO[:1], 20))
    drifted = load(quirks=Quirks(drifted_image=True))(request(VIDEO[:1], 20))
    assert (first != drifted).any()


def test_a_short_tail_skips_frames(load):
    """44 frames are 11 latents; the chunk they end in has one new latent."""
    lengths = {}
    for short in (False, True):
        pipe = load(quirks=Quirks(short_tail=short))
        lengths[short] = [len(c.frames) for c in pipe.stream(request(VIDEO[:44], 28))]
    assert lengths == {False: [4, 24], True: [1, 24]}


@pytest.mark.parametrize("prefix", [None, VIDEO[:1], VIDEO[:72], VIDEO[:40]])
def test_going_on_equals_an_uninterrupted_run(original, pipe, prefix):
    chunks = list(pipe.stream(request(prefix, 72)))
    for done in range(len(chunks) - 1):
        fresh = MagiPipeline.from_pretrained(original, dtype=torch.float32)
        rest = list(fresh.stream(request(prefix, 72, resume=chunks[done].state)))
        assert [chunk.index for chunk in rest] == list(range(done + 1, len(chunks)))
        for again, whole in zip(rest, chunks[done + 1 :], strict=True):
            np.testing.assert_array_equal(again.frames, whole.frames)


def steps_of(pipe, asked):
    steps = []
    chunks = list(pipe.stream(asked, on_step=steps.append))
    return chunks, len(steps)


def test_finished_chunks_cost_no_denoising(pipe):
    """Four stages of one step each for the first chunk, one more stage for each after it."""
    chunks, steps = steps_of(pipe, request(VIDEO[:72], 96))
    assert (len(chunks), steps) == (4, 4 + 3)
    for done in range(3):
        left = steps_of(pipe, request(VIDEO[:72], 96, resume=chunks[done].state))[1]
        assert left == steps - 4 - done


def test_a_state_of_another_continuation_is_refused(pipe):
    state = next(iter(pipe.stream(request(VIDEO[:72], 48)))).state
    with pytest.raises(InvalidInputError, match="prefix"):
        next(pipe.stream(request(VIDEO[-72:], 48, resume=state)))
    with pytest.raises(InvalidInputError, match="frames"):
        next(pipe.stream(request(VIDEO[:72], 72, resume=state)))
    with pytest.raises(InvalidInputError, match="no state"):
        next(pipe.stream(request(VIDEO[:72], 48, resume=b"x" * 40)))


@pytest.mark.parametrize("part", ["transformer", "vae"])
def test_other_weights_under_the_same_name_share_nothing(load, part):
    changed = load()
    first = request(VIDEO[:72], 24)
    before = changed(first)
    state = next(iter(changed.stream(request(VIDEO[:72], 48)))).state
    with torch.no_grad():
        for weight in getattr(changed, part).parameters():
            weight.mul_(1.1)
    after = changed(first)
    assert changed.prefixes.encoded == changed.prefixes.shown == 2
    assert (after != before).any()
    with pytest.raises(InvalidInputError, match="weights"):
        next(iter(changed.stream(request(VIDEO[:72], 48, resume=state))))


def test_prompts_and_seeds_by_chunk(pipe):
    plain = pipe(request(frames=48))
    other = pipe(Request(["a dot moves", "a ball falls"], num_frames=48))
    assert (plain[24:] != other[24:]).any()
    assert (plain != pipe(request(frames=48, seed=1))).any()
    reseeded = pipe(request(frames=48, chunk_seeds=(7,)))
    assert (plain != reseeded).any()


def test_the_second_prompt_pays_nothing_for_the_prefix(load):
    pipe = load()
    pipe(request(VIDEO, 24))
    pipe(Request("a ball falls", prefix=VIDEO, num_frames=48, seed=9))
    assert (pipe.prefixes.encoded, pipe.prefixes.shown) == (1, 1)
    pipe(request(VIDEO[:72], 24))
    assert (pipe.prefixes.encoded, pipe.prefixes.shown) == (2, 2)


def test_saving_and_loading_again(load, pipe, original, tmp_path):
    pipe.save_pretrained(tmp_path, special_tokens=original / "special_tokens.npz")
    again = MagiPipeline.from_pretrained(tmp_path, dtype=torch.float32)
    asked = request(VIDEO[:72], 24)
    apart = np.abs(again(asked).astype(int) - pipe(asked).astype(int))
    # Weights that lie elsewhere in memory may round the last bit otherwise.
    assert apart.max() <= 1
    assert (apart > 0).mean() <= 1e-4
    assert again.variant == pipe.variant


@pytest.mark.parametrize("memory", ["balanced", "low"])
def test_memory_presets_change_rounding_alone(load, pipe, memory):
    asked = request(VIDEO[:72], 48)
    difference = np.abs(load(memory=memory)(asked).astype(int) - pipe(asked))
    assert difference.max() <= 1


@pytest.mark.parametrize(("memory", "freed"), [("fast", False), ("balanced", True), ("low", True)])
def test_the_text_encoder_is_freed_once_the_prompts_are_encoded(load, memory, freed):
    pipe = load(memory=memory)
    held = []
    for prompt in ("a dot moves", "a dot moves", "a ball falls"):
        next(iter(pipe.stream(Request(prompt, num_frames=24))))
        held.append(pipe.text_encoder._model is not None)
    assert held == [not freed] * 3
    # The second prompt is known; the third loads the encoder again.
    assert pipe.text_encoder.loaded == (1 if freed else 0)


def test_decoding_never_holds_more_tiles_for_a_longer_video(load):
    """A decoder call sees one tile, whatever the length; calls grow with the chunks."""
    pipe, shapes = load(), []
    hook = pipe.vae.decoder.register_forward_pre_hook(
        lambda _, arguments: shapes.append(tuple(arguments[0].shape))
    )
    calls, largest = [], []
    for frames in (24, 96):
        shapes.clear()
        pipe(request(frames=frames))
        calls.append(len(shapes))
        largest.append(max(shapes))
    hook.remove()
    assert largest[0] == largest[1]
    assert calls[1] == 4 * calls[0]


@pytest.mark.parametrize(("quirks", "count"), [(Quirks.original(), 34), (Quirks(), 40)])
def test_pieces_of_the_autoencoder_at_another_rate(load, quirks, count):
    """Two chunks of five latents at 20 fps: the original decodes each in pieces of 2, 2 and 1."""
    pipe = load()
    sampling = attrs.evolve(pipe.variant.sampling, fps=20, chunk_width=5)
    variant = attrs.evolve(pipe.variant, sampling=sampling)
    pipe.vae.tiling = None
    made = MagiPipeline(
        pipe.transformer,
        pipe.vae,
        pipe.text_encoder,
        variant,
        special_tokens=pipe.special_tokens,
        quirks=quirks,
    )
    assert len(made(request(frames=40))) == count


def test_a_distilled_model(distilled):
    pipe = MagiPipeline.from_pretrained(distilled, dtype=torch.float32)
    assert pipe(request(VIDEO[:72], 24)).shape == (24, 32, 48, 3)


def test_what_cannot_be_made(pipe):
    with pytest.raises(InvalidInputError, match="multiple of 16"):
        next(pipe.stream(request(height=40)))
    with pytest.raises(VideoError, match="needs four"):
        next(pipe.stream(request(VIDEO[:3])))
    with pytest.raises(InvalidInputError, match="num_steps 6"):
        next(pipe.stream(request(num_inference_steps=6)))
    with pytest.raises(InvalidInputError, match="three network passes"):
        next(pipe.stream(request(sampling={"passes": 1})))
    with pytest.raises(InvalidInputError, match="prompt"):
        next(pipe.stream(Request([], num_frames=24)))


def test_missing_special_tokens_are_told(original, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "ckpt").symlink_to(original / "ckpt")
    with pytest.warns(MissingSpecialTokensWarning, match="example/assets"):
        MagiPipeline.from_pretrained(bare, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MagiPipeline.from_pretrained(
            bare, dtype=torch.float32, text=TextOptions(hq=False, duration=False)
        )


def test_stopping_at_a_step(pipe):
    class StopError(Exception):
        pass

    steps = []

    def stop(step):
        steps.append(step)
        if len(steps) == 2:
            raise StopError

    with pytest.raises(StopError):
        list(pipe.stream(request(VIDEO[:72], 48), on_step=stop))
    assert len(steps) == 2
