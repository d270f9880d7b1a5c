import attrs
import pytest
import torch

from magi.goldens import FORWARD, Call, error, transformer
from phyrefine.errors import InvalidInputError
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.weights.memory import Memory, memory_named, spread, stream_blocks


def _copy():
    source = transformer("dit_b")
    network = MagiTransformer3DModel.from_shape(attrs.evolve(source.shape, distilled=False))
    network.load_state_dict({k: v.clone() for k, v in source.state_dict().items()}, assign=True)
    return network.requires_grad_(requires_grad=False)


def test_presets_spend_less_and_less():
    fast, balanced, low = map(memory_named, ("fast", "balanced", "low"))
    assert fast.savings.pack
    assert not balanced.savings.pack
    assert (fast.offload_cache, balanced.offload_cache, low.offload_cache) == (False, True, True)
    assert (balanced.stream_blocks, low.stream_blocks) == (False, True)
    assert low.max_tokens < balanced.max_tokens
    own = Memory(offload_cache=True)
    assert memory_named(own) is own


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(InvalidInputError, match="'tiny'; there are fast, balanced, low"):
        memory_named("tiny")


def test_streamed_blocks_give_the_same_velocities():
    network, call = _copy(), Call("dit_b", "three")
    stream_blocks(network, "cpu")
    assert error(call.run(network), call.out()) < FORWARD


def test_spread_blocks_give_the_same_velocities():
    network, call = _copy(), Call("dit_b", "three")
    shared = spread(network, {"cpu": "10GB"})
    assert isinstance(shared, torch.nn.Module)
    assert error(call.run(shared), call.out()) < FORWARD
