"""The T5 wrapper against stored features, and what it keeps."""

import concurrent.futures
import gc
import logging
import shutil
import threading
import time
import weakref

import pytest
import torch
from safetensors.torch import load_file, save_file

from magi.goldens import DATA, error, read_json, read_tensors
from phyrefine.errors import InvalidInputError
from phyrefine.magi.text.encoder import TextEncoder

FOLDER = DATA / "t5" / "t5-v1_1-xxl"
LIMIT = 1e-5
PROMPTS = tuple(range(len(read_json("t5_golden"))))


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder.from_pretrained(FOLDER)


@pytest.mark.parametrize("number", PROMPTS)
def test_stored_features(encoder, number):
    spec, golden = read_json("t5_golden")[number], read_tensors("t5_golden")
    head, tail = golden[f"{number}/embs_head"], golden[f"{number}/embs_tail"]
    padded, mask = encoder.encode_padded(spec["prompt"])
    assert mask.dtype == torch.int64
    assert list(mask.shape) == spec["mask_shape"]
    assert mask.sum() == spec["valid_tokens"]
    assert mask[0, : spec["valid_tokens"]].all()
    assert error(padded[:, : head.shape[1]], head) < LIMIT
    assert error(padded[:, -2:], tail) < LIMIT
    features, ones = encoder.encode(spec["prompt"])
    assert len(ones) == spec["valid_tokens"]
    assert torch.equal(features, padded[0, : len(features)])


def test_a_prompt_is_encoded_once(encoder):
    before = encoder.encoded
    first, _ = encoder.encode("A new ball.")
    again, _ = encoder.encode("a  NEW ball.")  # the same after cleaning
    assert encoder.encoded == before + 1
    assert again is first


def test_threads_share_one_encoding():
    encoder = TextEncoder.from_pretrained(FOLDER)
    tokenizer, busy = encoder.tokenizer, threading.Semaphore(1)
    overlapped = []

    def watched(*args, **kwargs):
        overlapped.append(not busy.acquire(blocking=False))
        time.sleep(0.02)  # long enough for another thread to come in, if it may
        busy.release()
        return tokenizer(*args, **kwargs)

    encoder.tokenizer = watched
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = list(pool.map(encoder.encode, ["A ball falls.", "A lamp moves."] * 4))
    assert overlapped == [False, False]
    assert encoder.encoded == 2
    assert all(torch.equal(features, made[at % 2][0]) for at, (features, _) in enumerate(made))


def test_prompts_seen_before_are_read_from_disk(tmp_path):
    made = TextEncoder.from_pretrained(FOLDER, cache=tmp_path)
    features, _ = made.encode("A ball falls.")
    fresh = TextEncoder.from_pretrained(FOLDER, cache=tmp_path)
    again, mask = fresh.encode("A ball falls.")
    assert torch.equal(again, features)
    assert fresh.encoded == 0
    assert mask.all()
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("change", [{"dtype": torch.bfloat16}, {"max_length": 64}])
def test_features_on_disk_belong_to_their_encoder(tmp_path, change):
    TextEncoder.from_pretrained(FOLDER, cache=tmp_path).encode("A ball falls.")
    other = TextEncoder.from_pretrained(FOLDER, cache=tmp_path, **change)
    features, _ = other.encode("A ball falls.")
    assert other.encoded == 1
    assert features.dtype == torch.float32


def test_other_weights_under_the_same_name_read_no_features_from_disk(tmp_path):
    first, _ = TextEncoder.from_pretrained(FOLDER, cache=tmp_path / "cache").encode("A ball falls.")
    folder = tmp_path / FOLDER.name
    shutil.copytree(FOLDER, folder)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "SelfAttention.v" in name)
    weights[name] = weights[name] * 1.5
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    other = TextEncoder.from_pretrained(folder, cache=tmp_path / "cache")
    assert not torch.equal(other.encode("A ball falls.")[0], first)
    assert other.encoded == 1


def test_memory_is_bounded(encoder, monkeypatch):
    monkeypatch.setattr("phyrefine.magi.text.encoder._KEPT_PROMPTS", 2)
    for text in ("one ball", "two balls", "three balls"):
        encoder.encode(text)
    before = encoder.encoded
    encoder.encode("three balls")
    assert encoder.encoded == before
    encoder.encode("one ball")
    assert encoder.encoded == before + 1


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InvalidInputError, match="no text encoder"):
        TextEncoder.from_pretrained(tmp_path / "nowhere")


def test_a_tokenizer_without_its_vocabulary_is_refused(tmp_path):
    """transformers makes an empty one of a folder without spiece.model, and says nothing."""
    folder = tmp_path / FOLDER.name
    shutil.copytree(FOLDER, folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(InvalidInputError, match="does not know the words 'a ball falls'"):
        TextEncoder.from_pretrained(folder)


@pytest.mark.slow
def test_a_released_model_comes_back_for_a_new_prompt_alone():
    encoder = TextEncoder.from_pretrained(FOLDER)
    identity = encoder.identity
    first, _ = encoder.encode("A ball falls.")
    gone = weakref.ref(encoder.model)
    encoder.release()
    gc.collect()
    assert gone() is None
    assert torch.equal(encoder.encode("A ball falls.")[0], first)
    assert encoder.loaded == 0
    fresh, _ = TextEncoder.from_pretrained(FOLDER).encode("A lamp moves.")
    assert torch.equal(encoder.encode("A lamp moves.")[0], fresh)
    assert (encoder.loaded, encoder.identity) == (1, identity)


def test_a_model_of_ones_own_is_kept():
    made = TextEncoder.from_pretrained(FOLDER)
    own = TextEncoder(made.tokenizer, made.model)
    own.release()
    assert own.model is made.model
    assert own.identity == made.identity


def test_a_prompt_that_cleaning_empties_is_told_once(encoder, caplog):
    with caplog.at_level(logging.WARNING):
        encoder.encode("一个红球落下")
        encoder.encode("一个红球落下")
        encoder.encode("A red ball falls.")
    assert caplog.text.count("leaves nothing of the prompt '一个红球落下'") == 1
    assert len(caplog.records) == 1
