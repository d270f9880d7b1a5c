"""One call of a diffusers pipeline: arguments, cancellation, and errors one can act on."""

from __future__ import annotations

import gc
import inspect
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import define, field, frozen

from phyrefine.backends.continuing.chunking import FloatArray
from phyrefine.backends.continuing.memory_faults import is_out_of_memory
from phyrefine.backends.diffusers import memory, modular, pipelines
from phyrefine.backends.diffusers.families.spec import FamilySpec
from phyrefine.backends.diffusers.tokens import Tokens, quiet
from phyrefine.errors import (
    GenerationError,
    GeneratorMemoryError,
    InvalidInputError,
    PhyrefineError,
)

log = logging.getLogger(__name__)

# What the loop itself decides; callers' options may not override it.
RESERVED = frozenset(
    "self prompt negative_prompt image images video mask conditions num_frames frames height width "
    "num_inference_steps generator output_type return_dict latents callback_on_step_end "
    "callback_on_step_end_tensor_inputs num_videos_per_prompt num_images_per_prompt".split()
)
# ... and what to do about those that people try most.
DECIDED = {
    "num_videos_per_prompt": "one call makes one clip of a prompt; pass several seeds instead",
    "num_images_per_prompt": "one call makes one clip of a prompt; pass several seeds instead",
    "callback_on_step_end": "it counts steps and cancels; set generator.cancel to stop a call",
    "num_inference_steps": "pass steps= to the generator or to Candidates",
    "num_frames": "pass num_frames= to the generator, and seconds to the scenario",
    "generator": "noise follows from the shot's seed",
    "negative_prompt": "it comes with the prompt; the rewriter writes it where it acts",
    "height": "pass size= to the generator",
    "width": "pass size= to the generator",
}
# Lists in a call for several seeds. Where all share the context, it is given once.
BATCHED = {
    "context": ("prompt", "negative_prompt", "image"),
    "noise": ("prompt", "negative_prompt"),
}


class _CancelledError(Exception):
    """Leaves a pipeline's denoising loop from its callback."""


@frozen
class Passed:
    """What one pass made.

    Attributes:
        frames: float32 [T, H, W, 3] in 0..1.
        together: Seeds in the call of the pipeline that made it.
    """

    frames: FloatArray
    together: int


