"""The one loop that serves every family: passes of a pipeline, each after what exists so far."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen

from phyrefine.backends.continuing import chunking, fitting
from phyrefine.backends.diffusers import passes
from phyrefine.backends.diffusers.context import context_count, prefix_frames
from phyrefine.backends.diffusers.families.spec import FamilySpec, UInt8Array, Window
from phyrefine.errors import GenerationError, InvalidInputError
from phyrefine.types import JSON, Chunk, Shot
from phyrefine.video.clip import Clip

log = logging.getLogger(__name__)


@frozen
class Continuation:
    """Continues prefixes with one pipeline.

    Attributes:
        spec: The pipeline's family.
        runner: Calls the pipeline.
        fit: How the prefix's picture fills the model's frame.
        color_match: 0 to 1: how far the context of later chunks is moved to the prefix's colors.
        crossfade: New frames over which the decoder's offset at each join is faded out.
        options: Further arguments of the pipeline for every call.
    """

    spec: FamilySpec
    runner: passes.Runner
    fit: fitting.FitMode
    color_match: float
    crossfade: int
    options: Mapping[str, JSON]

    def stream(self, shots: Sequence[Shot]) -> Iterator[list[Chunk]]:
        """Chunks after the accepted ones, one for each shot at a time.

        Args:
            shots: They differ only in their seed, and in the frames of as many accepted chunks.

        Raises:
            InvalidInputError: The prefix is missing or too short, accepted chunks are foreign, or
                an option is unknown.
            GenerationError: The pipeline failed or was cancelled.
        """
        first, spec = shots[0], self.spec
        self.runner.check_options(first.options)
        fit = self.fit_of(first)
        taken = fit.take(np.zeros((1, *fit.size, 3), np.uint8)).shape[1:3]
        for shot in shots:
            chunking.check_resumable(shot, spec.name, taken)
        start = self._start(first, fit)
        histories = [
            np.concatenate([start, *(fit.put(clip.frames) for clip in shot.accepted)])
            for shot in shots
        ]
        index = len(first.accepted)
        made = sum(len(clip) for clip in first.accepted)
        needed = chunking.frames_needed(first, spec.fps)
        self._check_length(needed)
        while made < needed:
            new, records = self._chunk(shots, fit, start, histories, index, needed - made)
            histories = [
                np.concatenate([old, fit.put(fit.take(frames))])[-max(spec.contexts[0], 16) :]
                for old, frames in zip(histories, new, strict=True)
            ]
            yield [
                Chunk(Clip(fit.take(frames), spec.fps), record.to_bytes())
                for frames, record in zip(new, records, strict=True)
            ]
            index, made = index + 1, made + len(new[0])

    def deliver(self, shot: Shot, chunks: Sequence[Clip], *, source: str) -> Clip:
        """The delivered clip made of all native chunks.

        Raises:
            VideoError: The chunks are too short.
        """
        frames = np.concatenate([chunk.frames for chunk in chunks])
        native = Clip(frames, self.spec.fps, source=source)
        return self.fit_of(shot).deliver(native, frames=shot.frames, fps=shot.fps, size=shot.size)

    def fit_of(self, shot: Shot) -> fitting.Fit:
        """Where the shot's picture lies in the model's frame."""
        spec = self.spec
        sees = shot.prefix is not None and spec.contexts[0] > 0
        picture = shot.prefix.size if shot.prefix is not None and sees else shot.size
        if spec.own_size is not None and picture is not None:
            size = spec.own_size(self.runner.pipe, picture)
        else:
            size = fitting.model_size(
                spec.size, picture, multiple=spec.size_multiple, fixed=spec.fixed_size
            )
        if picture is None or not sees:
            return fitting.Fit.of(size, size, "crop")
        return fitting.Fit.of(picture, size, self.fit)

    def _start(self, shot: Shot, fit: fitting.Fit) -> UInt8Array:
        frames = prefix_frames(self.spec, shot.prefix)
        if frames is None:
            if shot.prefix is not None:
                log.warning("%s reads text only: it does not see the prefix.", self.spec.name)
            return np.zeros((0, *fit.size, 3), np.uint8)
        return fit.put(frames)

    def _check_length(self, needed: int) -> None:
        spec = self.spec
        if spec.contexts != (0,):
            return
        most = spec.new(spec.length(needed, 0), 0)
        if most < needed:
            raise InvalidInputError(
                f"{spec.name} reads text only and makes at most {most / spec.fps:.2f} s in one "
                f"pass; {needed / spec.fps:.2f} s were asked for. An image-to-video checkpoint "
                "can go on from its own last frame."
            )

    def _chunk(
        self,
        shots: Sequence[Shot],
        fit: fitting.Fit,
        start: UInt8Array,
        histories: list[UInt8Array],
        index: int,
        remaining: int,
    ) -> tuple[list[UInt8Array], list[chunking.Record]]:
        spec, first = self.spec, shots[0]
        count = context_count(spec, len(histories[0])) if len(histories[0]) else 0
        length = spec.length(remaining, count)
        seeds = [chunking.chunk_seed(shot, index) for shot in shots]
        windows, colors = [], []
        for history in histories:
            context, color = self._context(history, start, count, index)
            windows.append(Window(context, length, spec.fps))
            colors.append(color)
        calls = [self._arguments(first, index, fit, window) for window in windows]
        log.info(
            "%s: chunk %d, %d context frames, %d asked, seeds %s",
            spec.name, index, count, length, seeds,
        )  # fmt: skip
        made = self.runner.run(calls, seeds, together=self._together(windows))
        new = [
            self._new_frames(one.frames, window, fit.size, remaining, color)
            for one, window, color in zip(made, windows, colors, strict=True)
        ]
        records = [
            chunking.Record(
                spec.name,
                index,
                seed,
                count,
                length,
                len(frames),
                color,
                self.runner.mode,
                one.together,
            )
            for one, seed, frames, color in zip(made, seeds, new, colors, strict=True)
        ]
        return new, records

    def _together(self, windows: Sequence[Window]) -> bool:
        """Whether passes after these contexts may share a call of the pipeline."""
        if self.spec.batches != "noise":
            return self.spec.batches == "context"
        return all(np.array_equal(one.frames, windows[0].frames) for one in windows[1:])

    def _context(
        self, history: UInt8Array, start: UInt8Array, count: int, index: int
    ) -> tuple[UInt8Array, tuple[tuple[float, float], ...] | None]:
        context = history[len(history) - count :]
        if not (self.color_match and index and count and len(start)):
            return context, None
        recent = history[-chunking.COLOR_FRAMES :]
        reference = start[-chunking.COLOR_FRAMES :]
        return chunking.color_match(context, recent, reference, self.color_match)

    def _arguments(
        self, shot: Shot, index: int, fit: fitting.Fit, window: Window
    ) -> dict[str, Any]:
        spec, prompt = self.spec, chunking.chunk_prompt(shot, index)
        arguments: dict[str, Any] = {"prompt": prompt.text}
        arguments |= spec.steps_as(shot.steps or spec.steps)
        if spec.own_size is None:
            arguments |= {"height": fit.size[0], "width": fit.size[1]}
        if prompt.negative and not spec.guided:
            self._say_idle_negative()
        negative = prompt.negative if spec.negative_prompt and spec.guided else ""
        if negative or (spec.empty_negative and spec.guided):
            arguments["negative_prompt"] = negative or ""
        if spec.guidance is not None and "guidance_scale" in self.runner.takes:
            arguments["guidance_scale"] = spec.guidance
        arguments |= (
            dict(spec.options(self.runner.pipe))
            | ({} if spec.guided else dict(spec.unguided))
            | self._conditions(window)
            | dict(self.options)
            | dict(shot.options)
        )
        most = arguments.get("max_sequence_length", spec.prompt_tokens)
        self.runner.tokens.warn_of_cut("prompt", prompt.text, most)
        self.runner.tokens.warn_of_cut("negative prompt", negative or "", most)
        return arguments

    def _conditions(self, window: Window) -> dict[str, Any]:
        if not len(window.frames) and self.spec.text is not None:
            return self.spec.text(window)
        return self.spec.condition(window)

    def _say_idle_negative(self) -> None:
        log.warning(
            "%s has no guidance at guidance_scale=%g: the negative prompt does nothing.",
            self.spec.name, self.spec.guidance,
        )  # fmt: skip

    def _new_frames(
        self,
        made: Any,
        window: Window,
        size: tuple[int, int],
        remaining: int,
        moved: tuple[tuple[float, float], ...] | None = None,
    ) -> UInt8Array:
        count, expected = len(window.frames), self.spec.returned(window.length, len(window.frames))
        if len(made) != expected:
            raise GenerationError(
                f"{type(self.runner.pipe).__name__} gave {len(made)} frames where "
                f"{self.spec.name} promises {expected} for num_frames={window.length} after "
                f"{count} frames.",
                provider="diffusers",
            )
        if made.shape[1:3] != size:
            raise GenerationError(
                f"{type(self.runner.pipe).__name__} gave frames of {made.shape[2]}x{made.shape[1]} "
                f"pixels where {size[1]}x{size[0]} were asked for: size_multiple="
                f"{self.spec.size_multiple} of {self.spec.name} is wrong for it.",
                provider="diffusers",
            )
        repeated = self.spec.repeated(count)
        if count:
            made = chunking.fade_offset(made, repeated, window.frames[-1], self.crossfade)
        else:
            made = made[repeated:]
        if moved is not None:
            made = chunking.fade_match(made[:remaining], moved)
        frames: UInt8Array = np.rint(np.clip(made[:remaining], 0, 1) * 255).astype(np.uint8)
        return frames
