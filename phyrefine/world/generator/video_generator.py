"""The embedded video generator: a tiny learned model, from a prefix and a prompt to a clip."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from phyrefine.errors import InvalidInputError
from phyrefine.types import Chunk, GeneratorProfile, Scenario, Shot
from phyrefine.video.clip import Clip
from phyrefine.video.delivery import deliver
from phyrefine.video.prefix import READING
from phyrefine.video.prefix import context as prefix_context
from phyrefine.world.generator.checkpoint import file_digest, load_network, weights_path
from phyrefine.world.generator.network import FPS, FRAMES, HEIGHT, WIDTH, Tokenizer, VideoNetwork
from phyrefine.world.generator.sampler import Sampling, chunk_seed, stream_rounds
from phyrefine.world.own_scenes import disclaimer

UInt8Array = NDArray[np.uint8]

PROMPT_WORDS = 120


class WorldModel:
    """The network with its words, ready to continue frames.

    Args:
        network: In evaluation mode.
    """

    def __init__(self, network: VideoNetwork) -> None:
        self.network = network
        self.tokenizer = Tokenizer(network.config.vocabulary)

    @classmethod
    def load(cls, variant: str = "truthful", dtype: torch.dtype = torch.float32) -> WorldModel:
        """Load shipped weights.

        Args:
            variant: ``"truthful"`` saw right physics only; ``"priors"`` also learned wrong
                outcomes for what a caption leaves out.
            dtype: Floating-point type to compute in.

        Raises:
            InvalidInputError: No such variant is shipped.
        """
        return cls(load_network(weights_path(variant), dtype))

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Encoded prompts ``[B, D]``; unknown words are passed over."""
        return self.network.encode(self.tokenizer(texts))

    def stream(
        self,
        context: UInt8Array,
        prompts: str | Sequence[str],
        *,
        seconds: float = 5.0,
        seed: int = 0,
        chunk_seeds: Sequence[int] = (),
        sampling: Sampling | None = None,
        accepted: UInt8Array | None = None,
    ) -> Iterator[UInt8Array]:
        """Yield the continuation of ``context`` in chunks of one second.

        Args:
            context: The prefix's last frames at 8 fps, uint8 ``[T, H, W, 3]``; height and width
                multiples of 8. The model was trained at 64x48 px.
            prompts: One prompt, or one for each chunk.
            seconds: Length of the whole continuation; the last chunk is cut to it.
            seed: Seed of the clip.
            chunk_seeds: A seed for each chunk instead of those derived from ``seed``.
            sampling: Steps and guidance.
            accepted: Finished frames of this continuation, whole chunks.

        Raises:
            InvalidInputError: Wrong sizes, or not one prompt or seed per chunk.
        """
        for (chunk,) in self.stream_many(
            context,
            prompts,
            seconds=seconds,
            seeds=[seed],
            chunk_seeds=chunk_seeds,
            sampling=sampling,
            accepted=None if accepted is None else accepted[None],
        ):
            yield chunk

    def stream_many(
        self,
        context: UInt8Array,
        prompts: str | Sequence[str],
        *,
        seconds: float = 5.0,
        seeds: Sequence[int] = (0,),
        chunk_seeds: Sequence[int] = (),
        sampling: Sampling | None = None,
        accepted: UInt8Array | None = None,
    ) -> Iterator[UInt8Array]:
        """As :meth:`stream` for several seeds at once: uint8 ``[B, T, H, W, 3]`` per chunk.

        Args:
            context: The prefix's last frames.
            prompts: One prompt, or one for each chunk.
            seconds: Length of the whole continuation.
            seeds: Seeds of the clips.
            chunk_seeds: A seed for each chunk, the same for all clips.
            sampling: Steps and guidance.
            accepted: Finished frames uint8 ``[B, n, H, W, 3]``, whole chunks.

        Raises:
            InvalidInputError: As :meth:`stream`.
        """
        frames = max(1, round(seconds * FPS))
        chunks = math.ceil(frames / FRAMES)
        texts = [prompts] * chunks if isinstance(prompts, str) else list(prompts)
        own = [
            list(chunk_seeds) or [chunk_seed(seed, index) for index in range(chunks)]
            for seed in seeds
        ]
        if len(texts) != chunks or any(len(each) != chunks for each in own):
            raise InvalidInputError(
                f"{seconds:g} s are {chunks} chunks; got {len(texts)} prompts and {len(own[0])} "
                "seeds. Give one for each chunk."
            )
        encoded = [self.encode([text]) for text in texts]
        made = 0 if accepted is None else accepted.shape[1]
        for chunk in stream_rounds(
            self.network,
            context,
            encoded,
            self.encode([""]),
            own,
            sampling or Sampling(),
            accepted,
        ):
            yield chunk[:, : frames - made]
            made += FRAMES


@functools.lru_cache(maxsize=4)
def _shared_model(variant: str, dtype: torch.dtype) -> WorldModel:
    return WorldModel.load(variant, dtype)


@functools.lru_cache(maxsize=4)
def _digest(variant: str) -> str:
    return file_digest(weights_path(variant))


