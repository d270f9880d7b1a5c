"""Weights carry their sizes; what is shipped is small and whole."""

import pytest
import torch

from phyrefine.errors import InvalidInputError
from phyrefine.world.generator.checkpoint import (
    WEIGHTS,
    file_digest,
    load_network,
    save_network,
    weights_path,
)


def test_round_trip_within_half_precision(tiny_network, tmp_path):
    path = tmp_path / "tiny.safetensors"
    save_network(tiny_network, path, steps="7")
    loaded = load_network(path)
    assert list(loaded.config.vocabulary) == list(tiny_network.config.vocabulary)
    for name, value in tiny_network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float())
    assert not loaded.training


def test_shipped_weights_are_small_and_in_the_model_card():
    files = sorted(WEIGHTS.glob("*.safetensors"))
    assert [file.stem for file in files] == ["priors", "truthful"]
    assert all(file.stat().st_size <= 4_000_000 for file in files)
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    for file in files:
        assert file_digest(file) in card


def test_unknown_variant_is_refused():
    with pytest.raises(InvalidInputError, match=r"'huge'.*truthful"):
        weights_path("huge")
