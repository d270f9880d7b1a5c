"""Reading checkpoints: the original's layouts, compressed shards, and what is refused."""

import json
import shutil
import struct

import attrs
import pytest
import torch
import zstandard
from safetensors.torch import load_file, save_file

from magi.fp8_networks import quantized_network
from magi.goldens import DATA, MODELS, Call, error, read_json, transformer, variant
from phyrefine.errors import InvalidInputError
from phyrefine.magi.config import (
    VARIANTS,
    MagiConfig,
    config_sections,
    parse_config,
    read_config,
    variant_named,
)
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.weights.autoencoder import load_vae, parse_vae_config
from phyrefine.magi.weights.checkpoint import load_transformer
from phyrefine.magi.weights.names import kept_in_float32, original_name, parameter_shapes
from phyrefine.magi.weights.places import PIPELINE_FILE, find_layout
from phyrefine.magi.weights.tensors import read_tensors, tensor_shapes, weight_files

WEIGHTS = {model: DATA / model / "inference_weight" for model in MODELS}


def _stored(folder):
    return {name: t for file in weight_files(folder) for name, t in read_tensors(file)}


def _copied(model, tmp_path):
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS[model], folder)
    return folder


def _changed(model, tmp_path, change):
    """A single-file copy of a checkpoint, changed in place by ``change``."""
    tensors = _stored(WEIGHTS[model])
    change(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path


# -- what is read ------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_every_tensor_is_the_file_s(model):
    network, stored = transformer(model), _stored(WEIGHTS[model])
    ours = {original_name(name): value for name, value in network.state_dict().items()}
    assert ours.keys() == stored.keys()
    assert len(ours) == 14 + 26 * 2
    for name, value in ours.items():
        assert torch.equal(value, stored[name].float()), name
    assert parameter_shapes(network.shape) == {k: tuple(v.shape) for k, v in stored.items()}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("model", MODELS)
def test_names_decide_the_dtype_not_the_file(model, dtype):
    """dit_b is stored in bfloat16 throughout."""
    network = transformer(model, dtype)
    for name, parameter in network.named_parameters():
        assert parameter.dtype == (torch.float32 if kept_in_float32(name) else dtype), name


def test_the_file_s_dtype_can_be_kept(tmp_path):
    network = load_transformer(WEIGHTS["dit_a"], variant("dit_a").model, dtype=None)
    stored = _stored(WEIGHTS["dit_a"])
    for name, parameter in network.named_parameters():
        wanted = torch.float32 if kept_in_float32(name) else stored[original_name(name)].dtype
        assert parameter.dtype == wanted, name


def test_compressed_shards_are_looked_for_first(tmp_path):
    folder = _copied("dit_a", tmp_path)
    shards = sorted(folder.glob("*.safetensors"))
    assert len(shards) == 3
    for shard in shards[:2]:
        packed = zstandard.compress(shard.read_bytes())
        (folder / f"{shard.name}.zst").write_bytes(packed)
    shards[0].write_bytes(b"not read")
    shards[1].unlink()
    again = load_transformer(folder, variant("dit_a").model, dtype=torch.float32)
    for name, value in transformer("dit_a").state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_a_compressed_shard_made_from_a_single_file(tmp_path):
    """dit_b's one file, cut in two, one half compressed: the same network."""
    tensors = sorted(_stored(WEIGHTS["dit_b"]).items())
    halves, index = (tensors[::2], tensors[1::2]), {}
    for number, half in enumerate(halves, 1):
        shard = f"model-0000{number}-of-00002.safetensors"
        save_file(dict(half), tmp_path / shard)
        index.update(dict.fromkeys(dict(half), shard))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    first = tmp_path / "model-00001-of-00002.safetensors"
    writer = zstandard.ZstdCompressor(level=3)
    (tmp_path / f"{first.name}.zst").write_bytes(writer.compress(first.read_bytes()))
    first.unlink()
    network = load_transformer(tmp_path, variant("dit_b").model, dtype=torch.float32)
    call = Call("dit_b", "three")
    assert error(call.run(network), call.out()) < 1e-5


def _written(network, folder):
    """A checkpoint in the original's layout from one of our networks."""
    folder.mkdir()
    state = {
        original_name(name): value.contiguous() for name, value in network.state_dict().items()
    }
    save_file(state, folder / "model.safetensors")
    return folder


def test_an_fp8_checkpoint_in_the_original_layout(tmp_path):
    """Made from dit_b's blocks: inner blocks quantized, first and last as they were."""
    call = Call("dit_b", "three")
    shape = attrs.evolve(transformer("dit_b").shape, num_layers=4)
    deeper = MagiTransformer3DModel.from_shape(shape)
    source = transformer("dit_b", torch.bfloat16).state_dict()
    state = {k: v for k, v in source.items() if not k.startswith("blocks.")}
    for name in source.keys() - state.keys():
        _, index, rest = name.split(".", 2)
        for copy in (int(index), int(index) + 2):
            state[f"blocks.{copy}.{rest}"] = source[name].clone()
    deeper.load_state_dict(state, assign=True)
    network = quantized_network(deeper.requires_grad_(False), call)
    folder = _written(network, tmp_path / "inference_weight.fp8")
    shapes = tensor_shapes(folder / "model.safetensors")
    assert sum(name.endswith("weight_scale") for name in shapes) == 2 * 7
    again = load_transformer(folder, network.shape)
    for name, value in network.state_dict().items():
        found = again.state_dict()[name]
        assert found.dtype == value.dtype, name
        assert torch.equal(found.float(), value.float()), name
    assert torch.equal(call.run(again), call.run(network))
    with pytest.raises(InvalidInputError, match="an fp8 checkpoint and the configuration a full"):
        load_transformer(folder, shape)
    plain = _written(deeper, tmp_path / "inference_weight")
    with pytest.raises(InvalidInputError, match="a full-precision checkpoint and the config"):
        load_transformer(plain, network.shape)


@pytest.mark.parametrize("model", MODELS)
def test_original_layout_saved_and_read_again_is_equal(model, tmp_path):
    network = transformer(model, torch.bfloat16)
    network.save_pretrained(tmp_path / "ours")
    ours = MagiTransformer3DModel.from_pretrained(
        tmp_path / "ours", torch_dtype=torch.bfloat16, local_files_only=True
    )
    back = load_transformer(_written(ours, tmp_path / "theirs"), network.shape)
    stored = _stored(WEIGHTS[model])
    for name, value in back.state_dict().items():
        assert torch.equal(value, network.state_dict()[name]), name
        # The goldens are exact in bfloat16 or float32, so nothing was lost on the way.
        assert torch.equal(value.float(), stored[original_name(name)].float()), name


# -- what is refused ---------------------------------------------------------------------------


def test_missing_and_unexpected_tensors_are_named(tmp_path):
    def change(tensors):
        tensors["x_embedder.bias"] = torch.zeros(3)
        del tensors["rope.bands"]
        del tensors["videodit_blocks.layers.1.mlp.linear_fc1.weight"]

    folder = _changed("dit_b", tmp_path, change)
    with pytest.raises(InvalidInputError) as caught:
        load_transformer(folder, variant("dit_b").model)
    text = str(caught.value)
    assert "Missing (2): rope.bands, videodit_blocks.layers.1.mlp.linear_fc1.weight." in text
    assert "Unexpected (1): x_embedder.bias." in text


def test_a_long_list_is_cut():
    shape = attrs.evolve(variant("dit_b").model, num_layers=3)
    with pytest.raises(InvalidInputError, match=r"Missing \(26\): .* and 18 more\."):
        load_transformer(WEIGHTS["dit_b"], shape)


def test_another_shape_is_told():
    shape = attrs.evolve(variant("dit_b").model, ffn_hidden_size=128)
    with pytest.raises(InvalidInputError, match="belong to another configuration"):
        load_transformer(WEIGHTS["dit_b"], shape)


def test_files_that_are_damaged(tmp_path):
    with pytest.raises(InvalidInputError, match="neither"):
        weight_files(tmp_path)
    folder = _copied("dit_a", tmp_path)
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(InvalidInputError, match=r"model-00002-of-00003.safetensors .* is missing"):
        weight_files(folder)
    file = folder / "model-00001-of-00003.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-100])
    with pytest.raises(InvalidInputError, match="100 bytes too early"):
        list(read_tensors(file))
    file.write_bytes(struct.pack("<Q", 1 << 40) + data[8:])
    with pytest.raises(InvalidInputError, match="header claims"):
        list(read_tensors(file))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"dtype": "F4", "shape": [1], "data_offsets": [0, 4]}, "has dtype F4"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}, "has 4 bytes for"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [8, 12]}, "has a gap before 'x'"),
    ],
)
def test_headers_that_lie(tmp_path, entry, words):
    header = json.dumps({"x": entry}).encode()
    file = tmp_path / "model.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(12))
    with pytest.raises(InvalidInputError, match=words):
        list(read_tensors(file))


