"""MAGI-1 in this process: continues the prefix's last three seconds, chunk by chunk.

On the command line ``--generator magi:PATH`` or ``magi:PATH#VARIANT``; in Python::

    generator = MagiGenerator.from_pretrained("MAGI-1", variant="4.5B_base")
    generator = MagiGenerator(pipeline)  # around a MagiPipeline of your own
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from attrs import asdict, define, field
from numpy.typing import NDArray

from phyrefine.backends.continuing import fitting
from phyrefine.backends.continuing.attention import process_attention
from phyrefine.backends.continuing.chunking import frames_needed
from phyrefine.backends.continuing.fingerprint import fingerprint
from phyrefine.backends.continuing.rehearsal import random_weights
from phyrefine.backends.magi.accepted import check_accepted
from phyrefine.backends.magi.faults import explained
from phyrefine.backends.magi.loading import NEEDS, load_pipeline
from phyrefine.backends.magi.settings import sampling_changes
from phyrefine.errors import (
    GenerationError,
    InvalidInputError,
    PhyrefineError,
)
from phyrefine.registry import Backend
from phyrefine.types import JSON, Chunk, FrameGrid, GeneratorProfile, Scenario, Shot
from phyrefine.video.clip import Clip

if TYPE_CHECKING:
    from phyrefine.magi.config import SamplingConfig
    from phyrefine.magi.pipeline import MagiPipeline
    from phyrefine.magi.request import Request

__all__ = ["BACKEND", "MagiGenerator"]

log = logging.getLogger(__name__)

DEFAULT_MODEL = "sand-ai/MAGI-1"
SIZE_MULTIPLE = 16
CONTEXT_FRAMES = 72
LATENT_FRAMES = 4


class _CancelledError(Exception):
    """Raised between denoising steps when the user's event is set."""


