"""What ``phyrefine doctor`` says of memory, against true sizes of tiny builds and published ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from functools import partial
from typing import Any

import diffusers_cases as cases
import pytest
import torch
from attrs import evolve

from phyrefine.backends.diffusers import estimate_memory
from phyrefine.backends.diffusers.estimates import RULE, estimate_parts
from phyrefine.backends.diffusers.families.table import list_families, named
from phyrefine.backends.diffusers.sizing import parts, work
from phyrefine.backends.diffusers.sizing.live import LiveTensors, peak_bytes
from phyrefine.errors import InvalidInputError
from phyrefine.testing import moving_clip
from phyrefine.types import Prompt, Shot

# Warnings of diffusers under NumPy 2; nothing we call.
pytestmark = [
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context"),
    pytest.mark.filterwarnings("ignore:In CPU autocast, but the target dtype is not supported"),
    pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight"),
]

GIB = 2**30
SHOT = Shot(Prompt("it rolls"), moving_clip(24, (64, 64), 8.0), seconds=1.0, fps=8.0)
FEW = ["cogvideox-i2v", "ltx-condition"]
# A decoder that refuses to decode without tiles, which shapes alone cannot follow.
BY_RULE = ["allegro"]
# Its constructor computes with numbers that shapes alone do not have.
BY_HEADER = [("kandinsky-6", "audio_vae")]


def true_values(tensors: Iterable[torch.Tensor]) -> int:
    """Values in tensors; tied ones once."""
    return sum({tensor.data_ptr(): tensor.numel() for tensor in tensors}.values())


def every(names: list[str]) -> list[Any]:
    """Two cases quickly, all of them slowly."""
    return [pytest.param(name, marks=[] if name in FEW else [pytest.mark.slow]) for name in names]


@pytest.mark.parametrize("name", every(list(cases.CASES)))
def test_parameters_are_those_of_the_loaded_pipeline(name: str) -> None:
    components = cases.generator(name).pipe.components
    modules = {
        part: module for part, module in components.items() if isinstance(module, torch.nn.Module)
    }
    modules.pop("safety_checker", None)
    sized = {part.name: part for part in parts.parts_of(cases.folder(name))}
    assert set(sized) == set(modules)
    for part, module in modules.items():
        assert sized[part].parameters == true_values(module.state_dict().values())
        if (name, part) in BY_HEADER:
            continue
        assert sized[part].module is not None
        # Beside what files hold, modules make tables of positions.
        built = parts.part_from(part, sized[part].module)
        assert built.parameters == true_values([*module.parameters(), *module.buffers()])
        assert 0 < sized[part].largest <= built.parameters


@pytest.mark.parametrize("name", every([n for n in cases.CASES if n not in BY_RULE]))
def test_working_memory_is_that_of_the_real_decoder(name: str) -> None:
    vae = cases.generator(name, dtype="float32").pipe.vae
    unit = next(one.module for one in parts.parts_of(cases.folder(name)) if one.name == "vae")
    grid = work.grid_of(unit)
    latents = grid.latents(17, (4 * grid.space, 6 * grid.space))
    values = torch.zeros(1, grid.channels, *latents)
    time = [torch.zeros(1)] if getattr(vae.config, "timestep_conditioning", False) else []
    with torch.no_grad(), LiveTensors() as live:
        made = vae.decode(values, *time, return_dict=False)[0]
    frames = grid.first + grid.time * (latents[0] - 1)
    assert tuple(made.shape[2:]) == (frames, 4 * grid.space, 6 * grid.space)
    assert frames >= 17
    estimated = 4 * work.decoding_values(unit, grid, latents, tiled=False)
    # Attention is counted as a fused kernel does it; the CPU's keeps more for small pictures.
    assert estimated == pytest.approx(live.peak, rel=0.15)


@pytest.mark.parametrize("name", every(list(cases.CASES)))
def test_clips_in_one_call_of_the_denoiser_are_the_rows(name: str, monkeypatch: Any) -> None:
    generator = cases.generator(name, share=False)
    seen: list[int] = []
    forward = generator.pipe.transformer.forward

    def spy(*args: Any, **kwargs: Any) -> Any:
        hidden = args[0] if args else kwargs.get("hidden_states")
        if isinstance(hidden, torch.Tensor):
            seen.append(len(hidden))
        return forward(*args, **kwargs)

    monkeypatch.setattr(generator.pipe.transformer, "forward", spy)
    context = cases.CASES[name].context
    generator.generate(evolve(SHOT, seconds=0.25, prefix=SHOT.prefix if context else None))
    expected = generator.spec.denoised_at_once if generator.spec.guided else 1
    # Cosmos 3 packs one clip's tokens and names no batch.
    assert max(seen, default=1) == expected


@pytest.mark.slow
def test_an_estimate_is_near_what_a_pass_takes() -> None:
    generator = cases.generator("wan-2.1-t2v", dtype="float32")
    spec = generator.spec
    shot = Shot(Prompt("it rolls"), None, seconds=81 / 16, fps=16.0, size=spec.size)
    with torch.no_grad(), LiveTensors() as live:
        generator.generate(shot)
    estimate = estimate_memory(
        str(cases.folder("wan-2.1-t2v")), dtype="float32", size=spec.size, num_frames=81
    )
    taken = live.peak / GIB + sum(estimate.weights.values())
    assert 0.7 < taken / estimate.peak["fast"] < 1.4


def test_a_folder_without_weights_is_sized_by_its_configuration(tmp_path: Any) -> None:
    whole = cases.folder("cogvideox-i2v")
    shutil.copytree(whole, tmp_path / "bare", ignore=shutil.ignore_patterns("*.safetensors"))
    bare = estimate_memory(str(tmp_path / "bare"), dtype="float32")
    with_files = estimate_memory(str(whole), dtype="float32")
    assert bare.weights == pytest.approx(with_files.weights)
    assert bare.peak == pytest.approx(with_files.peak)
    assert bare.family == "cogvideox-i2v"
    assert "own files and configuration" in bare.basis


def test_a_component_of_an_unknown_class_is_counted_from_its_file(tmp_path: Any) -> None:
    folder = tmp_path / "own"
    shutil.copytree(cases.folder("cogvideox-i2v"), folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["text_encoder"] = ["my_package", "MyEncoder"]
    (folder / "model_index.json").write_text(json.dumps(index))
    estimate = estimate_memory(str(folder), dtype="float32")
    known = estimate_memory(str(cases.folder("cogvideox-i2v")), dtype="float32")
    assert estimate.weights["text_encoder"] == pytest.approx(known.weights["text_encoder"])
    for file in (folder / "text_encoder").glob("*.safetensors"):
        file.unlink()
    with pytest.raises(InvalidInputError, match=r"my_package.MyEncoder is not known here"):
        estimate_memory(str(folder))


@pytest.mark.slow
def test_a_decoder_that_shapes_cannot_follow_is_estimated_by_rule_and_that_is_told() -> None:
    estimate = estimate_memory(str(cases.folder("allegro")), size=(64, 64))
    assert RULE in estimate.basis
    assert estimate.peak["fast"] > estimate.peak["tight"] > 0


# -- full size ---------------------------------------------------------------------------------


def published() -> dict[str, Any]:
    """Components at full size, by the published configurations."""
    import diffusers

    return {
        "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": partial(
            diffusers.WanTransformer3DModel, num_attention_heads=12, ffn_dim=8960, num_layers=30
        ),
        "Wan-AI/Wan2.1-T2V-14B-Diffusers": diffusers.WanTransformer3DModel,
        "THUDM/CogVideoX-5b": partial(
            diffusers.CogVideoXTransformer3DModel, num_attention_heads=48, num_layers=42
        ),
        "THUDM/CogVideoX-2b": diffusers.CogVideoXTransformer3DModel,
        "Lightricks/LTX-Video-0.9.5": diffusers.LTXVideoTransformer3DModel,
        "hunyuanvideo-community/HunyuanVideo": partial(
            diffusers.HunyuanVideoTransformer3DModel, guidance_embeds=True
        ),
        "genmo/mochi-1-preview": diffusers.MochiTransformer3DModel,
    }


def without_data(build: Any) -> Any:
    with torch.device("meta"):
        return build()


def test_published_parameter_counts_are_those_of_the_configurations() -> None:
    rows = {one.id: one.billions for spec in list_families() for one in spec.checkpoints}
    for checkpoint, build in published().items():
        counted = sum(one.numel() for one in without_data(build).parameters()) / 1e9
        assert rows[checkpoint]["transformer"] == pytest.approx(counted, rel=0.005), checkpoint


def test_the_denoisers_share_is_near_the_real_modules() -> None:
    """At full width, one layer: the peak does not depend on how many there are."""
    build = partial(published()["Wan-AI/Wan2.1-T2V-14B-Diffusers"], num_layers=1)
    model = without_data(build).bfloat16()
    latents = (21, 60, 104)
    told = work.denoising_values(model.config, latents, prompt=512, batch=1) * 2
    empty = partial(torch.empty, device="meta", dtype=torch.bfloat16)

    def call() -> None:
        model(empty(1, 16, *latents), torch.empty(1, device="meta"), empty(1, 512, 4096))

    assert peak_bytes(call) / told == pytest.approx(1, rel=0.35)


@pytest.mark.slow
def test_cogvideox_is_near_what_its_authors_measured() -> None:
    """33 GB in all and 5 GB with single layers, by their tables: an independent source."""
    import diffusers
    import transformers

    config = transformers.T5Config(
        vocab_size=32128,
        d_model=4096,
        d_kv=64,
        d_ff=10240,
        num_layers=24,
        num_heads=64,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    builds = {
        "text_encoder": partial(transformers.T5EncoderModel, config),
        "transformer": published()["THUDM/CogVideoX-5b"],
        "vae": diffusers.AutoencoderKLCogVideoX,
    }
    sized = [parts.part_from(name, without_data(build)) for name, build in builds.items()]
    estimate = estimate_parts("5b", named("cogvideox-t2v"), sized, dtype="bfloat16")
    assert estimate.peak["fast"] == pytest.approx(33, rel=0.15)
    assert estimate.peak["tight"] == pytest.approx(5, rel=0.25)
    assert estimate.weights["transformer"] == pytest.approx(10.4, abs=0.1)
    smaller = estimate_parts(
        "5b", named("cogvideox-t2v"), sized, dtype="bfloat16", size=(240, 360), fp8=True
    )
    assert smaller.peak["fast"] < estimate.peak["fast"]
    assert smaller.weights["transformer"] == pytest.approx(estimate.weights["transformer"] / 2)


# -- names -------------------------------------------------------------------------------------


def test_a_hub_id_without_files_here_gets_published_counts_and_is_told_how_to_do_better() -> None:
    estimate = estimate_memory("THUDM/CogVideoX-5b-I2V")
    assert "published parameter counts" in estimate.basis
    assert "hf download THUDM/CogVideoX-5b-I2V" in estimate.basis
    assert estimate.peak["fast"] > estimate.peak["balanced"] > estimate.peak["tight"] > 0


def test_a_hub_id_in_the_cache_is_sized_by_its_own_files(monkeypatch: Any) -> None:
    import huggingface_hub

    def cached(model: str, *, local_files_only: bool) -> str:
        assert (model, local_files_only) == ("some/video", True)
        return str(cases.folder("cogvideox-i2v"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", cached)
    estimate = estimate_memory("some/video", dtype="float32")
    assert estimate.model == "some/video"
    assert "own files" in estimate.basis


def test_estimates_need_something_known() -> None:
    with pytest.raises(InvalidInputError, match="THUDM/CogVideoX-5b-I2V"):
        estimate_memory("somebody/unknown")
    with pytest.raises(InvalidInputError, match="not 'int4'"):
        estimate_memory("THUDM/CogVideoX-5b-I2V", dtype="int4")


def test_every_mode_needs_less_than_the_one_before() -> None:
    estimate = estimate_memory(str(cases.folder("cogvideox-i2v")), dtype="float32")
    assert estimate.peak["fast"] >= estimate.peak["balanced"] >= estimate.peak["tight"] > 0