def test_empty_tensors_are_read(tmp_path):
    save_file({"none": torch.zeros(0, 3), "one": torch.ones(1)}, tmp_path / "x.safetensors")
    found = dict(read_tensors(tmp_path / "x.safetensors"))
    assert found["none"].shape == (0, 3)
    assert found["one"].tolist() == [1]


# -- where the parts lie -----------------------------------------------------------------------


def test_parts_of_the_original_layout(original, tmp_path):
    layout = find_layout(original)
    assert layout == find_layout(original, "tiny")
    assert layout.original
    assert layout.weights == original / "ckpt" / "magi" / "tiny" / "inference_weight"
    assert layout.text_encoder == original / "ckpt" / "t5" / "t5-v1_1-xxl"
    assert layout.special_tokens == original / "special_tokens.npz"
    # Without the folder ckpt, and with the tokens where the original repository has them.
    shutil.copytree(original / "ckpt", tmp_path / "flat")
    assets = tmp_path / "flat" / "example" / "assets"
    assets.mkdir(parents=True)
    shutil.copy(original / "special_tokens.npz", assets)
    flat = find_layout(tmp_path / "flat")
    assert flat.vae == tmp_path / "flat" / "vae"
    assert flat.special_tokens == assets / "special_tokens.npz"


def _variant_folder(root, name, folder, sections=None):
    home = root / "magi" / name
    (home / folder).mkdir(parents=True)
    if sections is not None:
        (home / "config.json").write_text(json.dumps(sections))
    return home


