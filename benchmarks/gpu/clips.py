"""Autoencoder at full size, whole clips through the sampler, and the two side by side."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import models
import torch
from models import SIZES
from steps import Measurement, Record, Setting

from phyrefine.magi.model.layout import Row
from phyrefine.magi.sampling.noise import chunk_noise
from phyrefine.magi.sampling.sampler import Sampler, Savings
from phyrefine.magi.text.captions import TextOptions, chunk_caption, null_caption, pack
from phyrefine.magi.vae.tiling import Tiling

VARIANT = "4.5B_distill"


def autoencoder_steps(setting: Setting) -> Iterator[Measurement]:
    """Encoding three seconds, decoding one, and decoding beside a pass of the network."""
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        name = str(dtype).removeprefix("torch.")
        for size in SIZES:
            yield f"decode 24 frames, {size}, {name}", partial(_decode, setting, size, dtype)
            if dtype == torch.bfloat16:
                yield f"encode 72 frames, {size}, {name}", partial(_encode, setting, size, dtype)
    for together in (1, 4, 16):
        yield (
            f"decode 24 frames, 480x832, {together} tiles at once",
            partial(_decode, setting, "480x832", torch.bfloat16, Tiling(together=together)),
        )
    yield "decode beside a pass, 480x832", partial(_beside, setting, "480x832")


def clip_steps(setting: Setting) -> Iterator[Measurement]:
    """A continuation of 72 frames by 48, 16 steps, distilled: sampler and autoencoder."""
    yield "sampler, 480x832, bfloat16", partial(_clip, setting, "480x832", Savings())
    yield "sampler, view by view", partial(_clip, setting, "480x832", Savings(pack=False))


def _decode(
    setting: Setting, size: str, dtype: torch.dtype, tiling: Tiling | None = None
) -> Record:
    vae = models.autoencoder(setting, dtype, setting.device)
    vae.enable_tiling(tiling)
    height, width = models.size_of(size, setting)
    latents = torch.randn(1, 16, 6, height // 8, width // 8, device=setting.device)

    def work() -> None:
        for _ in vae.decode_pieces(latents):
            pass

    found = setting.seconds(work) | setting.highest(work)
    return found | {"frames_per_s": 24 / found["s"]}


def _encode(setting: Setting, size: str, dtype: torch.dtype) -> Record:
    vae = models.autoencoder(setting, dtype, setting.device)
    frames = 24 if setting.tiny else 72
    pixels = torch.randn(1, 3, frames, *models.size_of(size, setting), device=setting.device)

    def work() -> None:
        for _ in vae.encode_pieces(pixels):
            pass

    return setting.seconds(work, repeats=1) | setting.highest(work)


def _beside(setting: Setting, size: str) -> Record:
    """Whether decoding on a stream of its own hides behind the network's pass."""
    found = models.variant(VARIANT, setting)
    network = models.transformer(found, torch.bfloat16, setting.device)
    vae = models.autoencoder(setting, torch.bfloat16, setting.device)
    pixels = models.size_of(size, setting)
    rows = [Row(0, 0.5, (0, 1), text=1), Row(1, 0.5, (0, 2), text=1)]
    inputs = models.latents(rows, pixels, setting.device)
    captions = models.captions(found, setting.device)
    latents = torch.randn(1, 16, 6, pixels[0] // 8, pixels[1] // 8, device=setting.device)
    stream = torch.cuda.Stream(setting.device) if setting.gpu else None

    def decode() -> None:
        with torch.cuda.stream(stream):
            for _ in vae.decode_pieces(latents):
                pass

    def denoise() -> None:
        network(inputs, rows, captions, None, 0.5)

    def both() -> None:
        decode()
        denoise()

    apart = [setting.seconds(work)["s"] for work in (decode, denoise)]
    together = setting.seconds(both)["s"]
    hidden = (sum(apart) - together) / min(apart)
    return {"decode_s": apart[0], "pass_s": apart[1], "together_s": together, "hidden": hidden}


def _clip(setting: Setting, size: str, savings: Savings) -> Record:
    found = models.variant(VARIANT, setting)
    network = models.transformer(found, torch.bfloat16, setting.device)
    height, width = models.size_of(size, setting)
    sampling = found.sampling.evolve(num_steps=4 if setting.tiny else 16)
    shape = (sampling.chunk_width, height // 8, width // 8)
    draw = chunk_noise(0, 3, shape)
    null = null_caption(network.caption_embed.null_embedding.cpu(), TextOptions())
    options = TextOptions(hq=False, duration=False)
    features = torch.randn(models.PROMPT_TOKENS, found.model.caption_channels)
    mask = torch.ones(len(features), dtype=torch.int64)
    prompt = chunk_caption(features, mask, null, 1, options)
    finished: list[torch.Tensor] = []
    peaks = []

    def work() -> None:
        sampler = Sampler(
            network,
            sampling,
            num_frames=24 if setting.tiny else 48,
            noise=lambda chunk: draw(chunk).to(setting.device),
            captions=pack([null, prompt]),
            text_of=lambda _: 1,
            prefix=torch.randn(1, 16, 18, *shape[1:], device=setting.device),
            savings=savings,
        )
        finished.extend(chunk.latents for chunk in sampler.run())

    peaks.append(setting.highest(work))
    seconds = setting.seconds(work, repeats=1, warm=0)
    finite = all(bool(torch.isfinite(latents).all()) for latents in finished)
    return seconds | peaks[0] | {"chunks": len(finished) // 2, "finite": finite}
