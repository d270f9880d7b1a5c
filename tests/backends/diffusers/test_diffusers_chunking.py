import json

import numpy as np
import pytest
from attrs import evolve

from phyrefine.backends.continuing import chunking
from phyrefine.backends.diffusers.context import prefix_frames
from phyrefine.backends.diffusers.families import table as families
from phyrefine.backends.diffusers.families.native import framepack
from phyrefine.errors import InvalidInputError
from phyrefine.testing import moving_clip
from phyrefine.types import FrameGrid, Prompt, Shot
from phyrefine.video.clip import Clip

SHOT = Shot(Prompt("a ball rolls"), seconds=5.0, fps=24.0, seed=7)


@pytest.mark.parametrize(
    ("name", "context", "passes"),
    [
        ("cogvideox-i2v", 1, [49]),
        ("cogvideox-1.5-i2v", 1, [81]),
        ("ltx-condition", 65, [185]),
        ("wan-2.1-i2v", 1, [81]),
        ("wan-2.2-ti2v", 1, [121]),
        ("wan-vace", 17, [81, 33]),
        ("skyreels-v2-df", 17, [137]),
        ("helios", 66, [132]),
        ("anyflow-far", 37, [81, 81]),
        ("framepack", 1, [165]),
        ("cosmos-predict2", 5, [93]),
        ("cosmos-1", 9, [121, 121]),
    ],
)
def test_five_seconds_take_the_fewest_passes(name, context, passes):
    spec = families.named(name)
    assert spec.contexts[0] == context
    needed = chunking.frames_needed(SHOT, spec.fps)
    assert needed == round(5 * spec.fps)
    planned = []
    while needed > 0:
        planned.append(spec.length(needed, context))
        needed -= spec.new(planned[-1], context)
    assert planned == passes


def test_no_family_can_stall_or_leave_its_grid():
    for spec in families.FAMILIES:
        for count in spec.contexts:
            for remaining in (1, 7, 40, 400):
                length = spec.length(remaining, count)
                assert spec.new(length, count) > 0, spec.name
                assert (length - spec.grid.offset) % spec.grid.multiple == 0
                assert length <= (spec.grid.most or length)


def test_shorter_passes_stay_on_the_grid_and_drop_contexts_that_fill_them():
    spec = families.named("ltx-condition").shorter(40)
    assert spec.grid == FrameGrid(8, 1, most=33, least=33)
    assert spec.contexts == (25, 17, 9, 1)
    with pytest.raises(InvalidInputError, match="num_frames=0 is too few"):
        spec.shorter(0)


def test_framepack_gives_more_than_asked():
    spec = framepack(9)
    assert spec.returned(165, 1) == 181
    assert spec.new(165, 1) == 180


def test_frames_needed_rounds_up_to_cover_the_end():
    assert chunking.frames_needed(evolve(SHOT, seconds=1.1), 8.0) == 9
    assert chunking.frames_needed(evolve(SHOT, seconds=1 / 24), 8.0) == 1


def test_the_first_chunk_uses_the_seed_and_no_two_chunks_share_one():
    seeds = {chunking.chunk_seed(evolve(SHOT, seed=s), c) for s in range(40) for c in range(1, 40)}
    assert chunking.chunk_seed(SHOT, 0) == 7
    assert len(seeds) == 40 * 39
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_given_seeds_and_prompts_win_chunk_by_chunk():
    shot = evolve(
        SHOT, chunk_seeds=(5, 6), chunk_prompts=(Prompt("it falls"), Prompt("it bounces"))
    )
    assert [chunking.chunk_seed(shot, i) for i in (0, 1)] == [5, 6]
    assert chunking.chunk_seed(shot, 2) == chunking.chunk_seed(SHOT, 2)
    texts = [chunking.chunk_prompt(shot, i).text for i in range(3)]
    assert texts == ["it falls", "it bounces", "it bounces"]


def test_the_context_is_the_end_of_the_prefix():
    prefix = moving_clip(72, (32, 32), 24.0)
    spec = evolve(families.named("cosmos-predict2"), fps=8.0)
    frames = prefix_frames(spec, prefix)
    np.testing.assert_array_equal(frames[-1], prefix.frames[-1])
    np.testing.assert_array_equal(frames[-5:], prefix.frames[[59, 62, 65, 68, 71]])


def test_missing_and_short_prefixes_are_refused():
    with pytest.raises(InvalidInputError, match="has no prefix"):
        prefix_frames(families.named("cogvideox-i2v"), None)
    with pytest.raises(InvalidInputError, match=r"gives 3 frames at 24 fps; skyreels.* at least 5"):
        prefix_frames(families.named("skyreels-v2-df"), moving_clip(3, (32, 32), 24.0))


def test_color_match_moves_mean_and_spread_and_says_so():
    rng = np.random.default_rng(0)
    reference = rng.integers(60, 200, (4, 8, 8, 3)).astype(np.uint8)
    drifted = np.clip(reference * 0.8 + 30, 0, 255).astype(np.uint8)
    back, pairs = chunking.color_match(drifted, drifted, reference, 1.0)
    assert np.abs(back.astype(int) - reference).mean() < 1
    assert all(gain == pytest.approx(1.25, abs=0.02) for gain, _ in pairs)
    same, pairs = chunking.color_match(drifted, drifted, reference, 0.0)
    np.testing.assert_array_equal(same, drifted)
    assert pairs == ((1.0, 0.0),) * 3


def test_color_match_leaves_flat_pictures_their_contrast():
    flat = np.full((2, 8, 8, 3), 100, np.uint8)
    reference = np.random.default_rng(0).integers(0, 255, (2, 8, 8, 3)).astype(np.uint8)
    _, pairs = chunking.color_match(flat, flat, reference, 1.0)
    assert all(gain == 1.0 for gain, _ in pairs)


def test_the_offset_of_the_copied_context_fades_out():
    made = np.full((6, 2, 2, 3), 0.5, np.float32)
    last = np.full((2, 2, 3), round(0.7 * 255), np.uint8)
    faded = chunking.fade_offset(made, 2, last, 3)[:, 0, 0, 0]
    np.testing.assert_allclose(faded, [0.65, 0.6, 0.55, 0.5], atol=2e-3)
    np.testing.assert_array_equal(chunking.fade_offset(made, 2, last, 0), made[2:])
    np.testing.assert_array_equal(chunking.fade_offset(made, 0, last, 3), made)


def test_foreign_chunks_and_states_are_refused():
    clip = Clip(np.zeros((4, 8, 8, 3), np.uint8), 8.0)
    record = chunking.Record("cogvideox-i2v", 0, 7, 1, 49, 48)
    shot = evolve(SHOT, accepted=(clip,), state=record.to_bytes())
    chunking.check_resumable(shot, "cogvideox-i2v", (8, 8))
    with pytest.raises(InvalidInputError, match="8x8 pixels; the native frames"):
        chunking.check_resumable(shot, "cogvideox-i2v", (16, 16))
    with pytest.raises(InvalidInputError, match="belongs to chunk 0 of cogvideox-i2v"):
        chunking.check_resumable(shot, "helios", (8, 8))
    with pytest.raises(InvalidInputError, match="2 chunks of cogvideox-i2v were accepted"):
        chunking.check_resumable(evolve(shot, accepted=(clip, clip)), "cogvideox-i2v", (8, 8))


def test_a_record_is_plain_json():
    record = chunking.Record("helios", 1, 2, 66, 132, 129, ((1.0, 0.5),) * 3, "tight")
    assert json.loads(record.to_bytes())["color"] == [[1.0, 0.5]] * 3