def test_released_variants_need_no_configuration_file(tmp_path):
    _variant_folder(tmp_path, "4.5B_base", "inference_weight")
    _variant_folder(tmp_path, "24B_distill_quant", "inference_weight.fp8.distill")
    with pytest.raises(InvalidInputError, match=r"holds 24B_distill_quant, 4\.5B_base"):
        find_layout(tmp_path)
    found = find_layout(tmp_path, "24B_distill_quant").variant
    assert found == VARIANTS["24B_distill_quant"]
    assert (found.model.quantized, found.model.distilled, found.sampling.passes) == (True, True, 1)
    with pytest.raises(InvalidInputError, match=r"no variant '4.5B_quant'"):
        find_layout(tmp_path, "4.5B_quant")


def test_folders_that_hold_no_model(tmp_path):
    with pytest.raises(InvalidInputError, match=f"neither {PIPELINE_FILE}"):
        find_layout(tmp_path)
    (tmp_path / "magi").mkdir()
    with pytest.raises(InvalidInputError, match="holds none"):
        find_layout(tmp_path)


@pytest.mark.parametrize(
    ("folder", "distilled", "words"),
    [
        ("inference_weight.distill", False, "for a base model, whose weights lie in inference_"),
        ("inference_weight", True, "for a distilled model"),
    ],
)
def test_a_configuration_of_other_weights_is_refused(tmp_path, folder, distilled, words):
    found = VARIANTS["4.5B_distill" if distilled else "4.5B_base"]
    _variant_folder(tmp_path, "mine", folder, config_sections(found.model, found.sampling))
    with pytest.raises(InvalidInputError, match=words) as caught:
        find_layout(tmp_path)
    assert "cfg_number" in str(caught.value)
    assert folder in str(caught.value)