@define(eq=False)
class MagiGenerator:
    """Continues a prefix, animates an image or starts from text, in chunks of 24 frames.

    A prefix of one frame is an image; a longer one is a video, of which the last
    ``prefix_frames`` at 24 fps condition the model. Delivered frames are new ones only.

    Attributes:
        pipeline: A `phyrefine.magi.pipeline.MagiPipeline`.
        size: (height, width) to work at, multiples of 16; by default the variant's area in the
            prefix's aspect.
        steps: Denoising steps per chunk when the shot names none; by default the variant's.
        prefix_frames: Longest prefix the model sees, in frames at 24 fps; a multiple of 4.
        fit: How the prefix's picture fills the model's frame: ``"pad"``, ``"stretch"``, ``"crop"``
            (see :class:`~phyrefine.backends.continuing.fitting.Fit`).
        options: Sampling settings for every call; a shot's ``options`` go before them.
        cancel: Set this event to stop after the current denoising step. Clear it to go on.
        steps_done: Denoising steps of all calls so far.
    """

    pipeline: MagiPipeline
    size: tuple[int, int] | None = field(default=None, kw_only=True)
    steps: int | None = field(default=None, kw_only=True)
    prefix_frames: int = field(default=CONTEXT_FRAMES, kw_only=True)
    fit: fitting.FitMode = field(default="pad", kw_only=True)
    options: Mapping[str, JSON] = field(factory=dict, kw_only=True)
    cancel: threading.Event = field(factory=threading.Event, kw_only=True)
    steps_done: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        if self.size is not None and any(side % SIZE_MULTIPLE for side in self.size):
            raise InvalidInputError(
                f"MAGI-1 needs a height and width divisible by {SIZE_MULTIPLE}, not "
                f"size={self.size}."
            )
        if self.prefix_frames < LATENT_FRAMES or self.prefix_frames % LATENT_FRAMES:
            raise InvalidInputError(
                f"prefix_frames must be a multiple of 4 from 4 on, not {self.prefix_frames}."
            )
        self._sampling.evolve(num_steps=self.steps, **self._changes({}))

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path = DEFAULT_MODEL,
        *,
        variant: str | None = None,
        dtype: Any = None,
        device: Any = None,
        devices: int | None = None,
        vae_device: Any = None,
        memory: Literal["fast", "balanced", "low"] | Any = "fast",
        vae: str | Path | None = None,
        text_encoder: str | Path | None = None,
        special_tokens: str | Path | None = None,
        text: Any = None,
        quirks: Any = None,
        text_dtype: Any = "float32",
        text_device: Any = "cpu",
        text_cache: str | Path | None = None,
        revision: str | None = None,
        token: str | None = None,
        **settings: Any,
    ) -> Self:
        """Load weights in any layout that users of MAGI-1 have.

        Args:
            path: A folder in any layout of `phyrefine.magi.weights.places`, an official
                configuration file, or an id on the Hugging Face hub.
            variant: ``4.5B_base``, ``4.5B_distill``, ``4.5B_distill_quant``, ``24B_...``; may be
                left out when the folder holds one.
            dtype: ``"bfloat16"``, ``"float16"``, ``"float32"`` or a ``torch.dtype``; by default
                bfloat16 on a GPU and float32 on the CPU.
            device: By default CUDA, else the CPU.
            devices: Over how many GPUs every chunk is split; see `MagiPipeline.from_pretrained`.
            vae_device: Where the autoencoder runs, if not with the transformer.
            memory: ``fast``, ``balanced``, ``low``, or a `phyrefine.magi.weights.memory.Memory`.
            vae: Folder of the autoencoder, if it does not lie with the weights.
            text_encoder: Folder of the text encoder, likewise.
            special_tokens: ``special_tokens.npz`` of the release, if not beside the weights;
                ``"fetch"`` fetches it, which a model from the hub does by itself.
            text: `phyrefine.magi.text.captions.TextOptions`; by default the release's.
            quirks: `phyrefine.magi.media.Quirks`, or ``"original"`` for all of them.
            text_dtype: Dtype of the text encoder.
            text_device: Where it runs.
            text_cache: Folder for text features of prompts seen before.
            revision: Revision on the hub.
            token: Access token for the hub.
            **settings: Settings of the generator.

        Raises:
            ModelNotFoundError: No such folder, and no such model on the hub.
            InvalidInputError: A part is missing or does not fit, or a wrong setting.
            MissingDependencyError: A package it needs is not installed.
        """
        pipeline = load_pipeline(
            path,
            variant=variant,
            dtype=dtype,
            device=device,
            devices=devices,
            vae_device=vae_device,
            memory=memory,
            vae=vae,
            text_encoder=text_encoder,
            special_tokens=special_tokens,
            text=text,
            quirks=quirks,
            text_dtype=text_dtype,
            text_device=text_device,
            text_cache=text_cache,
            revision=revision,
            token=token,
        )
        if pipeline.quirks.stretch:
            settings.setdefault("fit", "stretch")
        return cls(pipeline, **settings)

    # -- facts ---------------------------------------------------------------------------------

    @property
    def profile(self) -> GeneratorProfile:
        """24 fps, whole chunks, the prefix's last three seconds, a prompt per chunk."""
        sampling = self._sampling
        return GeneratorProfile(
            name=f"magi-{self.pipeline.variant.name}",
            fps=sampling.fps,
            size=self._native_size,
            size_multiple=SIZE_MULTIPLE,
            grid=FrameGrid(multiple=LATENT_FRAMES * sampling.chunk_width, least=1),
            context_frames=self.prefix_frames,
            dialect="per_chunk",
            prompt_tokens=self._prompt_tokens,
            streaming=True,
            default_steps=self.steps or sampling.num_steps,
            chunk_frames=LATENT_FRAMES * sampling.chunk_width,
            chunks_from_prefix=True,
        )

    @functools.cached_property
    def identity(self) -> str:
        """Variant, a digest of configuration and weights, and every setting that matters."""
        pipe = self.pipeline
        parts = {
            "transformer": pipe.transformer,
            "vae": pipe.vae,
        }
        tokens = pipe.special_tokens
        switches = {
            "sampling": asdict(self._sampling),
            "text": asdict(pipe.text),
            "text_encoder": pipe.text_encoder.identity,
            "quirks": asdict(pipe.quirks),
            "savings": asdict(pipe.memory.savings),
            "special_tokens": None if tokens is None else tokens.digest,
            "tiling": repr(pipe.vae.tiling),
        }
        if attention := process_attention():
            switches["attention"] = attention
        weights = fingerprint(SimpleNamespace(config=switches, components=parts))
        settings = {
            "size": self.size,
            "steps": self.steps,
            "prefix_frames": self.prefix_frames,
            "fit": self.fit,
            "options": dict(self.options),
        }
        return f"magi:{pipe.variant.name}:{weights}:{json.dumps(settings, sort_keys=True)}"

    def refresh_identity(self) -> None:
        """Look at the weights again; runs do so when they begin and before each clip."""
        with contextlib.suppress(AttributeError):
            del self.identity

    def disclaimer(self, scenario: Scenario) -> str | None:
        """That the weights are random, where they are; for reports."""
        return random_weights(self.profile.name, self.pipeline.transformer)

    @property
    def _sampling(self) -> SamplingConfig:
        return self.pipeline.variant.sampling

    @property
    def _native_size(self) -> tuple[int, int]:
        return self.size or (self._sampling.height, self._sampling.width)

    @property
    def _prompt_tokens(self) -> int:
        tokens, text = self.pipeline.special_tokens, self.pipeline.text
        leading = 0 if tokens is None else len(tokens.leading(text, 1))
        return self.pipeline.text_encoder.max_length - leading

    # -- generating ----------------------------------------------------------------------------

    def generate(self, shot: Shot) -> Clip:
        """Exactly the frames the shot asks for; see the protocol.

        Raises:
            VideoError: The prefix has more than one frame, but fewer than four at 24 fps.
            InvalidInputError: An option is unknown, or accepted chunks do not fit.
            GeneratorMemoryError: The device is out of memory; says what needs less.
            GenerationError: The model failed or was cancelled.
        """
        return self.deliver(shot, [*shot.accepted, *(chunk.clip for chunk in self.stream(shot))])

    def stream(self, shot: Shot) -> Iterator[Chunk]:
        """Native chunks after the accepted ones; errors as :meth:`generate`.

        Prompts and seeds of ``chunk_prompts`` and ``chunk_seeds`` go to the chunks in order; the
        last prompt holds for the rest, later seeds follow from ``shot.seed``. Up to four chunks
        are denoised at once, so after an accepted chunk another prompt or seed changes what is
        still in flight less than what has not begun.
        """
        fit = self._fit_of(shot)
        request = self._request(shot, fit)
        window = self._sampling.evolve(**self._changes(shot.options)).window_size
        check_accepted(shot, fit, window)
        made = sum(len(clip) for clip in shot.accepted)
        if made >= frames_needed(shot, self._sampling.fps):
            return
        repeated = LATENT_FRAMES if request.prefix is not None and len(request.prefix) == 1 else 0
        for chunk in self._run(request):
            # The first latent after an image is the image itself.
            frames = chunk.frames[repeated if chunk.index == 0 else 0 :]
            yield Chunk(Clip(fit.take(frames), self._sampling.fps), chunk.state)

    def deliver(self, shot: Shot, chunks: Sequence[Clip]) -> Clip:
        """The delivered clip made of all native chunks.

        Raises:
            VideoError: The chunks are too short.
        """
        frames = np.concatenate([chunk.frames for chunk in chunks])
        native = Clip(frames, self._sampling.fps, source=self.profile.name)
        fit = self._fit_of(shot)
        return fit.deliver(native, frames=shot.frames, fps=shot.fps, size=shot.size)

    def _run(self, request: Request) -> Iterator[Any]:
        def on_step(_: Any) -> None:
            self.steps_done += 1
            if self.cancel.is_set():
                raise _CancelledError

        if self.cancel.is_set():
            raise GenerationError("Cancelled before the first step.", provider="magi")
        try:
            yield from self.pipeline.stream(request, on_step=on_step)
        except _CancelledError:
            raise GenerationError(
                f"Cancelled after {self.steps_done} denoising steps in all.", provider="magi"
            ) from None
        except PhyrefineError:
            raise
        except Exception as error:
            raise explained(error, self.pipeline.variant.name) from error

    def _request(self, shot: Shot, fit: fitting.Fit) -> Request:
        from phyrefine.magi.request import Request

        fps = self._sampling.fps
        needed = frames_needed(shot, fps)
        prompts = [prompt.text for prompt in shot.chunk_prompts] or [shot.prompt.text]
        self._warn_of_cut_prompts(prompts)
        return Request(
            prompts,
            prefix=self._prefix(shot, fit),
            prefix_fps=fps,
            prefix_frames=self.prefix_frames,
            # A latent holds four frames, and the model rounds down.
            num_frames=-(-needed // LATENT_FRAMES) * LATENT_FRAMES,
            height=fit.size[0],
            width=fit.size[1],
            num_inference_steps=shot.steps or self.steps,
            seed=shot.seed,
            chunk_seeds=shot.chunk_seeds,
            sampling=self._changes(shot.options),
            resume=shot.state if shot.accepted else None,
        )

    def _prefix(self, shot: Shot, fit: fitting.Fit) -> NDArray[np.uint8] | None:
        from phyrefine.magi.media import prefix_frames

        if shot.prefix is None:
            return None
        # Picked before they are resized: a long prefix costs no more than a short one.
        picked = prefix_frames(
            shot.prefix.frames,
            shot.prefix.fps,
            fps=self._sampling.fps,
            size=shot.prefix.size,
            quirks=self.pipeline.quirks,
            most=self.prefix_frames,
        )
        return fit.put(picked)

    def _fit_of(self, shot: Shot) -> fitting.Fit:
        picture = shot.prefix.size if shot.prefix is not None else shot.size
        size = fitting.model_size(
            self._native_size, picture, multiple=SIZE_MULTIPLE, fixed=self.size is not None
        )
        if shot.prefix is None:
            return fitting.Fit.of(size, size, "crop")
        return fitting.Fit.of(shot.prefix.size, size, self.fit)

    def _changes(self, options: Mapping[str, JSON]) -> dict[str, Any]:
        return sampling_changes({**self.options, **options})

    def _warn_of_cut_prompts(self, prompts: Sequence[str]) -> None:
        tokenizer, most = self.pipeline.text_encoder.tokenizer, self._prompt_tokens
        for text in dict.fromkeys(prompts):
            # A token is at least one character: short prompts need no count.
            count = len(tokenizer(text)["input_ids"]) if len(text) >= most else 0
            if count > most:
                log.warning(
                    "The prompt has %d tokens; MAGI-1 reads the first %d. Shorten it.", count, most
                )


def _make(model: str | None, **options: Any) -> MagiGenerator:
    # One string on the command line names folder and variant: magi:PATH#4.5B_distill.
    path, _, variant = (model or DEFAULT_MODEL).partition("#")
    if variant:
        options = {"variant": variant, **options}
    return MagiGenerator.from_pretrained(path, **options)


BACKEND = Backend(
    name="magi",
    summary="MAGI-1 in this process: continues the last 72 frames, chunk by chunk",
    extra="magi",
    needs=NEEDS,
    generator=_make,
    options_from={"generator": (MagiGenerator.from_pretrained, MagiGenerator)},
)
