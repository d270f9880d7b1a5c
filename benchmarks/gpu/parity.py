"""The stored reference cases of the original, on this device, in every dtype."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from magi import goldens
from magi.fp8_networks import deeper, quantized_network
from steps import Measurement, Record, Setting
from torch import Tensor

from phyrefine.magi.media import to_pixels
from phyrefine.magi.model.cache import ChunkCache
from phyrefine.magi.model.linears import Fp8Linear
from phyrefine.magi.sampling.sampler import Savings
from phyrefine.magi.vae.tiling import Tiling
from phyrefine.magi.weights.autoencoder import load_vae

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# Largest difference over the largest value. Below float32 they say what rounding may cost these
# networks of random weights; the kit reports the figures, and counts what is above.
LIMITS = {"float32": 2e-5, "bfloat16": 5e-2, "float16": 2e-2}
SINGLE = ("first_text", "first_null", "three", "batch3_nocontext")
DISTILLED = ("distill_s16", "distill_s12_i2", "distill_s12_i1")
WHOLE = ("exact", "interp", "image", "image_interp", "short")


def steps(setting: Setting) -> Iterator[Measurement]:
    """Networks, caches, samplers, autoencoder and fp8 layers."""
    names = ["float32"] if setting.tiny else list(DTYPES)
    for dtype in names:
        for model in goldens.MODELS:
            yield f"{model} {dtype}: calls", partial(_calls, setting, model, dtype)
            yield f"{model} {dtype}: cache", partial(_cached, setting, model, dtype)
        yield f"samplers {dtype}", partial(_samplers, setting, dtype)
        yield f"autoencoder {dtype}", partial(_autoencoder, setting, dtype)
    yield "fp8 layers", partial(_eight_layers, setting)
    yield "fp8 network", partial(_eight_network, setting)


def _judged(errors: dict[str, float], dtype: str) -> Record:
    above = {name: value for name, value in errors.items() if not value <= LIMITS[dtype]}
    worst = max(errors, key=errors.__getitem__)
    return {
        "cases": len(errors),
        "largest": errors[worst],
        "in": worst,
        "limit": LIMITS[dtype],
        "above": above,
        "passed": not above,
    }


def _network(setting: Setting, model: str, dtype: str, *, distilled: bool = False) -> Any:
    network = copy.deepcopy(goldens.transformer(model, DTYPES[dtype], distilled))
    return network.to(setting.device)


class _Call(goldens.Call):
    """A stored call whose inputs lie on the device."""

    def __init__(self, model: str, case: str, device: torch.device) -> None:
        super().__init__(model, case)
        self.device = device

    def latents(self) -> Tensor:
        moved: Tensor = super().latents().to(self.device)
        return moved

    def error(self, made: Tensor, name: str = "out") -> float:
        found: float = goldens.error(made.float().cpu(), self.out(name))
        return found


def _calls(setting: Setting, model: str, dtype: str) -> Record:
    errors = {}
    for cases, distilled in ((SINGLE, False), (DISTILLED, True)):
        network = _network(setting, model, dtype, distilled=distilled)
        for case in cases:
            call = _Call(model, case, setting.device)
            errors[case] = call.error(call.run(network, distilled=distilled))
    return _judged(errors, dtype)


def _cached(setting: Setting, model: str, dtype: str) -> Record:
    network, errors = _network(setting, model, dtype), {}
    for offload in (False, True):
        cache = ChunkCache(offload=offload)
        for case, stored in (("cache_A", True), ("cache_B", False)):
            call = _Call(model, case, setting.device)
            null = False if case == "cache_B" else None
            made = call.run(network, cache, stored=stored, null=null)
            name = "out_nodrop_noupdate" if case == "cache_B" else "out"
            errors[f"{case}, offload {offload}"] = call.error(made, name)
            if stored:
                for layer in range(2):
                    kept = goldens.cached(cache, [0, 1], layer)
                    errors[f"layer {layer}, offload {offload}"] = call.error(
                        kept, f"cache_l{layer}"
                    )
    return _judged(errors, dtype)


def _samplers(setting: Setting, dtype: str) -> Record:
    golden, errors = goldens.read_tensors("sampler"), {}
    names = goldens.SCENARIOS[:3] if setting.tiny else goldens.SCENARIOS
    for name in names:
        made = goldens.sampler(name, Savings(), dtype=DTYPES[dtype])
        made.transformer = copy.deepcopy(made.transformer).to(setting.device)
        noise = made._noise  # noqa: SLF001 - the stored noise lies on the host
        made._noise = lambda chunk, noise=noise: noise(chunk).to(setting.device)  # noqa: SLF001
        if made.prefix is not None:
            made.prefix = made.prefix.to(setting.device)
        for chunk in made.run():
            wanted = golden[f"{name}/chunk.{chunk.index}"]
            errors[f"{name} {chunk.index}"] = goldens.error(chunk.latents.cpu(), wanted)
    # Guidance multiplies what a single call is off by.
    found = _judged(errors, dtype)
    return found if dtype == "float32" else found | {"passed": all(e < 1 for e in errors.values())}


def _autoencoder(setting: Setting, dtype: str) -> Record:
    vae = load_vae(goldens.DATA / "vae", dtype=DTYPES[dtype], device=setting.device)
    golden, errors = goldens.read_tensors("vae_golden"), {}
    tiles = goldens.read_json("vae_golden")["tiled"]["args"]
    tiling = Tiling(
        tiles["tile_sample_min_height"],
        tiles["tile_sample_min_length"],
        tiles["spatial_tile_overlap_factor"],
    )
    for case in (*WHOLE, "tiled"):
        vae.tiling = tiling if case == "tiled" else None
        pixels = to_pixels(golden[f"{case}/video_u8"].numpy()).to(setting.device)
        latent = golden[f"{case}/latent"]
        made = vae.encode(pixels).latent_dist.mode().float().cpu()
        errors[f"{case} encoded"] = goldens.error(made, latent)
        decoded = vae.decode(latent.to(setting.device)).sample.float().cpu()
        errors[f"{case} decoded"] = goldens.error(decoded, golden[f"{case}/decoded"])
    return _judged(errors, dtype)


def _eight_layers(setting: Setting) -> Record:
    """The original's stored fp8 layers: within one bfloat16 unit, nearly all equal."""
    found: Record = {}
    for kind in ("per_tensor", "per_channel"):
        golden = {
            key.partition("/")[2]: value
            for key, value in goldens.read_tensors("fp8_linear").items()
            if kind in key
        }
        layer = Fp8Linear(48, 32, smooth=kind == "per_channel")
        layer.load_state_dict({k: v for k, v in golden.items() if k not in ("x", "out")})
        made = layer.to(setting.device)(golden["x"].to(setting.device)).float().cpu()
        wanted = golden["out"].float()
        units = (made - wanted).abs() / (2**-7 * wanted.abs()).clamp(min=1e-12)
        found[kind] = {"equal": float((made == wanted).float().mean()), "units": float(units.max())}
    found["passed"] = all(kind["units"] <= 1 for kind in found.values())
    return found


def _eight_network(setting: Setting) -> Record:
    """A quantised network on the device against the same one on the host."""
    base = deeper(goldens.transformer("dit_b", torch.bfloat16))
    call = goldens.Call("dit_b", "three")
    network = quantized_network(base, call)
    wanted, full = call.run(network), call.run(base)
    moved = _Call("dit_b", "three", setting.device)
    made = moved.run(network.to(setting.device)).float().cpu()
    rounding = goldens.error(wanted, full)
    off = goldens.error(made, wanted)
    return {"device_against_host": off, "fp8_against_bfloat16": rounding, "passed": off < rounding}