@pytest.mark.parametrize(
    ("name", "passes", "fix"),
    [("4.5B_base", 1, "Set cfg_number to 3"), ("24B_distill", 3, "Set cfg_number to 1")],
)
def test_passes_that_do_not_fit_are_refused_with_the_fix(name, passes, fix):
    sections = config_sections(VARIANTS[name].model, VARIANTS[name].sampling)
    sections["runtime_config"]["cfg_number"] = passes
    with pytest.raises(InvalidInputError, match=fix):
        parse_config(sections)


# -- configurations ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", VARIANTS)
def test_configurations_are_written_and_read(name, tmp_path):
    found = variant_named(name)
    home = tmp_path / name
    home.mkdir()
    (home / "config.json").write_text(json.dumps(config_sections(found.model, found.sampling)))
    assert read_config(home / "config.json") == found


def test_an_official_configuration_file_is_read():
    found = read_config(DATA / "dit_a" / "config.json")
    sections = read_json("dit_a/config")
    assert found.name == "dit_a"
    assert found.model.num_layers == sections["model_config"]["num_layers"]
    assert found.sampling.num_steps == sections["runtime_config"]["num_steps"]


def test_configurations_that_lack_something_or_differ():
    sections = config_sections(VARIANTS["4.5B_base"].model, VARIANTS["4.5B_base"].sampling)
    lacking = {**sections, "model_config": dict(sections["model_config"])}
    del lacking["model_config"]["hidden_size"]
    with pytest.raises(InvalidInputError, match="lacks 'hidden_size'"):
        parse_config(lacking)
    other = {**sections, "model_config": {**sections["model_config"], "t_patch_size": 2}}
    with pytest.raises(InvalidInputError, match="t_patch_size is 2"):
        parse_config(other)
    with pytest.raises(InvalidInputError, match=r"No MAGI-1 variant '5B'.*4\.5B_base"):
        variant_named("5B")


@pytest.mark.parametrize(
    ("name", "count"), [("4.5B_base", 4_459_898_128), ("24B_base", 23_899_281_936)]
)
def test_parameters_of_the_releases(name, count):
    shape: MagiConfig = VARIANTS[name].model
    shapes = parameter_shapes(shape)
    assert len(shapes) == 14 + 26 * shape.num_layers
    assert sum(torch.Size(s).numel() for s in shapes.values()) == count


# -- the autoencoder ---------------------------------------------------------------------------


def test_the_autoencoder_s_names_are_the_original_s():
    stored = load_file(DATA / "vae" / "diffusion_pytorch_model.safetensors")
    assert load_vae(DATA / "vae").state_dict().keys() == stored.keys()


def test_an_autoencoder_of_another_kind_is_refused(tmp_path):
    config = json.loads((DATA / "vae" / "config.json").read_text())
    other = {**config, "ddconfig": {**config["ddconfig"], "use_rope": True}}
    with pytest.raises(InvalidInputError, match="use_rope = True"):
        parse_vae_config(other)
    with pytest.raises(InvalidInputError, match="lacks 'video_size'"):
        parse_vae_config({"ddconfig": {}})
    with pytest.raises(InvalidInputError, match=r"no config\.json"):
        load_vae(tmp_path)
    tensors = load_file(DATA / "vae" / "diffusion_pytorch_model.safetensors")
    del tensors["decoder.cls_token"]
    tensors["quant.weight"] = torch.zeros(1)
    save_file(tensors, tmp_path / "diffusion_pytorch_model.safetensors")
    shutil.copy(DATA / "vae" / "config.json", tmp_path)
    with pytest.raises(InvalidInputError, match=r"Missing \(1\): decoder\.cls_token\. Unexp"):
        load_vae(tmp_path)
