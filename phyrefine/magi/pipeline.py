"""Text, an image or a video in, a video out: the pipeline around the sampler."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Self

import attrs
import numpy as np
import torch
from torch import Tensor

from phyrefine.errors import InvalidInputError
from phyrefine.magi.config import SamplingConfig, Variant, check_passes, config_sections
from phyrefine.magi.loading import Source, TextPlan, load_parts, places_of
from phyrefine.magi.media import (
    Quirks,
    UInt8Array,
    decode_frames,
    encode_prefix,
    prefix_frames,
)
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.ranks.leader import Leader
from phyrefine.magi.request import Request, VideoChunk
from phyrefine.magi.sampling.noise import chunk_noise
from phyrefine.magi.sampling.overlap import run_ahead
from phyrefine.magi.sampling.prefixes import PrefixMemory, digest_frames
from phyrefine.magi.sampling.sampler import FinishedChunk, Sampler
from phyrefine.magi.sampling.schedule import Step, chunk_count, step_intervals, step_size
from phyrefine.magi.sampling.state import pack_state, unpack_state
from phyrefine.magi.text.captions import (
    Caption,
    SpecialTokens,
    TextOptions,
    chunk_caption,
    null_caption,
    pack,
)
from phyrefine.magi.text.encoder import TextEncoder
from phyrefine.magi.vae.autoencoder import AutoencoderKLMagi
from phyrefine.magi.weights.fingerprint import fingerprint
from phyrefine.magi.weights.memory import Memory, Preset, memory_named
from phyrefine.magi.weights.places import PIPELINE_FILE, SPECIAL_TOKENS

_SIZE_MULTIPLE = 16
_RELEASE_TEXT = TextOptions()
_NO_QUIRKS = Quirks()


class MagiPipeline:
    """MAGI-1: continues a video, animates an image or makes a video from text.

    Args:
        transformer: The network.
        vae: The autoencoder.
        text_encoder: The text encoder.
        variant: Shape and sampling defaults.
        special_tokens: Tokens of the release; without them results differ from the release's.
        text: Which special tokens are used.
        quirks: Behaviors of the original to keep.
        memory: How memory is spent.
        device: Where the transformer runs.
    """

    def __init__(
        self,
        transformer: MagiTransformer3DModel,
        vae: AutoencoderKLMagi,
        text_encoder: TextEncoder,
        variant: Variant,
        *,
        special_tokens: SpecialTokens | None = None,
        text: TextOptions = _RELEASE_TEXT,
        quirks: Quirks = _NO_QUIRKS,
        memory: Preset | Memory = "fast",
        device: str | torch.device = "cpu",
    ) -> None:
        check_passes(variant.model, variant.sampling)
        self.transformer = transformer
        self.vae = vae
        self.text_encoder = text_encoder
        self.variant = variant
        self.special_tokens = special_tokens
        self.text = text
        self.quirks = quirks
        self.memory = memory_named(memory)
        self.device = torch.device(device)
        self.prefixes = PrefixMemory()
        self.leader: Leader | None = None
        transformer.max_tokens = self.memory.max_tokens
        if self.vae.tiling is None:
            self.vae.enable_tiling()
        if quirks.half_second_tiles and self.vae.tiling is not None:
            frames = variant.sampling.fps // 2
            self.vae.enable_tiling(attrs.evolve(self.vae.tiling, frames=frames))

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        *,
        variant: str | None = None,
        dtype: torch.dtype = torch.bfloat16,
        device: str | torch.device | None = None,
        devices: int | None = None,
        vae_device: str | torch.device | None = None,
        memory: Preset | Memory = "fast",
        vae: str | Path | None = None,
        text_encoder: str | Path | None = None,
        special_tokens: str | Path | None = None,
        text: TextOptions = _RELEASE_TEXT,
        quirks: Quirks = _NO_QUIRKS,
        text_dtype: torch.dtype = torch.float32,
        text_device: str | torch.device = "cpu",
        text_cache: str | Path | None = None,
        revision: str | None = None,
        token: str | None = None,
    ) -> Self:
        """Load the original checkpoint layout, or a folder from `save_pretrained`.

        Args:
            path: A folder in any layout of `phyrefine.magi.weights.places`, an official
                configuration file, or an id on the Hugging Face hub.
            variant: ``4.5B_base``, ``4.5B_distill``, ``4.5B_distill_quant``, ``24B_...``.
            dtype: Dtype of transformer and autoencoder: bfloat16 as the release, float16 or
                float32. What must stay float32 stays so.
            device: Where transformer and autoencoder run; by default the GPU if there is one.
            devices: Over how many devices every chunk is split, from the first GPU on; a process
                is started for each further one. By default one, or as many as ``torchrun``
                started. In its further processes this call never returns.
            vae_device: Where the autoencoder runs, if not with the transformer.
            memory: ``fast``, ``balanced``, ``low``, or a `Memory`.
            vae: Folder of the autoencoder, if it does not lie with the weights.
            text_encoder: Folder of the text encoder, likewise.
            special_tokens: ``special_tokens.npz`` of the release, if not beside the weights;
                ``"fetch"`` fetches it, which a model from the hub does by itself.
            text: Which special tokens are used.
            quirks: Behaviors of the original to keep.
            text_dtype: Dtype of the text encoder.
            text_device: Where it runs.
            text_cache: Folder for text features of prompts seen before.
            revision: Revision on the hub.
            token: Access token for the hub.

        Raises:
            InvalidInputError: A part is missing or does not fit the configuration.
            ModelNotFoundError: The special tokens were to be fetched, and cannot be.
        """
        target = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        places = places_of(target, devices, vae_device)
        plan = memory_named(memory)
        source = Source(path, variant, vae, text_encoder, special_tokens, revision, token)
        reading = TextPlan(text, text_dtype, text_device, text_cache)
        parts = load_parts(source, dtype, plan, places, reading)
        made = cls(
            *parts.models,
            parts.variant,
            special_tokens=parts.special_tokens,
            text=text,
            quirks=quirks,
            memory=plan,
            device=places.device,
        )
        made.leader = parts.leader
        return made

    def close(self) -> None:
        """Let the processes of further devices go; without them this does nothing."""
        if self.leader is not None:
            self.leader.close()

    def save_pretrained(self, path: str | Path, special_tokens: str | Path | None = None) -> None:
        """Save in diffusers' layout: transformer, autoencoder, text encoder, configuration."""
        root = Path(path)
        self.transformer.save_pretrained(root / "transformer")
        self.vae.save_pretrained(root / "vae")
        self.text_encoder.model.save_pretrained(root / "text_encoder")
        self.text_encoder.tokenizer.save_pretrained(root / "text_encoder")
        if special_tokens is not None:
            shutil.copyfile(special_tokens, root / SPECIAL_TOKENS)
        config = config_sections(self.variant.model, self.variant.sampling)
        note = {"variant": self.variant.name, "config": config}
        (root / PIPELINE_FILE).write_text(json.dumps(note, indent=1), encoding="utf-8")

    def __call__(
        self, request: Request, *, on_step: Callable[[Step], None] | None = None
    ) -> UInt8Array:
        """Make the whole video: uint8 [T, H, W, 3], the new frames only.

        Args:
            request: What to make.
            on_step: Called after every denoising step; an exception it raises stops the work.
        """
        return np.concatenate([chunk.frames for chunk in self.stream(request, on_step=on_step)])

    def stream(
        self, request: Request, *, on_step: Callable[[Step], None] | None = None
    ) -> Iterator[VideoChunk]:
        """Yield finished chunks; the next ones are denoised while one is decoded and used.

        Closing the iterator stops the work after the step under way.

        Args:
            request: What to make.
            on_step: See `__call__`; called on another thread.

        Raises:
            InvalidInputError: A size, a setting or a state that does not fit.
        """
        sampling = self._sampling(request)
        frames = self._prefix_frames(request, sampling)
        weights = fingerprint(self.transformer, self.vae)
        prefix, digest = self._prefix_latents(frames, sampling, weights)
        identity = self._identity(request, sampling, digest, weights)
        progress = None
        if request.resume is not None:
            progress = unpack_state(request.resume, identity, self.device)

        def denoise(check: Callable[[], None]) -> Iterator[FinishedChunk]:
            def each_step(step: Step) -> None:
                check()
                if on_step is not None:
                    on_step(step)

            sampler = self._sampler(request, sampling, prefix, f"{digest} {weights}", each_step)
            yield from sampler.run(progress)

        for chunk in run_ahead(denoise):
            latents = self._with_image(chunk, prefix)
            pieces = decode_frames(
                self.vae, latents, sampling.scale_factor, short_tail=self.quirks.short_tail
            )
            pixels = np.concatenate(list(pieces))
            state = pack_state(chunk.progress, identity)
            yield VideoChunk(chunk.index, pixels, chunk.latents, state)

    def _sampling(self, request: Request) -> SamplingConfig:
        sampling = self.variant.sampling.evolve(
            num_steps=request.num_inference_steps,
            height=request.height,
            width=request.width,
            **request.sampling,
        )
        check_passes(self.variant.model, sampling)
        for name in ("height", "width"):
            size = getattr(sampling, name)
            if size % _SIZE_MULTIPLE:
                raise InvalidInputError(f"{name} must be a multiple of 16, not {size}.")
        return sampling

    def _prefix_frames(self, request: Request, sampling: SamplingConfig) -> UInt8Array | None:
        if request.prefix is None:
            return None
        return prefix_frames(
            request.prefix,
            request.prefix_fps or sampling.fps,
            fps=sampling.fps,
            size=(sampling.height, sampling.width),
            quirks=self.quirks,
            most=request.prefix_frames,
        )

    def _prefix_latents(
        self, frames: UInt8Array | None, sampling: SamplingConfig, weights: str
    ) -> tuple[Tensor | None, str]:
        if frames is None:
            return None, ""
        digest = digest_frames(frames)
        scale = sampling.scale_factor
        make = partial(encode_prefix, self.vae, frames, scale)
        return self.prefixes.latents(f"{digest} {weights} {scale}", make).to(self.device), digest

    def _sampler(
        self,
        request: Request,
        sampling: SamplingConfig,
        prefix: Tensor | None,
        source: str,
        on_step: Callable[[Step], None],
    ) -> Sampler:
        spatial = self.vae.shape.patch_size
        shape = (sampling.chunk_width, sampling.height // spatial, sampling.width // spatial)
        first = 0 if prefix is None else prefix.shape[2] // sampling.chunk_width
        draw = chunk_noise(
            request.seed, first, shape, chunk_seeds=request.chunk_seeds, latents=request.latents
        )
        latent_frames = 0 if prefix is None else prefix.shape[2]
        chunks = chunk_count(request.num_frames, latent_frames, sampling.chunk_width)
        captions = pack(self._captions(request, chunks - first), keep=self.memory.savings.keep_text)
        sampler = Sampler(
            self.transformer,
            sampling,
            num_frames=request.num_frames,
            noise=lambda chunk: draw(chunk).to(self.device),
            captions=captions,
            text_of=lambda chunk: chunk - first + 1,
            prefix=prefix,
            savings=self.memory.savings,
            offload_cache=self.memory.offload_cache,
            perturb=request.perturb,
            on_step=on_step,
        )
        if first:
            key = self._cache_key(source, sampling)
            sampler.cache = self.prefixes.cache(key, sampler.prefix_cache)
        return sampler

    def _captions(self, request: Request, chunks: int) -> list[Caption]:
        """The null caption, then one for each new chunk."""
        embedding = self.transformer.caption_embed.null_embedding.detach().cpu()
        null = null_caption(embedding, self.text, self.special_tokens)
        prompts = [request.prompt] if isinstance(request.prompt, str) else list(request.prompt)
        if not prompts:
            raise InvalidInputError("Give a prompt, or one for each chunk.")
        encoded = {prompt: self.text_encoder.encode(prompt) for prompt in dict.fromkeys(prompts)}
        if self.memory.free_text_encoder:
            self.text_encoder.release()
        captions = [null]
        for place in range(chunks):
            features, mask = encoded[prompts[min(place, len(prompts) - 1)]]
            tokens = self.special_tokens
            left = chunks - place
            captions.append(chunk_caption(features, mask, null, left, self.text, tokens))
        return captions

    def _cache_key(self, source: str, sampling: SamplingConfig) -> tuple[str, ...]:
        """All that keys and values of prefix chunks hang on; ``source`` is pixels and weights."""
        told = None
        if self.variant.model.distilled:
            interval = step_intervals(sampling.num_steps, sampling.shortcut)[0]
            told = step_size(sampling.num_steps, interval)
        parts = (
            source,
            sampling.scale_factor,
            sampling.clean_time,
            sampling.clean_reach,
            sampling.noise_reach,
            sampling.window_size,
            sampling.chunk_width,
            self.text.negative,
            self.special_tokens and self.special_tokens.digest,
            told,
        )
        return tuple(map(str, parts))

    def _identity(
        self, request: Request, sampling: SamplingConfig, digest: str, weights: str
    ) -> dict[str, str]:
        """What a state must share with a request to go on: all but prompts and seeds."""
        perturb = {} if request.perturb is None else {"perturb": attrs.asdict(request.perturb)}
        return {
            "settings": json.dumps(attrs.asdict(sampling) | perturb, sort_keys=True),
            "frames": str(request.num_frames),
            "prefix": digest,
            "weights": f"{self.variant.name} {weights}",
        }

    def _with_image(self, chunk: FinishedChunk, prefix: Tensor | None) -> Tensor:
        """The latents to decode: after an image they begin with the image itself."""
        image = prefix is not None and prefix.shape[2] == 1 and chunk.index == 0
        if not image or self.quirks.drifted_image:
            return chunk.latents
        assert prefix is not None
        return torch.cat([prefix.to(chunk.latents), chunk.latents[:, :, 1:]], dim=2)