def native_size(asked: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) the model works at: 48 px high, as wide as the asked shape needs."""
    width = round(HEIGHT * asked[1] / asked[0] / 8) * 8
    return HEIGHT, min(max(width, HEIGHT), 2 * HEIGHT)


@attrs.frozen
class WorldGenerator:
    """The embedded default as a streaming ``VideoGenerator``.

    Args:
        variant: Which weights; see ``WorldModel.load``. The path of a ``.safetensors`` file takes
            weights of your own.
        steps: Sampling steps when a shot asks for none.
        guidance: Weight of the prompt; a shot's ``options["guidance"]`` goes before it.
        dtype: Floating-point type to compute in.
        per_chunk: Ask the loop for a prompt for each second instead of one for all. Measured
            here, one prompt is as good or better.
        batch_size: Most candidates of one prompt that are made together; a few pixels then differ
            by one level of 255. A gain on several cores, none on one.
    """

    variant: str = "truthful"
    steps: int = 8
    guidance: float = 1.5
    dtype: torch.dtype = torch.float32
    per_chunk: bool = False
    batch_size: int = attrs.field(default=1, validator=attrs.validators.ge(1))

    @property
    def profile(self) -> GeneratorProfile:
        """8 fps, 64x48 px, one second of context; one prompt, or one for each second."""
        return GeneratorProfile(
            name=f"world-{Path(self.variant).stem}",
            fps=FPS,
            size=(HEIGHT, WIDTH),
            size_multiple=8,
            context_frames=FRAMES,
            dialect="world",
            prompt_words=PROMPT_WORDS,
            streaming=True,
            default_steps=self.steps,
            chunk_frames=FRAMES if self.per_chunk else None,
            needs_prefix=True,
        )

    @property
    def identity(self) -> str:
        """Weights and settings that change the output."""
        digest = _digest(self.variant)[:16]
        settings = f"steps={self.steps}:guidance={self.guidance:g}:context={READING}"
        batch = f":batch={self.batch_size}" if self.batch_size > 1 else ""
        return f"world:{self.variant}:{digest}:{settings}{batch}"

    def disclaimer(self, scenario: Scenario) -> str | None:
        """What a reader of a result must know; ``None`` for a scene of its own kind."""
        return disclaimer(scenario.prefix)

    def generate(self, shot: Shot) -> Clip:
        """Continue ``shot.prefix``; exactly the asked frames, size and rate, native ones kept.

        Raises:
            InvalidInputError: There is no prefix, or an unknown option.
        """
        made = [*shot.accepted, *(chunk.clip for chunk in self.stream(shot))]
        return self.deliver(shot, made)

    def stream(self, shot: Shot) -> Iterator[Chunk]:
        """Yield the native frames after ``shot.accepted``, a second at a time.

        Raises:
            InvalidInputError: There is no prefix, or an unknown option.
        """
        for (chunk,) in self.stream_many([shot]):
            yield chunk

    def batch_size_for(self, shot: Shot) -> int:
        """As many as were asked for: a clip takes little memory."""
        return self.batch_size

    def generate_many(self, shots: Sequence[Shot]) -> list[Clip]:
        """Clips of shots that differ only in their seed, made together.

        Raises:
            InvalidInputError: As :meth:`generate`.
        """
        rounds = [[chunk.clip for chunk in chunks] for chunks in self.stream_many(shots)]
        new = [[clips[at] for clips in rounds] for at in range(len(shots))]
        return [
            self.deliver(shot, [*shot.accepted, *clips])
            for shot, clips in zip(shots, new, strict=True)
        ]

    def stream_many(self, shots: Sequence[Shot]) -> Iterator[list[Chunk]]:
        """As :meth:`stream`, a chunk of every shot at a time; as many were accepted of each.

        Raises:
            InvalidInputError: As :meth:`stream`.
        """
        first, accepted = shots[0], None
        if first.accepted:
            accepted = np.stack(
                [np.concatenate([clip.frames for clip in shot.accepted]) for shot in shots]
            )
            if accepted.shape[1] >= round(first.seconds * FPS):
                return
        for batch in _shared_model(self.variant, self.dtype).stream_many(
            self._context(first),
            [prompt.text for prompt in first.chunk_prompts] or first.prompt.text,
            seconds=first.seconds,
            seeds=[shot.seed for shot in shots],
            chunk_seeds=first.chunk_seeds,
            sampling=self._sampling(first),
            accepted=accepted,
        ):
            yield [Chunk(Clip(frames, FPS, source=self.profile.name)) for frames in batch]

    def deliver(self, shot: Shot, chunks: Sequence[Clip]) -> Clip:
        """The delivered clip made of all native chunks, with ``native`` kept."""
        frames = np.concatenate([chunk.frames for chunk in chunks])
        native = Clip(frames, FPS, source=self.profile.name)
        size = shot.size or (shot.prefix.size if shot.prefix is not None else native.size)
        # Stretched as the context was squeezed, so that nothing jumps at the seam.
        return deliver(native, frames=shot.frames, fps=shot.fps, size=size, mode="stretch")

    def _context(self, shot: Shot) -> UInt8Array:
        if shot.prefix is None:
            raise InvalidInputError(
                "The embedded generator continues a prefix and cannot start from text alone. "
                "Give the scenario a prefix (one frame is enough)."
            )
        height, width = native_size(shot.size or shot.prefix.size)
        clip = prefix_context(shot.prefix, fps=FPS, frames=FRAMES)
        return clip.resize(height, width, mode="stretch").frames

    def _sampling(self, shot: Shot) -> Sampling:
        unknown = set(shot.options) - {"guidance"}
        if unknown:
            raise InvalidInputError(
                f"Unknown options {sorted(unknown)} for the embedded generator: use 'guidance'."
            )
        return Sampling(
            steps=shot.steps or self.steps,
            guidance=float(shot.options.get("guidance", self.guidance)),
        )
