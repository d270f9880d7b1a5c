"""The transformer as a diffusers model: saved, offloaded, cast, compiled, with other backends."""

import attrs
import pytest
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.models.attention_dispatch import attention_backend

from phyrefine.magi.model.cache import ChunkCache
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.weights.names import kept_in_float32

from .goldens import FORWARD, MODELS, Call, cached, error, transformer

# Products depend on where weights lie in memory by their last bits.
ROUNDING = {torch.float32: 2e-6, torch.float16: 5e-3, torch.bfloat16: 2e-2}


def _copy(model="dit_b", dtype=torch.float32):
    source = transformer(model, dtype)
    network = MagiTransformer3DModel.from_shape(attrs.evolve(source.shape, distilled=False))
    state = {name: value.clone() for name, value in source.state_dict().items()}
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(False)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_saved_and_read_again(model, dtype, tmp_path):
    network = _copy(model, dtype)
    network.save_pretrained(tmp_path, max_shard_size="300KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    again = MagiTransformer3DModel.from_pretrained(
        tmp_path, torch_dtype=dtype, local_files_only=True
    )
    assert isinstance(again, ModelMixin)
    assert isinstance(again, ConfigMixin)
    assert again.shape == network.shape
    for name, parameter in again.named_parameters():
        assert parameter.dtype == (torch.float32 if kept_in_float32(name) else dtype), name
        assert torch.equal(parameter, network.get_parameter(name)), name
    call = Call(model, "three")
    assert error(call.run(again), call.run(network)) < ROUNDING[dtype]


def test_blocks_are_named_for_device_maps_and_compilation():
    network = transformer("dit_a")
    assert network._no_split_modules == network._repeated_blocks == ["MagiBlock"]
    assert {type(block).__name__ for block in network.blocks} == {"MagiBlock"}


@pytest.mark.parametrize("kind", ["block_level", "leaf_level"])
def test_group_offload_changes_nothing(kind):
    network, call = _copy(), Call("dit_b", "three")
    before = call.run(network)
    blocks = {"num_blocks_per_group": 1} if kind == "block_level" else {}
    network.enable_group_offload(
        onload_device=torch.device("cpu"),
        offload_device=torch.device("cpu"),
        offload_type=kind,
        **blocks,
    )
    assert torch.equal(call.run(network), before)


def test_layerwise_casting_stores_float8_and_computes_in_bfloat16():
    network, call = _copy(dtype=torch.bfloat16), Call("dit_b", "three")
    before = call.run(network)
    network.enable_layerwise_casting(torch.float8_e4m3fn, torch.bfloat16)
    assert network.blocks[0].ff.fc1.weight.dtype == torch.float8_e4m3fn
    assert network.blocks[0].attn.norm_q.weight.dtype == torch.float32
    assert network.dtype == torch.bfloat16
    cache = ChunkCache()
    result = call.run(network, cache, stored=True)
    assert 1e-4 < error(result, before) < 0.5
    assert cached(cache, [0], 0).dtype == torch.bfloat16


@pytest.mark.parametrize("backend", ["native", "_native_math", "_native_flash"])
def test_attention_backends_of_diffusers(backend):
    call = Call("dit_a", "three")
    network = _copy("dit_a")
    network.set_attention_backend(backend)
    assert error(call.run(network), call.out()) < FORWARD
    network.reset_attention_backend()
    with attention_backend(backend):
        assert error(call.run(network), call.out()) < FORWARD


@pytest.mark.slow
def test_repeated_blocks_compile():
    network, call = _copy("dit_a"), Call("dit_a", "three")
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph.forward

    network.compile_repeated_blocks(backend=backend, fullgraph=True)
    assert error(call.run(network), call.out()) < FORWARD
    assert compiled


def test_blocks_spread_over_devices():
    accelerate = pytest.importorskip("accelerate")
    network, call = _copy(), Call("dit_b", "three")
    plan = accelerate.infer_auto_device_map(
        network,
        max_memory={"cpu": "10GB"},
        no_split_module_classes=network._no_split_modules,
    )
    before = call.run(network)
    spread = accelerate.dispatch_model(network, plan, force_hooks=True)
    assert torch.equal(call.run(spread), before)
