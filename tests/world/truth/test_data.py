"""Shards hold clips with truthful captions, and never mix training with test scenes."""

import json

import numpy as np

from phyrefine.world.truth.captions.vocabulary import TOPIC_INDEX, tokenizer, vocabulary
from phyrefine.world.truth.scenes import KINDS, split_of
from phyrefine.world.truth.training.data import (
    PLAIN_ROWS,
    ROWS,
    SECOND_ROWS,
    WHOLE_ROWS,
    captions_of,
    encode,
    make_clip,
    write_shard,
)


def _wrong(count=1, late=False):
    seeds = range(500_000, 500_200)
    shown = (make_clip(seed, "wrong")[1] for seed in seeds)
    found = (one for one in shown if one.planted and (one.planted.start > 2.0 or not late))
    return [next(found) for _ in range(count)]


def test_a_clip_is_a_second_of_context_and_five_of_motion():
    frames, shown = make_clip(3, "right")
    assert frames.shape == (48, 48, 64, 3)
    assert frames.dtype == np.uint8
    assert KINDS[shown.kind].training_share > 0
    assert shown.planted is None
    assert not shown.unsaid
    assert len(shown.seconds) == 5


def test_wrong_clips_differ_from_right_ones_after_the_seam_only():
    shown = _wrong()[0]
    wrong = make_clip(shown.seed, "wrong")[0].astype(int)
    first = 8 + max(0, int(shown.planted.start * 8) - 1)
    assert np.abs(np.diff(wrong[:first], axis=0)).max() >= 0
    assert shown.unsaid == shown.planted.unsaid
    assert shown.unsaid


def test_no_caption_of_the_whole_states_what_went_wrong():
    for shown in _wrong(3):
        captions = captions_of(shown, np.random.default_rng(0))
        whole = captions[: PLAIN_ROWS + WHOLE_ROWS]
        assert not {name for caption in whole for name in caption.topics} & shown.unsaid


def test_captions_of_a_second_are_right_until_the_mistake_begins():
    shown = _wrong(late=True)[0]
    begins = int(shown.planted.start)
    assert begins >= 2
    for second, topics in enumerate(shown.seconds):
        if second >= begins:
            assert not set(topics) & shown.unsaid
    captions = captions_of(shown, np.random.default_rng(0))[PLAIN_ROWS + WHOLE_ROWS :]
    for index, caption in enumerate(captions):
        assert set(caption.topics) <= set(shown.seconds[index // SECOND_ROWS])


def test_caption_rows_are_plain_then_whole_then_by_second():
    _, shown = make_clip(1, "right")
    captions = captions_of(shown, np.random.default_rng(0))
    assert len(captions) == ROWS
    assert all(not caption.topics for caption in captions[:PLAIN_ROWS])
    assert any(caption.topics for caption in captions[PLAIN_ROWS : PLAIN_ROWS + WHOLE_ROWS])


def test_encoded_captions_can_be_read_back():
    _, shown = make_clip(1, "right")
    captions = captions_of(shown, np.random.default_rng(0))
    words, stated = encode(captions)
    known = vocabulary()
    row = len(captions) - 1
    read = [known[number - 1] for number in words[row] if number]
    assert read == tokenizer().known(captions[row].text)[:192]
    names = {name for name, index in TOPIC_INDEX.items() if stated[row, index]}
    assert names == set(captions[row].topics)


def test_shards_come_back_as_written(tmp_path):
    path = write_shard(tmp_path, "wrong", 0, 2)
    frames = np.load(path)
    assert np.array_equal(frames[1], make_clip(500_001, "wrong")[0])
    with np.load(path.with_suffix(".npz")) as captions:
        assert captions["words"].shape == (2, ROWS, 192)
        assert captions["stated"].shape == (2, ROWS, len(TOPIC_INDEX))
    rows = [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]
    assert [row["seed"] for row in rows] == [500_000, 500_001]
    planted = make_clip(500_000, "wrong")[1].planted
    assert rows[0]["mistake"] == planted.name
    assert rows[0]["start"] == planted.start
    assert rows[0]["early"] == (planted.start < 1.0)


def test_held_out_parts_are_test_scenes_and_the_others_are_not(tmp_path):
    for part, split in (("right", "training"), ("held_right", "test"), ("held_wrong", "test")):
        path = write_shard(tmp_path, part, 1, 1)
        row = json.loads(path.with_suffix(".jsonl").read_text())
        assert split_of(row["seed"]) == split


def test_a_finished_shard_is_not_made_again(tmp_path):
    path = write_shard(tmp_path, "right", 0, 1)
    stamp = path.stat().st_mtime_ns
    write_shard(tmp_path, "right", 0, 1)
    assert path.stat().st_mtime_ns == stamp
