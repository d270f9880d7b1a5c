"""Shapes, words and conditioning of the video network."""

import pytest
import torch

from phyrefine.errors import InvalidInputError
from phyrefine.world.generator.network import FRAMES, Tokenizer, check_size, words_of


def _inputs(batch=2, height=16, width=24):
    torch.manual_seed(1)
    video = torch.randn(batch, FRAMES, 3, height, width)
    return {
        "noisy": video,
        "time": torch.rand(batch),
        "context": torch.randn_like(video),
        "anchor": torch.randn(batch, 3, height, width),
        "prompt": torch.randn(batch, 16),
        "position": torch.tensor([0, 1]),
    }


def test_words_ignore_case_and_punctuation():
    assert words_of("The ball, IT bounces!") == ["the", "ball", "it", "bounces"]


def test_unknown_words_are_passed_over():
    tokens = Tokenizer(["ball", "the"])
    assert tokens.known("The shiny ball") == ["the", "ball"]
    assert tokens(["the shiny ball", "ball"]).tolist() == [[2, 1], [1, 0]]
    assert tokens(["nothing known"]).tolist() == [[0]]


def test_output_has_the_shape_of_the_chunk(tiny_network):
    inputs = _inputs()
    assert tiny_network(**inputs).shape == inputs["noisy"].shape


@pytest.mark.parametrize("name", ["noisy", "time", "context", "anchor", "prompt", "position"])
def test_every_input_matters(tiny_network, name):
    inputs = _inputs()
    changed = dict(inputs)
    changed[name] = inputs[name] + (1 if name == "position" else 0.5)
    assert not torch.allclose(tiny_network(**inputs), tiny_network(**changed), atol=1e-5)


def test_rows_of_a_batch_do_not_mix(tiny_network):
    inputs = _inputs()
    alone = tiny_network(**{name: value[:1] for name, value in inputs.items()})
    assert torch.allclose(tiny_network(**inputs)[:1], alone, atol=1e-5)


def test_padding_does_not_change_a_prompt(tiny_network):
    tokens = Tokenizer(tiny_network.config.vocabulary)
    long = "the ball falls the ball falls"
    together = tiny_network.encode(tokens(["the ball bounces", long]))
    alone = tiny_network.encode(tokens(["the ball bounces"]))
    assert torch.allclose(together[:1], alone, atol=1e-5)


def test_word_order_matters(tiny_network):
    tokens = Tokenizer(tiny_network.config.vocabulary)
    said = tiny_network.encode(tokens(["ball falls bounces", "falls ball bounces"]))
    assert not torch.allclose(said[0], said[1], atol=1e-4)


def test_prompt_without_known_words_is_the_null_prompt(tiny_network):
    tokens = Tokenizer(tiny_network.config.vocabulary)
    said = tiny_network.encode(tokens(["", "quantum sandwich"]))
    assert torch.equal(said[0], said[1])
    assert torch.equal(said[0], tiny_network.text.nothing)


def test_odd_sizes_are_refused():
    check_size(48, 64)
    with pytest.raises(InvalidInputError, match="30x48"):
        check_size(48, 30)
