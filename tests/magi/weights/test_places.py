"""Every layout that weights of MAGI-1 come in, and what is refused before anything is read."""

import json
import shutil

import pytest
import torch

from phyrefine.backends.magi import MagiGenerator
from phyrefine.errors import InvalidInputError
from phyrefine.magi import loading
from phyrefine.magi.pipeline import MagiPipeline
from phyrefine.magi.weights.parts import check_parts
from phyrefine.magi.weights.places import find_layout
from phyrefine.magi.weights.tensors import read_tensors

POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4665a5ea423c2713d436b5ee50593a9640e0018c1550b5a0002f74190d6caea8\nsize 8912345678\n"
)
T5 = "t5-v1_1-xxl"


@pytest.fixture
def examples(original, tmp_path):
    """The tree that the original's examples read."""
    root = tmp_path / "repository"
    shutil.copytree(original / "ckpt" / "magi" / "tiny", root / "downloads" / "tiny")
    shutil.copytree(original / "ckpt" / "vae", root / "downloads" / "vae")
    shutil.copytree(original / "ckpt" / "t5", root / "downloads" / "t5_pretrained")
    assets = root / "example" / "assets"
    assets.mkdir(parents=True)
    shutil.copy(original / "special_tokens.npz", assets)
    return root


@pytest.fixture
def published(original, tmp_path):
    """The published tree, ours to damage."""
    shutil.copytree(original, tmp_path / "published")
    return tmp_path / "published"


def written_config(examples, **paths):
    sections = json.loads((examples / "downloads" / "tiny" / "config.json").read_text())
    named = {"load": "tiny", "vae_pretrained": "vae", "t5_pretrained": "t5_pretrained"} | paths
    sections["runtime_config"] |= {k: f"./downloads/{v}" for k, v in named.items() if v}
    file = examples / "example" / "4.5B" / "tiny_config.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(sections))
    return file


@pytest.mark.parametrize(
    "given", ["", "downloads", "downloads/tiny", "downloads/tiny/inference_weight"]
)
def test_the_examples_tree_from_any_of_its_folders(examples, given):
    found = find_layout(examples / given)
    downloads = (examples / "downloads").absolute()
    assert found.variant.name == "tiny"
    assert found.weights.absolute() == downloads / "tiny" / "inference_weight"
    assert found.vae.absolute() == downloads / "vae"
    assert found.text_encoder.absolute() == downloads / "t5_pretrained" / T5
    assert (found.special_tokens is None) == (given == "downloads")
    check_parts(found)


def test_the_published_variants_own_folder(original):
    found = find_layout(original / "ckpt" / "magi" / "tiny")
    whole = find_layout(original)
    assert found.weights == whole.weights
    assert (found.vae, found.text_encoder) == (whole.vae, whole.text_encoder)


@pytest.mark.parametrize("elsewhere", [True, False])
def test_an_official_configuration_file(examples, elsewhere, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path if elsewhere else examples)
    file = written_config(examples)
    found = find_layout(file)
    assert found.weights.resolve() == examples / "downloads" / "tiny" / "inference_weight"
    assert found.vae.resolve() == examples / "downloads" / "vae"
    assert found.text_encoder.resolve() == examples / "downloads" / "t5_pretrained" / T5
    assert found.special_tokens is not None
    pipe = MagiPipeline.from_pretrained(file, dtype=torch.float32)
    assert pipe.variant.sampling.num_steps == 4


def test_a_configuration_may_name_the_folder_of_the_weights_itself(examples):
    found = find_layout(written_config(examples, load="tiny/inference_weight"))
    assert (found.weights / "model.safetensors").is_file()


def test_configurations_that_name_nothing(examples, tmp_path):
    with pytest.raises(InvalidInputError, match="lacks 'vae_pretrained'"):
        find_layout(written_config(examples, vae_pretrained=None))
    found = find_layout(written_config(examples, vae_pretrained=None), vae=tmp_path / "mine")
    assert found.vae == tmp_path / "mine"
    with pytest.raises(InvalidInputError, match="downloads/gone as its weights, which is not"):
        find_layout(written_config(examples, load="gone"))
    text = tmp_path / "notes.txt"
    text.write_text("no JSON")
    with pytest.raises(InvalidInputError, match=r"neither a folder nor a configuration file"):
        find_layout(text)


def test_three_separate_paths(examples, tmp_path):
    apart = {"model": "tiny", "auto": "vae", "words": "t5_pretrained"}
    for name, source in apart.items():
        shutil.move(examples / "downloads" / source, tmp_path / name / source)
    generator = MagiGenerator.from_pretrained(
        tmp_path / "model" / "tiny",
        vae=tmp_path / "auto" / "vae",
        text_encoder=tmp_path / "words" / "t5_pretrained",
        special_tokens=examples / "example" / "assets" / "special_tokens.npz",
    )
    assert generator.pipeline.variant.name == "tiny"
    with pytest.raises(InvalidInputError, match=r"no autoencoder in .*; there is no text encoder"):
        MagiGenerator.from_pretrained(tmp_path / "model" / "tiny")


