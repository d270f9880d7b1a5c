"""The ground truth: real test clips and masks. Only scorers import this.

A generator, a critic or a reference-free selector that could open these files would make every
score meaningless; the import contracts and a test on opened files hold them apart.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.decoding import file_problem, probe
from phyrefine.physics_iq.data.layout import BASE_FPS, TEST_SECONDS, Edition, Sample

_DURATION_TOLERANCE = 0.001  # seconds, of the official check
_LISTED = 8  # problems spelled out in a message


def _whole(fps: float) -> int:
    if fps < 1 or fps != int(fps):
        raise InvalidInputError(
            f"The benchmark works at whole rates from 1 on, not at {fps:g} FPS (8, 16, 24 and 30 "
            "are shipped)."
        )
    return int(fps)


@attrs.frozen
class GroundTruth:
    """Where the real side of one edition lies, at one frame rate.

    Attributes:
        dataset: The download.
        fps: Frames per second of the clips to score, a whole number.
        allow_made_masks: Verified only. Its shipped masks were edited by hand, so masks made here
            give another number; by default that is refused.
    """

    dataset: PhysicsIQ
    fps: int = attrs.field(converter=_whole)
    allow_made_masks: bool = False

    @property
    def edition(self) -> Edition:
        """Which ground truth this is."""
        return self.dataset.edition

    @property
    def frames(self) -> int:
        """Frames that are scored: those before 5 s."""
        return TEST_SECONDS * self.fps

    @property
    def resampled(self) -> bool:
        """The footage has no folder at this rate: it is blended from 30 FPS."""
        return not self._folder("split-videos/testing").is_dir()

    @property
    def made_masks(self) -> bool:
        """The masks have no folder at this rate: they are made from the clips."""
        return not self._folder("video-masks/real").is_dir()

    def testing(self, sample: Sample, take: int) -> Path:
        """The real test clip, at 30 FPS if it has to be resampled."""
        fps = BASE_FPS if self.resampled else self.fps
        folder = self.dataset.root / "split-videos" / "testing" / f"{fps}FPS"
        return folder / sample.testing_name(take, fps)

    def mask(self, sample: Sample, take: int) -> Path | None:
        """The shipped mask clip; ``None`` if masks are made from the clips.

        Raises:
            InvalidInputError: Verified has no shipped masks at this rate, and making them was
                not allowed.
        """
        if not self.made_masks:
            return self._folder("video-masks/real") / sample.mask_name(take, self.fps)
        if self.edition is Edition.VERIFIED and not self.allow_made_masks:
            raise InvalidInputError(
                f"Physics-IQ Verified has no masks at {self.fps} FPS in {self.dataset.root}. Its "
                "masks were edited by hand and cannot be made again: score at a shipped rate, or "
                "allow masks made here and do not call the number Verified."
            )
        return None

    def problems(self, samples: Iterable[Sample] | None = None) -> list[str]:
        """One line for each file that is absent, damaged, cut off or of another length.

        Several files at a time: opening a 4K clip decodes its first frame.
        """
        files = self.files(self.dataset.samples if samples is None else samples)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(lambda path: file_problem(path, TEST_SECONDS), files))
        return [problem for problem in found if problem is not None]

    def absent(self) -> list[str]:
        """Files that are not there or empty; nothing is opened, so that generating may ask.

        Raises:
            InvalidInputError: As :meth:`mask`.
        """
        files = self.files(self.dataset.samples)
        return [str(path) for path in files if not path.is_file() or not path.stat().st_size]

    def files(self, samples: Iterable[Sample]) -> Iterator[Path]:
        """Every file that is read to score samples: both takes, and their masks where shipped.

        Raises:
            InvalidInputError: As :meth:`mask`.
        """
        for sample in samples:
            for take in (1, 2):
                yield self.testing(sample, take)
                mask = self.mask(sample, take)
                if mask is not None:
                    yield mask

    def _folder(self, kind: str) -> Path:
        return self.dataset.root / kind / f"{self.fps}FPS"


def find_run(folder: Path, samples: Iterable[Sample]) -> dict[int, Path]:
    """The generated clip of each sample: the one ``.mp4`` whose name begins with its id.

    Args:
        folder: Any folder; hidden files are passed over, names after the id are free.
        samples: What must be there.

    Raises:
        InvalidInputError: No such folder, or clips missing or doubled.
    """
    if not folder.is_dir():
        raise InvalidInputError(f"No such folder of generated videos: {folder}")
    by_number: dict[int, list[Path]] = {}
    for path in sorted(folder.glob("*.mp4")):
        head = path.name.partition("_")[0]
        if not path.name.startswith(".") and len(head) == 4 and head.isdigit():
            by_number.setdefault(int(head), []).append(path)
    samples = tuple(samples)
    missing = [f"{s.number:04d}_*.mp4" for s in samples if s.number not in by_number]
    doubled = [path.name for s in samples for path in by_number.get(s.number, [])[1:]]
    if missing or doubled:
        capitals = [p.name for p in sorted(folder.iterdir()) if p.suffix in (".MP4", ".Mp4")]
        renamed = f" Rename to .mp4 in small letters: {shortened(capitals)}." if capitals else ""
        raise InvalidInputError(
            f"{folder} does not hold one clip per sample. Missing: {shortened(missing)}. "
            f"Second clip of an id: {shortened(doubled)}.{renamed}"
        )
    return {sample.number: by_number[sample.number][0] for sample in samples}


def run_rate(clips: Iterable[Path], *, check_duration: bool = True) -> int:
    """The one frame rate of a run, after the checks of the official program.

    Args:
        clips: The generated clips.
        check_duration: Refuse clips whose container does not last 5 s within 0.001 s.

    Raises:
        InvalidInputError: Rates differ or are no whole numbers, or durations are wrong.
        VideoError: A file is damaged.
    """
    facts = {path: probe(path) for path in clips}
    rates = sorted({item.fps for item in facts.values()})
    if len(rates) != 1:
        raise InvalidInputError(f"The clips of a run must share one frame rate, found {rates}.")
    if rates[0] != int(rates[0]) or rates[0] < 1:
        raise InvalidInputError(
            f"The clips run at {rates[0]:g} FPS; the benchmark works at whole rates only "
            "(8, 16, 24 and 30 are shipped). Write them again at one of those."
        )
    wrong = [
        f"{path.name} ({item.seconds if item.seconds is not None else 'unknown'} s)"
        for path, item in facts.items()
        if item.seconds is None or abs(item.seconds - TEST_SECONDS) > _DURATION_TOLERANCE
    ]
    if wrong and check_duration:
        raise InvalidInputError(
            f"Clips must last {TEST_SECONDS} s, without the conditioning part (sound counts, if "
            f"it is longer than the picture): {shortened(wrong)}."
        )
    return int(rates[0])


def shortened(items: list[str]) -> str:
    """The first few, and how many more."""
    more = f" and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return (", ".join(items[:_LISTED]) or "none") + more


def sentences(problems: list[str]) -> str:
    """The first few problems, each a sentence, and how many more."""
    more = [f"And {len(problems) - _LISTED} more."] if len(problems) > _LISTED else []
    return " ".join([*problems[:_LISTED], *more])
