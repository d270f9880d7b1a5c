"""The streaming evaluator: a run decodes every file once, frames are never all in memory.

Real clips become cache entries (quarter-size frames, masks), which later runs read instead, if they
are given a folder to lie in; a generated clip is decoded once and compared with both takes on the
way, while its masks are made and sent through the mask file.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs
import numpy as np
from tqdm.auto import tqdm

from phyrefine.errors import InvalidInputError, VideoError
from phyrefine.physics_iq.data.decoding import (
    BgrReader,
    UInt8,
    decode,
    file_digest,
    opencv,
    probe,
)
from phyrefine.physics_iq.data.layout import BASE_FPS, TEST_SECONDS, Sample
from phyrefine.physics_iq.metrics.masks import MetricMasks, scale_mask
from phyrefine.physics_iq.metrics.measures import PairMetrics
from phyrefine.physics_iq.metrics.pairs import compare_tracks, frame_error
from phyrefine.physics_iq.metrics.scaling import GrayReader, SmallReader, scale, to_gray
from phyrefine.physics_iq.scoring.cache import Cache, DamagedError, Making, RealClip, digest
from phyrefine.physics_iq.scoring.evaluation import Evaluation, Provenance
from phyrefine.physics_iq.scoring.resampling import blend
from phyrefine.physics_iq.scoring.results import ResultTable, ViewResult
from phyrefine.physics_iq.scoring.truth import GroundTruth, find_run, run_rate, sentences
from phyrefine.physics_iq.scoring.workers import MOST_THREADS, Crew, Setup
from phyrefine.video.masks import MaskTrack, TrackBuilder

Run = TypeVar("Run", bound=Hashable)
T = TypeVar("T")

_HEAP_STEP = 8 << 20  # bytes


class Evaluator:
    """Scores folders of generated clips against one edition.

    Args:
        truth: Ground truth of one edition at one rate.
        cache: Folder for the real side, worth keeping between runs. Without it nothing is kept
            beyond a view, which needs little space, and every :meth:`evaluate` decodes the real
            side anew: name a folder to score several.
        packed: Compress cached frames.
        lossless: Skip the lossy mask file; the result is not the official number.
        jobs: Views at a time; by default one per core. Up to four are threads; more are processes,
            each of about 130 MB with 720p footage, 190 MB with 4K, 280 MB with 4K clips too.
        progress: Show a bar.
    """

    def __init__(
        self,
        truth: GroundTruth,
        *,
        cache: str | Path | None = None,
        packed: bool = False,
        lossless: bool = False,
        jobs: int | None = None,
        progress: bool = False,
    ) -> None:
        self._truth = truth
        self._cache_folder = None if cache is None else Path(cache)
        self._packed = packed
        self._lossless = lossless
        self._jobs = jobs or os.cpu_count() or 1
        self._progress = progress
        self._stop = threading.Event()
        self._digests: dict[tuple[object, ...], str] = {}

    def evaluate(
        self, folder: str | Path, *, samples: Iterable[Sample] | None = None, check: bool = True
    ) -> Evaluation:
        """Score a folder of generated clips; arguments and errors as :meth:`measure`."""
        measured = self.measure(folder, samples=samples, check=check)
        provenance = attrs.evolve(self.provenance, samples=len(measured))
        return Evaluation(ResultTable.of(measured.values()), provenance)

    def measure(
        self, folder: str | Path, *, samples: Iterable[Sample] | None = None, check: bool = True
    ) -> dict[str, ViewResult]:
        """Measure every clip of a folder.

        Args:
            folder: One ``.mp4`` per sample, named from its id; nothing in it is touched.
            samples: A part of the data set; by default all of it.
            check: Refuse clips that do not last 5 s, and look at every real file first.

        Returns:
            By sample name, in order of the samples.

        Raises:
            InvalidInputError: Clips are missing, doubled, too long, or of another rate.
            VideoError: A file is damaged.
        """
        return self.measure_runs({"": folder}, samples=samples, check=check)[""]

    def measure_runs(
        self,
        folders: Mapping[Run, str | Path],
        *,
        samples: Iterable[Sample] | None = None,
        check: bool = True,
    ) -> dict[Run, dict[str, ViewResult]]:
        """Measure every clip of several folders, all views of all of them at once.

        Args:
            folders: By any name, each as in :meth:`measure`.
            samples: As there.
            check: As there.

        Returns:
            By name, then by sample name. Errors as :meth:`measure`; all folders are looked at
            before the first clip is measured.
        """
        wanted = self._truth.dataset.samples if samples is None else tuple(samples)
        clips = {name: self._clips(Path(folders[name]), wanted, check) for name in folders}
        if check:
            self._require_truth(wanted)
        # Run by run: the first one makes the real side that the others read.
        views = [(name, sample) for name in folders for sample in wanted]
        measured = self._each([(sample, clips[name][sample.number]) for name, sample in views])
        results: dict[Run, dict[str, ViewResult]] = {name: {} for name in folders}
        for (name, sample), result in zip(views, measured, strict=True):
            results[name][sample.name] = result
        return results

    def _clips(self, folder: Path, samples: Sequence[Sample], check: bool) -> dict[int, Path]:
        clips = find_run(folder, samples)
        fps = run_rate(clips.values(), check_duration=check)
        if fps != self._truth.fps:
            raise InvalidInputError(
                f"{folder} runs at {fps} FPS and the ground truth was opened at {self._truth.fps}."
            )
        return clips

    @property
    def provenance(self) -> Provenance:
        """What results of the whole data set stand on."""
        return Provenance(
            edition=self._truth.edition,
            fps=self._truth.fps,
            samples=len(self._truth.dataset.samples),
            lossless=self._lossless,
            made_masks=self._truth.made_masks,
            resampled=self._truth.resampled,
        )

    def view(self, sample: Sample, clip: str | Path) -> ViewResult:
        """Score one clip; errors as :meth:`evaluate`."""
        clip = Path(clip)

        def score(cache: Cache) -> ViewResult:
            first, second, variance = self._real_side(cache, sample)
            key = digest("view", first.key, second.key, file_digest(clip), self._settings())
            pairs = cache.value(key, lambda: self._compare_generated(clip, first, second))
            v1, v2 = (PairMetrics.of(cells) for cells in pairs)
            return ViewResult(sample.scene, sample.view, v1, v2, variance)

        return self._with_cache(score)

    def prepare(self, samples: Iterable[Sample] | None = None) -> None:
        """Fill the cache with the real side, so that later runs only read it."""
        wanted = self._truth.dataset.samples if samples is None else tuple(samples)
        self._each([(sample, None) for sample in wanted])

    def _require_truth(self, samples: Sequence[Sample]) -> None:
        """Look at every real file; not again, with a cache, while none of them has changed."""

        def look() -> bool:
            if problems := self._truth.problems(samples):
                raise InvalidInputError(f"The ground truth is incomplete: {sentences(problems)}")
            return True

        if self._cache_folder is None:
            look()
        else:
            seen = [_changed(path) for path in self._truth.files(samples)]
            Cache(self._cache_folder).value(digest("whole", seen), look)

    # -- one view ------------------------------------------------------------------------------

    def _compare_generated(
        self, clip: Path, first: RealClip, second: RealClip
    ) -> list[dict[str, Any]]:
        masks = MetricMasks(first.size, self._truth.fps, lossless=self._lossless)
        track = TrackBuilder(first.size)
        errors: tuple[list[float], list[float]] = ([], [])
        reals = first.read_frames(), second.read_frames()
        for small, gray in self._with_gray(clip, first.size):
            for real, kept in zip(reals, errors, strict=True):
                kept.append(frame_error(next(real), small))
            track.add(masks.push(gray))
        track.add(masks.finish())
        generated = track.build()
        return [
            attrs.asdict(compare_tracks(real.read_masks(), generated, tuple(kept)))
            for real, kept in zip((first, second), errors, strict=True)
        ]

    def _real_side(self, cache: Cache, sample: Sample) -> tuple[RealClip, RealClip, PairMetrics]:
        height, width = self._size(cache, self._truth.testing(sample, 1))
        size = height // 4, width // 4
        first, second = (self._real(cache, sample, take, size) for take in (1, 2))

        def variance() -> dict[str, Any]:
            frames = zip(first.read_frames(), second.read_frames(), strict=True)
            errors = tuple(frame_error(a, b) for a, b in frames)
            return attrs.asdict(compare_tracks(first.read_masks(), second.read_masks(), errors))

        key = digest("variance", first.key, second.key)
        return first, second, PairMetrics.of(cache.value(key, variance))

    def _size(self, cache: Cache, video: Path) -> tuple[int, int]:
        """(height, width) of a real clip, from the cache if it is known there."""

        def read() -> tuple[int, int]:
            facts = probe(video)
            return facts.height, facts.width

        height, width = cache.value(digest("size", self._digest(video)), read)
        return height, width

    def _real(self, cache: Cache, sample: Sample, take: int, size: tuple[int, int]) -> RealClip:
        video, mask = self._truth.testing(sample, take), self._truth.mask(sample, take)
        masks = "made" if mask is None else self._digest(mask)
        key = digest("clip", self._digest(video), masks, size, cache.packed, self._settings())
        begin = self._making if mask is None else partial(self._making_shipped, mask=mask)
        return cache.clip(key, lambda: begin(video, size))

    def _digest(self, path: Path) -> str:
        """Digest of a real file, which every run asks for; read again only when it has changed."""
        if not path.is_file():
            raise VideoError(f"No such video: {path}")
        key = path, *_changed(path)[1:]
        if key not in self._digests:  # two threads may both read it, to the same end
            self._digests[key] = file_digest(path)
        return self._digests[key]

    def _making(self, video: Path, size: tuple[int, int]) -> Making:
        masks = MetricMasks(size, self._truth.fps, lossless=self._lossless)
        track = TrackBuilder(size)

        def frames() -> Iterator[UInt8]:
            for small, gray in self._real_with_gray(video, size):
                track.add(masks.push(gray))
                yield small
            track.add(masks.finish())

        return Making(size, frames(), track.build)

    def _making_shipped(self, video: Path, size: tuple[int, int], *, mask: Path) -> Making:
        return Making(size, self._real_small(video, size), lambda: self._shipped_masks(mask, size))

    def _shipped_masks(self, path: Path, size: tuple[int, int]) -> MaskTrack:
        reader, track = GrayReader(size), TrackBuilder(size)
        for frame in self._checked(path, self._truth.frames):
            track.add([scale_mask(reader.read(frame), size)])
        return track.build()

    # -- frames --------------------------------------------------------------------------------

    def _real_small(self, path: Path, size: tuple[int, int]) -> Iterator[UInt8]:
        if self._truth.resampled:
            yield from (scale(frame, size) for frame in self._blended(path))
            return
        reader = SmallReader(size)
        for frame in self._checked(path, self._truth.frames):
            yield reader.read(frame)
            del frame  # the decoder can fill it again

    def _real_with_gray(self, path: Path, size: tuple[int, int]) -> Iterator[tuple[UInt8, UInt8]]:
        if self._truth.resampled:
            yield from ((scale(frame, size), to_gray(frame)) for frame in self._blended(path))
        else:
            yield from self._with_gray(path, size)

    def _with_gray(self, path: Path, size: tuple[int, int]) -> Iterator[tuple[UInt8, UInt8]]:
        reader = SmallReader(size)
        for frame in self._checked(path, self._truth.frames):
            yield reader.read_with_gray(frame)
            del frame  # as above

    def _blended(self, path: Path) -> Iterator[UInt8]:
        count, reader = TEST_SECONDS * BASE_FPS, BgrReader()
        source = (reader.read(frame) for frame in self._checked(path, count))
        return blend(source, count, self._truth.frames)

    def _checked(self, path: Path, count: int) -> Iterator[Any]:
        """Exactly ``count`` decoded frames; surplus ones are ignored, as officially."""
        seen = 0
        for frame in decode(path, count):
            if self._stop.is_set():
                raise KeyboardInterrupt
            yield frame
            del frame
            seen += 1
        if seen < count:
            raise VideoError(
                f"{path} holds {seen} frames and {count} are scored: clips and masks that are "
                "compared must have as many."
            )

    def _settings(self) -> list[object]:
        return [self._truth.fps, self._truth.resampled, self._lossless]

    # -- all views -----------------------------------------------------------------------------

    def _each(self, views: Sequence[tuple[Sample, Path | None]]) -> list[Any]:
        """Results of clips, or ``None`` where a sample's real side is only put into the cache."""
        self._stop.clear()
        _keep_freed_pages()
        if self._cache_folder is not None:
            Cache(self._cache_folder).sweep()
        bar = tqdm(total=len(views), desc="Physics-IQ views", disable=not self._progress)
        with self._crew() as (work, stop), bar, ThreadPoolExecutor(self._jobs) as pool:
            futures = [pool.submit(work, *view) for view in views]
            try:
                for future in as_completed(futures):
                    future.result()
                    bar.update()
            except BaseException:
                # Views in flight end at their next frame; the finished ones are in the cache.
                stop()
                pool.shutdown(cancel_futures=True)
                raise
        return [future.result() for future in futures]

    @contextlib.contextmanager
    def _crew(self) -> Iterator[tuple[Callable[[Sample, Path | None], Any], Callable[[], None]]]:
        """What does a view, and what stops all that are in flight."""
        if self._jobs <= MOST_THREADS:
            yield self._do, self._stop.set
            return
        opencv()  # that it is missing is told once
        crew = Crew(Setup(self._truth, self._cache_folder, self._packed, self._lossless))
        try:
            yield crew.ask, crew.stop
        finally:
            crew.stop()

    def _do(self, sample: Sample, clip: Path | None) -> ViewResult | None:
        if clip is not None:
            return self.view(sample, clip)
        self._with_cache(lambda cache: self._real_side(cache, sample))
        return None

    def _with_cache(self, work: Callable[[Cache], T]) -> T:
        """Work on one view; again when a take's entry proves damaged while it is read."""
        with self._cache() as cache:
            for _ in (1, 2):  # either take's
                try:
                    return work(cache)
                except DamagedError as error:
                    cache.discard(error)
            return work(cache)

    @contextlib.contextmanager
    def _cache(self) -> Iterator[Cache]:
        if self._cache_folder is not None:
            yield Cache(self._cache_folder, self._packed)
            return
        with tempfile.TemporaryDirectory(prefix="phyrefine-physics-iq-") as folder:
            yield Cache(Path(folder))


def _changed(path: Path) -> tuple[str, int, int]:
    """What differs when a file has changed; length -1 when it is not there."""
    try:
        facts = path.stat()
    except OSError:
        return str(path), -1, -1
    return str(path.absolute()), facts.st_size, facts.st_mtime_ns


def _keep_freed_pages() -> None:
    """Let glibc keep the memory of freed frames for the next ones.

    Its limit for giving memory back is twice the largest block it has seen freed (``mallopt(3)``,
    M_MMAP_THRESHOLD). Strips of frames are smaller: without this, their pages are handed back and
    zeroed anew for each of them, a tenth of a 720p view's time. The block itself is never touched.
    """
    np.empty(_HEAP_STEP, np.uint8)