def test_nothing_outside_the_given_tree_is_taken(published):
    shutil.move(published / "ckpt" / "vae", published.parent / "vae")
    with pytest.raises(InvalidInputError, match="no autoencoder"):
        check_parts(find_layout(published))


def test_the_default_variant_of_the_hub_survives_a_second_cached_one(
    original, tmp_path, monkeypatch
):
    for name in ("4.5B_base", "4.5B_distill"):
        shutil.copytree(original / "ckpt" / "magi" / "tiny", tmp_path / "ckpt" / "magi" / name)
    for part in ("vae", "t5"):
        (tmp_path / "ckpt" / part).symlink_to(original / "ckpt" / part)
    monkeypatch.setattr(loading, "download", lambda *_, **__: tmp_path)
    monkeypatch.setattr(loading, "fetch_special_tokens", lambda **_: None)
    with pytest.warns(UserWarning, match="special tokens"):
        generator = MagiGenerator.from_pretrained("sand-ai/MAGI-1")
    assert generator.pipeline.variant.name == "4.5B_base"
    with pytest.raises(InvalidInputError, match=r"#4\.5B_base") as caught:
        MagiGenerator.from_pretrained(tmp_path)
    assert "variant='4.5B_base'" in str(caught.value)


def test_magi_1_1_and_diffusers_folders_are_named(tmp_path):
    newer = tmp_path / "ckpt" / "magi1.1" / "24B_base"
    newer.mkdir(parents=True)
    for folder in (tmp_path, newer):
        with pytest.raises(InvalidInputError, match=r"holds MAGI-1\.1.*Use a variant of MAGI-1"):
            find_layout(folder)
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(InvalidInputError, match="is a diffusers pipeline"):
        find_layout(tmp_path)
    (tmp_path / "odd" / "inference_weight").mkdir(parents=True)
    with pytest.raises(InvalidInputError, match="named like no MAGI-1 variant"):
        find_layout(tmp_path / "odd")
    assert find_layout(tmp_path / "odd", "4.5B_base").variant.name == "4.5B_base"


# -- checked before anything is read -----------------------------------------------------------

WEIGHTS = "magi/tiny/inference_weight/model.safetensors"
DAMAGE = {
    WEIGHTS: "There is neither",
    "vae/diffusion_pytorch_model.safetensors": "diffusion_pytorch_model.safetensors is missing",
    "vae/config.json": "config.json is missing",
    f"t5/{T5}/model.safetensors": "has no weights",
    f"t5/{T5}/tokenizer.json": "has no tokenizer",
    f"t5/{T5}/config.json": "config.json is missing",
}


@pytest.fixture
def nothing_is_read(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("weights were read before every part was checked")

    for name in ("load_network", "load_autoencoder"):
        monkeypatch.setattr(loading, name, fail)
    monkeypatch.setattr(loading.TextEncoder, "from_pretrained", fail)


@pytest.mark.parametrize("file", DAMAGE)
@pytest.mark.usefixtures("nothing_is_read")
def test_a_missing_part_is_refused_first(published, file):
    (published / "ckpt" / file).unlink()
    with pytest.raises(InvalidInputError, match=DAMAGE[file]) as caught:
        MagiPipeline.from_pretrained(published)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", [*DAMAGE, f"t5/{T5}/tokenizer.json"])
@pytest.mark.usefixtures("nothing_is_read")
def test_a_git_lfs_pointer_is_refused_first(published, file):
    (published / "ckpt" / file).write_bytes(POINTER)
    with pytest.raises(InvalidInputError, match=r"git-lfs pointer.*git lfs pull"):
        MagiPipeline.from_pretrained(published)


@pytest.mark.usefixtures("nothing_is_read")
def test_files_that_are_cut_off_or_empty_are_refused_first(published):
    vae = published / "ckpt" / "vae" / "diffusion_pytorch_model.safetensors"
    data = vae.read_bytes()
    vae.write_bytes(data[:-7])
    (published / "ckpt" / WEIGHTS).write_bytes(b"")
    with pytest.raises(InvalidInputError, match=r"is empty; .* ends 7 bytes too early"):
        MagiPipeline.from_pretrained(published)


@pytest.mark.usefixtures("nothing_is_read")
def test_a_missing_shard_of_the_text_encoder_is_refused_first(published):
    folder = published / "ckpt" / "t5" / T5
    shards = {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}
    (folder / "model.safetensors").rename(folder / shards["a"])
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(InvalidInputError, match=r"pytorch_model-00002-of-00002.bin is missing"):
        MagiPipeline.from_pretrained(published)


def test_a_pointer_read_as_weights_is_named(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(POINTER)
    with pytest.raises(InvalidInputError, match="git lfs pull"):
        list(read_tensors(tmp_path / "model.safetensors"))


def test_our_own_saved_form_is_checked_too(original, tmp_path):
    MagiPipeline.from_pretrained(original, dtype=torch.float32).save_pretrained(tmp_path)
    check_parts(find_layout(tmp_path))
    next((tmp_path / "transformer").glob("*.safetensors")).unlink()
    with pytest.raises(InvalidInputError, match="holds no transformer"):
        check_parts(find_layout(tmp_path))
