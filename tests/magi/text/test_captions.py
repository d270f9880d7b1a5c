"""Special tokens and caption rows against stored ones, exactly."""

import warnings

import numpy as np
import pytest
import torch

from magi.goldens import DATA, read_json, read_tensors, special_tokens, text_options, transformer
from phyrefine.errors import InvalidInputError
from phyrefine.magi.text.captions import (
    MissingSpecialTokensWarning,
    SpecialTokens,
    TextOptions,
    chunk_caption,
    load_special_tokens,
    null_caption,
    pack,
)

CASES = tuple(read_json("text_conditioning"))
PLAIN = TextOptions(hq=False, duration=False)


def conditioning(case):
    """Caption rows of a stored case: the new chunks' first, then the null caption's."""
    spec, golden = read_json("text_conditioning")[case], read_tensors("text_conditioning")
    features = torch.zeros(800, 16)
    features[:12] = golden["caption_embs_head"][0, 0]
    features[-12:] = golden["caption_embs_tail"][0, 0]
    mask = (torch.arange(800) < spec["caption_tokens"]).long()
    options = text_options(spec["env"])
    tokens = special_tokens() if options.needed else None
    embedding = transformer("dit_a").caption_embed.null_embedding
    null = null_caption(embedding, options, tokens)
    first, chunks = spec["prefix_latent_frames"] // 6, spec["chunk_num"]
    rows = [
        chunk_caption(features, mask, null, chunks - c, options, tokens)
        for c in range(first, chunks)
    ]
    return rows, null, first


@pytest.mark.parametrize("case", CASES)
def test_stored_rows(case):
    golden = read_tensors("text_conditioning")
    head, tail = golden[f"{case}/y_head"], golden[f"{case}/y_tail_last2"]
    lengths = golden[f"{case}/mask_lengths"]
    rows, null, first = conditioning(case)
    shown = [(0, first + place, row) for place, row in enumerate(rows)]
    shown += [(1, chunk, null) for chunk in range(head.shape[1])]
    for half, chunk, caption in shown:
        tokens, count = caption.padded()
        assert count == lengths[half, chunk]
        assert len(tokens) == 800
        assert torch.equal(tokens[: head.shape[2]], head[half, chunk])
        assert torch.equal(tokens[-2:], tail[half, chunk])


@pytest.mark.parametrize("case", CASES)
def test_only_valid_tokens_reach_the_network(case):
    rows, null, _ = conditioning(case)
    packed = pack([null, *rows])
    for index, caption in enumerate([null, *rows]):
        tokens, count = caption.padded()
        shown = torch.cat([packed.features[a:b] for a, b in packed.segments[index]])
        assert torch.equal(shown, tokens[:count])


def test_chunks_share_their_prompt():
    """Ten chunks differ in one token each, so ten prompts are stored as little more than one."""
    rows, null, _ = conditioning("official_t2v10")
    most = sum(caption.padded()[1] for caption in [null, *rows])
    once = null.padded()[1] + len(rows[0].valid) + len(rows) * len(rows[0].leading)
    assert len(pack([null, *rows]).features) <= once < most


def test_durations_count_down_and_stop_at_eight():
    tokens, options = special_tokens(), TextOptions(hq=False)
    rows = [tokens.leading(options, left)[0] for left in range(1, 11)]
    with np.load(DATA / "special_tokens.npz") as arrays:
        table = torch.from_numpy(arrays["other_tokens"].astype(np.float16).astype(np.float32))
    for left, row in enumerate(rows, 1):
        assert torch.equal(row[0], table[6 + min(left, 8)])


def test_stored_tokens_pass_through_float16(tmp_path):
    rows = {"caption_token": (1, 4), "logo_token": (1, 4), "other_tokens": (100, 4)}
    path = tmp_path / "special_tokens.npz"
    np.savez(path, **{name: np.full(shape, 0.1) for name, shape in rows.items()})
    token = SpecialTokens(path).leading(TextOptions(), 1)[0]
    assert token.dtype == torch.float32
    assert token[0, 0].item() == float(np.float16(0.1)) != np.float32(0.1)


def test_a_long_prompt_loses_its_end_to_special_tokens():
    features, mask = torch.randn(800, 16), torch.ones(800, dtype=torch.int64)
    null = null_caption(torch.zeros(800, 16), PLAIN)
    caption = chunk_caption(features, mask, null, 3, TextOptions(), special_tokens())
    tokens, count = caption.padded()
    assert (len(tokens), count) == (800, 800)
    assert torch.equal(tokens[2:], features[:798])


def test_missing_file_is_told_and_only_when_it_is_wanted(tmp_path):
    with pytest.warns(MissingSpecialTokensWarning, match="example/assets"):
        assert load_special_tokens(None, TextOptions()) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_special_tokens(None, PLAIN) is None
    with pytest.raises(InvalidInputError, match=r"is no special_tokens\.npz"):
        load_special_tokens(tmp_path / "nowhere.npz", TextOptions())
    np.savez(tmp_path / "other.npz", something=np.zeros(3))
    with pytest.raises(InvalidInputError, match="caption_token"):
        SpecialTokens(tmp_path / "other.npz")


def test_digests_tell_files_apart(tmp_path):
    with np.load(DATA / "special_tokens.npz") as arrays:
        changed = {name: array + 1 for name, array in arrays.items()}
    np.savez(tmp_path / "other.npz", **changed)
    other = SpecialTokens(tmp_path / "other.npz")
    assert (
        other.digest != special_tokens().digest == SpecialTokens(DATA / "special_tokens.npz").digest
    )
