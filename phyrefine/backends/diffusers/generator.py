"""Video generators on diffusers: any pipeline that can continue a prefix, in this process.

On the command line ``--generator diffusers:THUDM/CogVideoX-5b-I2V``; in Python::

    generator = DiffusersVideoGenerator.from_pretrained("THUDM/CogVideoX-5b-I2V")
    generator = DiffusersVideoGenerator(pipe)  # around a pipeline of your own
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Self

from attrs import define, evolve, field

from phyrefine.backends.continuing import fitting
from phyrefine.backends.continuing.attention import process_attention
from phyrefine.backends.continuing.fingerprint import fingerprint
from phyrefine.backends.continuing.rehearsal import random_weights
from phyrefine.backends.diffusers import batching, continuation, memory, passes, pipelines
from phyrefine.backends.diffusers.estimates import estimate_memory
from phyrefine.backends.diffusers.families import table as families
from phyrefine.backends.diffusers.families.spec import FamilySpec
from phyrefine.backends.diffusers.families.table import list_families
from phyrefine.backends.diffusers.memory import choose_device
from phyrefine.errors import InvalidInputError
from phyrefine.registry import Backend
from phyrefine.types import JSON, Chunk, GeneratorProfile, Scenario, Shot
from phyrefine.video.clip import Clip
from phyrefine.video.prefix import READING

__all__ = [
    "BACKEND",
    "CogVideoXGenerator",
    "DiffusersVideoGenerator",
    "estimate_memory",
    "list_families",
]


@define(eq=False)
class DiffusersVideoGenerator:
    """Continues a prefix with a diffusers pipeline, chunk by chunk.

    Each pass of the pipeline is conditioned on the newest frames there are, the real prefix
    first. Frames that repeat the context are dropped, and the picture keeps the prefix's place and
    scale. A call leaves the pipeline's scheduler, and the global state of torch and diffusers, as
    they were.

    The identity is a digest of the pipeline as it is: every byte of its weights, adapters, hooks,
    attention processors and settings are looked at again before each clip, so that a change is
    never answered with a stored clip. That reads all weights: 28 GB take some 8 s on one CPU
    thread, and less where a GPU reads them. A ``label`` of yours stands for all of that instead.

    Attributes:
        pipe: A diffusers pipeline on its device.
        family: A row of one's own, for a pipeline that is not in the table, or the name of a row,
            where a checkpoint fits several (text-to-video beside image-to-video).
        size: (height, width) to work at; by default the family's area in the prefix's aspect.
        num_frames: Longest pass; fewer need less memory and make more chunks.
        context_frames: Most context frames; by default as many as the family uses.
        steps: Denoising steps when the shot names none.
        guidance_scale: Guidance; by default the family's.
        fit: How the prefix's picture fills the model's frame: ``"pad"``, ``"stretch"``, ``"crop"``
            (see :class:`~phyrefine.backends.continuing.fitting.Fit`).
        color_match: 0 to 1: how far the context of later chunks is moved to the prefix's colors.
            The move fades in over each chunk, so that no join shows a step.
        crossfade: New frames over which the decoder's offset at each join is faded out.
        batch_size: Most seeds in one call of the pipeline, where the family can; ``"auto"`` takes
            as many as the memory estimate says fit. See :meth:`batch_size_for`.
        attention: Attention backend of diffusers during calls.
        step_down: When the device is out of memory, go on in the next memory mode.
        memory_mode: Mode the pipeline was loaded in; ``None`` for a pipeline of one's own.
        device: Where it was loaded to; ``None`` for a pipeline of one's own.
        options: Further arguments of the pipeline for every call; JSON values.
        label: A name for the pipeline in its present state, such as ``"wan 2.2, my LoRA at 0.8"``.
            Stored clips are then found by the label, and nothing is looked at: change it whenever
            you change the pipeline.
        cancel: Set this event to stop: after the current denoising step where the pipeline calls
            back, else before the next chunk. Clear it to go on.
    """

    pipe: Any
    family: FamilySpec | str | None = field(default=None, kw_only=True)
    size: tuple[int, int] | None = field(default=None, kw_only=True)
    num_frames: int | None = field(default=None, kw_only=True)
    context_frames: int | None = field(default=None, kw_only=True)
    steps: int | None = field(default=None, kw_only=True)
    guidance_scale: float | None = field(default=None, kw_only=True)
    fit: fitting.FitMode = field(default="pad", kw_only=True)
    color_match: float = field(default=0.0, kw_only=True)
    crossfade: int = field(default=0, kw_only=True)
    batch_size: int | Literal["auto"] = field(default=1, kw_only=True)
    attention: str | None = field(default=None, kw_only=True)
    step_down: bool = field(default=False, kw_only=True)
    memory_mode: memory.MemoryMode | None = field(default=None, kw_only=True)
    device: Any = field(default=None, kw_only=True)
    options: Mapping[str, JSON] = field(factory=dict, kw_only=True)
    label: str | None = field(default=None, kw_only=True)
    cancel: threading.Event = field(factory=threading.Event, kw_only=True)
    spec: FamilySpec = field(init=False)
    runner: passes.Runner = field(init=False, repr=False)
    _continuation: continuation.Continuation = field(init=False, repr=False)
    _looked: str | None = field(default=None, init=False, repr=False)
    _batches: batching.BatchSize = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        given = _row(self.family)
        row = given.adapt(self.pipe, given) if given else None
        self.spec = self._own_spec(row or families.of(self.pipe))
        self.spec.check(self.pipe)
        self.runner = passes.Runner(
            self.pipe,
            self.spec,
            self.spec.size,
            self.cancel,
            attention=self.attention,
            mode=self.memory_mode,
            device=self.device,
            step_down=self.step_down,
            guidance=self.spec.guidance,
        )
        self.runner.check_options(self.options)
        self._batches = batching.BatchSize(self.batch_size, self.spec, self.runner)
        self._continuation = continuation.Continuation(
            self.spec, self.runner, self.fit, self.color_match, self.crossfade, self.options
        )

    @classmethod
    def from_pretrained(
        cls,
        id_or_path: str,
        *,
        dtype: Any = None,
        device: Any = None,
        revision: str | None = None,
        memory: memory.MemoryMode = "fast",
        fp8: bool = False,
        loras: Mapping[str, float] | None = None,
        share: bool = True,
        load_options: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Self:
        """Load a checkpoint; generators of one process share it.

        Args:
            id_or_path: Hub id, or a folder with a ``model_index.json``.
            dtype: ``"bfloat16"``, ``"float16"``, ``"float32"`` or a ``torch.dtype``; by default
                the best the family and the device both know (float32 on the CPU).
            device: By default CUDA, else Apple's GPU, else the CPU.
            revision: Hub revision.
            memory: ``"fast"``, ``"balanced"`` or ``"tight"``, see
                :func:`~phyrefine.backends.diffusers.memory.apply_mode`.
            fp8: Keep the denoiser's weights in 8-bit floats.
            loras: LoRAs to load and how strongly each acts: ``{"path or hub id": 0.8}``; needs
                the package peft. They belong to this generator alone.
            share: Whether generators of the same checkpoint in this process may use one pipeline.
                Pass ``False`` before you change it, with a LoRA for example.
            load_options: Further arguments of diffusers' ``from_pretrained``, for example
                ``quantization_config``, ``variant`` or ``safety_checker``.
            **settings: Settings of the generator.

        Raises:
            ModelNotFoundError: No such checkpoint.
            InvalidInputError: A pipeline that cannot continue a prefix, or a wrong setting.
            MissingDependencyError: diffusers, or a package the pipeline needs, is not installed.
        """
        where = choose_device(device)
        wanted = pipelines.Wanted(
            id_or_path,
            dtype=dtype,
            device=where,
            revision=revision,
            mode=memory,
            fp8=fp8,
            size=settings.get("size"),
            spec=_row(settings.get("family")),
            options=load_options or {},
            loras=loras or {},
            # Stepping down changes where weights live, which other generators would feel.
            shared=share and not settings.get("step_down", False),
        )
        made = cls(pipelines.load(wanted), memory_mode=memory, device=where, **settings)
        pipelines.share(made)
        return made

    # -- facts ---------------------------------------------------------------------------------

    @property
    def profile(self) -> GeneratorProfile:
        """What it can do."""
        spec = self.spec
        return GeneratorProfile(
            name=pipelines.source_of(self.pipe),
            fps=spec.fps,
            size=spec.size,
            size_multiple=spec.size_multiple,
            grid=spec.grid,
            context_frames=spec.contexts[0],
            dialect=spec.dialect,
            prompt_tokens=spec.prompt_tokens,
            prompt_words=spec.prompt_words,
            negative_prompt=spec.negative_prompt and spec.guided,
            streaming=True,
            default_steps=spec.steps,
            chunk_frames=spec.chunk_frames,
            needs_prefix=spec.needs_prefix,
        )

    @property
    def identity(self) -> str:
        """Family, a digest of the pipeline, and every setting that changes frames.

        The digest is that of the last look; see :meth:`refresh_identity`.
        """
        if self._looked is None:
            self.refresh_identity()
        spec = self.spec
        settings = {
            "size": [*spec.size, spec.fixed_size],
            "fps": spec.fps,
            "frames": [spec.grid.least, spec.grid.most],
            "contexts": spec.contexts,
            "reading": READING,
            "steps": spec.steps,
            "guidance": spec.guidance,
            "fit": self.fit,
            "color_match": self.color_match,
            "crossfade": self.crossfade,
            "batch_size": self.batch_size,
            "attention": self.attention or process_attention(),
            "memory": [self.memory_mode, self.step_down],
            "options": dict(self.options),
        }
        return f"diffusers:{spec.name}:{self._looked}:{json.dumps(settings, sort_keys=True)}"

    def disclaimer(self, scenario: Scenario) -> str | None:
        """That the weights are random, where they are; for reports."""
        denoiser = getattr(self.pipe, "transformer", None) or getattr(self.pipe, "unet", None)
        return None if denoiser is None else random_weights(self.profile.name, denoiser)

    def refresh_identity(self) -> None:
        """Look at the pipeline again; runs do so when they begin and before each clip.

        Raises:
            InvalidInputError: Something attached to the pipeline cannot be told from other things
                of its kind, or the pipeline is shared and another generator's owner changed it.
        """
        if self.label is not None:
            self._looked = f"label {self.label}"
            return
        with pipelines.lock_of(self.pipe):
            self._looked = fingerprint(self.pipe)
        pipelines.check_unchanged(self, self._looked)

    def _own_spec(self, spec: FamilySpec) -> FamilySpec:
        if self.size is not None:
            if spec.own_size is not None:
                raise InvalidInputError(
                    f"{spec.name} chooses its size from the prefix's aspect: leave size out."
                )
            if any(side % spec.size_multiple for side in self.size):
                raise InvalidInputError(
                    f"{spec.name} needs a height and width divisible by {spec.size_multiple}, not "
                    f"size={self.size}."
                )
            spec = evolve(spec, size=self.size, fixed_size=True)
        if self.num_frames is not None:
            spec = spec.shorter(self.num_frames)
        if self.context_frames is not None:
            kept = tuple(k for k in spec.contexts if k <= self.context_frames)
            if not kept:
                raise InvalidInputError(
                    f"{spec.name} takes {', '.join(map(str, spec.contexts))} context frames; "
                    f"context_frames={self.context_frames} is too few."
                )
            spec = evolve(spec, contexts=kept)
        if self.attention is not None and not spec.dispatches_attention:
            raise InvalidInputError(
                f"{spec.name} has attention of its own: attention={self.attention!r} would do "
                "nothing."
            )
        if not 0 <= self.color_match <= 1 or self.crossfade < 0:
            raise InvalidInputError(
                f"color_match must be 0 to 1 and crossfade 0 or more, not {self.color_match} and "
                f"{self.crossfade}."
            )
        guidance = spec.guidance if self.guidance_scale is None else self.guidance_scale
        return evolve(spec, steps=self.steps or spec.steps, guidance=guidance)

    def count_tokens(self, text: str) -> int:
        """Tokens of a prompt by the pipeline's own tokenizer; the rewriter keeps to the limit.

        Without a tokenizer an estimate: four characters a token.
        """
        count = self.runner.tokens.count(text)
        return -(-len(text) // 4) if count is None else count

    # -- generating ----------------------------------------------------------------------------

    def generate(self, shot: Shot) -> Clip:
        """Exactly the frames the shot asks for; see the protocol.

        Raises:
            InvalidInputError: The prefix is missing or too short, or an option is unknown.
            GeneratorMemoryError: The device is out of memory; says what needs less.
            GenerationError: The pipeline failed or was cancelled.
        """
        return self.deliver(shot, [*shot.accepted, *(chunk.clip for chunk in self.stream(shot))])

    def batch_size_for(self, shot: Shot) -> int:
        """Seeds in one call of the pipeline, for shots like this one.

        With ``batch_size="auto"`` as many as fit into the memory that is free when the first shot
        of its size and length comes. Once memory ran out it is half of what did not fit.
        """
        return self._batches.fitting(shot, self._continuation.fit_of(shot).size)

    def generate_many(self, shots: Sequence[Shot]) -> list[Clip]:
        """Clips of several shots; those that differ only in their seed share calls.

        Needs ``batch_size`` above 1 and a family that batches; else one after the other. Frames
        of a batch may differ from those made alone by rounding. When memory runs out, a call is
        halved, down to one seed; only then the memory mode steps down, where that is allowed.
        """
        clips: list[Clip] = []
        for group in batching.groups(shots, self.batch_size_for):
            made: list[list[Clip]] = [[] for _ in group]
            for chunks in self.stream_many(group):
                for clip_list, chunk in zip(made, chunks, strict=True):
                    clip_list.append(chunk.clip)
            clips += [
                self.deliver(shot, [*shot.accepted, *new])
                for shot, new in zip(group, made, strict=True)
            ]
        return clips

    def stream_many(self, shots: Sequence[Shot]) -> Iterator[list[Chunk]]:
        """Native chunks of shots that differ only in their seed, one of each at a time.

        As many chunks must be accepted of each. The state of a chunk says how many were made in
        the same call.
        """
        yield from self._continuation.stream(shots)

    def stream(self, shot: Shot) -> Iterator[Chunk]:
        """Native chunks after the accepted ones; errors as :meth:`generate`."""
        for (chunk,) in self.stream_many([shot]):
            yield chunk

    def deliver(self, shot: Shot, chunks: Sequence[Clip]) -> Clip:
        """The delivered clip made of all native chunks.

        Raises:
            VideoError: The chunks are too short.
        """
        return self._continuation.deliver(shot, chunks, source=self.profile.name)


class CogVideoXGenerator(DiffusersVideoGenerator):
    """CogVideoX: image-to-video 5B and 1.5, text-to-video 2B, 5B and 1.5."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not self.spec.name.startswith("cogvideox"):
            raise InvalidInputError(
                f"{type(self.pipe).__name__} is no CogVideoX pipeline: use DiffusersVideoGenerator."
            )

    @classmethod
    def from_pretrained(cls, id_or_path: str = "THUDM/CogVideoX-5b-I2V", **options: Any) -> Self:
        """Load CogVideoX; see :meth:`DiffusersVideoGenerator.from_pretrained`."""
        return super().from_pretrained(id_or_path, **options)


def _row(family: FamilySpec | str | None) -> FamilySpec | None:
    return families.named(family) if isinstance(family, str) else family


def _make(model: str | None, **options: Any) -> DiffusersVideoGenerator:
    if model is None:
        raise InvalidInputError(
            "Name a checkpoint: diffusers:THUDM/CogVideoX-5b-I2V, or a folder. "
            "'phyrefine generators' lists the families."
        )
    return DiffusersVideoGenerator.from_pretrained(model, **options)


BACKEND = Backend(
    name="diffusers",
    summary="Video generators on diffusers: CogVideoX, LTX, Wan, SkyReels, Cosmos and others",
    extra="diffusers",
    needs=("torch", "diffusers", "transformers", "accelerate", "PIL", "ftfy", "sentencepiece"),
    generator=_make,
    options_from={"generator": (DiffusersVideoGenerator.from_pretrained, DiffusersVideoGenerator)},
)