@define(eq=False)
class Runner:
    """Calls a pipeline through a handle of its own.

    Attributes:
        pipe: The pipeline.
        spec: Its family.
        size: (height, width) of the model's frames.
        cancel: Stops a call after the current denoising step.
        attention: Attention backend during calls.
        mode: Memory mode the pipeline is in; ``None`` when it is not ours to change.
        device: Where it was put, when it is ours.
        step_down: Go on in the next memory mode when memory runs out.
        guidance: Guidance scale, for pipelines whose guidance is a component (a guider).
        at_once: Most seeds in one call since memory ran out; ``None`` if it never did.
        steps_done: Denoising steps since the beginning, by the pipeline's callbacks.
        modular: It is a modular pipeline.
        takes: Names of the arguments the pipeline takes.
        tokens: Measures prompts with the pipeline's tokenizer.
    """

    pipe: Any
    spec: FamilySpec
    size: tuple[int, int]
    cancel: threading.Event
    attention: str | None = None
    mode: memory.MemoryMode | None = None
    device: Any = None
    step_down: bool = False
    guidance: float | None = None
    at_once: int | None = field(default=None, init=False)
    steps_done: int = field(default=0, init=False)
    twin: Any = field(init=False)
    encode: pipelines.Remembered | None = field(init=False)
    takes: frozenset[str] = field(init=False)
    modular: bool = field(init=False)
    tokens: Tokens = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tokens = Tokens(self.pipe, self.spec.name)
        self.modular = modular.is_modular(self.pipe)
        own = inspect.signature(type(self.pipe).__call__).parameters
        self.takes = modular.inputs_of(self.pipe) if self.modular else frozenset(own)
        guided_by_call = "guidance_scale" in self.takes
        self.twin = pipelines.shadow(self.pipe, guidance=None if guided_by_call else self.guidance)
        encode = getattr(getattr(self.pipe, "vae", None), "encode", None)
        self.encode = encode and pipelines.Remembered(encode, pipelines.ENCODINGS_KEPT)

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Refuse options the pipeline does not take, or that the loop decides.

        Raises:
            InvalidInputError: Names the option and what is possible.
        """
        known = self.takes - RESERVED
        for name in options:
            if name in DECIDED and name in self.takes:
                raise InvalidInputError(f"Option {name!r} is not free: {DECIDED[name]}.")
            if name in RESERVED and name in self.takes:
                raise InvalidInputError(
                    f"Option {name!r} is set by the loop from the shot and the generator's "
                    "settings. Change those."
                )
            if name not in known:
                raise InvalidInputError(
                    f"{self.spec.name} takes no option {name!r}. It takes: "
                    f"{', '.join(sorted(known))}."
                )

    def run(
        self, calls: Sequence[Mapping[str, Any]], seeds: Sequence[int], *, together: bool = True
    ) -> list[Passed]:
        """Run one pass for each seed, together in as few calls of the pipeline as memory allows.

        When memory runs out, calls are halved first. With one seed in a call, the next memory mode
        is what is left.

        Args:
            calls: Arguments for each seed; they differ only in what can be given as a list.
            seeds: Seeds of the noise, drawn on the CPU.
            together: Several seeds may share a call; else each has its own.

        Raises:
            GeneratorMemoryError: Out of memory; says which mode needs less.
            GenerationError: Cancelled, NaN frames, or the pipeline's own error.
        """
        made: list[Passed] = []
        while len(made) < len(seeds):
            most = (self.at_once or len(seeds)) if together else 1
            now = slice(len(made), len(made) + most)
            count = len(seeds[now])
            try:
                videos = self._run_once(calls[now], seeds[now])
            except GeneratorMemoryError:
                following = memory.next_mode(self.mode)
                if count == 1 and (not self.step_down or following is None):
                    raise
            else:
                made += [Passed(video, count) for video in videos]
                continue
            # Outside the handler the traceback, and the tensors it holds, are gone.
            if count > 1:
                self._halve(count)
            elif following is not None:
                self._step_down_to(following)
        return made

    def _run_once(
        self, calls: Sequence[Mapping[str, Any]], seeds: Sequence[int]
    ) -> list[FloatArray]:
        """One call of the pipeline; for each seed float32 [T, H, W, 3] in 0..1."""
        self._check_cancelled("before the pass began")
        arguments = self._arguments(calls, seeds)
        try:
            with (
                pipelines.borrowed(self.twin, self.encode, self.attention, seed=seeds[0]),
                quiet(),
            ):
                out = self.twin(**arguments)
        except _CancelledError:
            self._release()
            raise GenerationError(
                f"Cancelled after {self.steps_done} denoising steps in all.", provider="diffusers"
            ) from None
        except PhyrefineError:
            raise
        except Exception as error:
            self._release()
            raise self._explained(error) from error
        if self.modular:
            # Cosmos 3 gives [T, H, W, C]; the others [B, T, H, W, C].
            return [self._as_frames(video) for video in (out if np.ndim(out) == 5 else [out])]
        # Cosmos 3 gives [T, H, W, C] in ``video``; the others [B, T, H, W, C] in ``frames``.
        videos = out.frames if hasattr(out, "frames") else [out.video]
        return [self._as_frames(video) for video in videos]

    def _arguments(
        self, calls: Sequence[Mapping[str, Any]], seeds: Sequence[int]
    ) -> dict[str, Any]:
        import torch

        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        arguments = dict(calls[0])
        if len(calls) > 1 and self.spec.batches is not None:
            names = [name for name in BATCHED[self.spec.batches] if name in calls[0]]
            arguments |= {name: [call[name] for call in calls] for name in names}
        arguments["generator"] = generators if len(calls) > 1 else generators[0]
        arguments["output_type"] = "np"
        if self.modular:
            arguments["output"] = modular.OUTPUT
        elif self.spec.callbacks:
            arguments["callback_on_step_end"] = self._on_step
        return arguments

    def _on_step(self, pipe: Any, step: int, timestep: Any, values: Any) -> Any:
        self.steps_done += 1
        if self.cancel.is_set():
            raise _CancelledError
        return values

    def _check_cancelled(self, when: str) -> None:
        if self.cancel.is_set():
            raise GenerationError(f"Cancelled {when}.", provider="diffusers")

    def _release(self) -> None:
        """After an exception: what offloading left on the device goes back."""
        free = getattr(self.twin, "maybe_free_model_hooks", None)
        if free is not None:
            free()

    def _as_frames(self, video: Any) -> FloatArray:
        frames: FloatArray = np.asarray(video, np.float32)
        if not np.isfinite(frames).all():
            raise GenerationError(
                f"{self.spec.name} made frames that are not numbers. In float16 this is usually "
                "an overflow: load it with dtype='bfloat16' or 'float32'.",
                provider="diffusers",
            )
        return frames

    # -- errors --------------------------------------------------------------------------------

    def _explained(self, error: Exception) -> GenerationError:
        if is_out_of_memory(error):
            return GeneratorMemoryError(self._memory_advice(), provider="diffusers")
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return GenerationError(
            f"{type(self.pipe).__name__} failed: {type(error).__name__}: {line}",
            provider="diffusers",
        )

    def _memory_advice(self) -> str:
        now = f" in memory mode {self.mode!r}" if self.mode else ""
        following = memory.next_mode(self.mode)
        if self.mode is None:
            advice = "Load it with from_pretrained(..., memory='balanced')"
        elif following is not None:
            advice = f"Load it with memory={following!r}, or allow step_down=True"
        else:
            advice = "Pass a smaller size or fewer num_frames, fp8=True, or quantize the weights"
        height, width = self.size
        return f"{self.spec.name} at {width}x{height} ran out of device memory{now}. {advice}."

    def _halve(self, count: int) -> None:
        self.at_once = count // 2
        log.warning(
            "%s: out of memory with %d clips in one call: going on with %d.",
            self.spec.name, count, self.at_once,
        )  # fmt: skip
        _free()

    def _step_down_to(self, mode: memory.MemoryMode) -> None:
        log.warning("Out of memory in mode %r: going on in mode %r.", self.mode, mode)
        _free()
        memory.apply_mode(self.twin, mode, self.device, size=self.size)
        self.mode = mode


def _free() -> None:
    """Give back what a failed call left."""
    import torch

    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
