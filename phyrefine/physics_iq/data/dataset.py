"""What a model may see of Physics-IQ: prompts, conditioning clips and switch frames.

The test clips and masks are behind :mod:`phyrefine.physics_iq.scoring.truth`, which only scorers
open. Nothing is renamed or written in the user's folders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import av
import numpy as np

from phyrefine.errors import InvalidInputError, VideoError
from phyrefine.physics_iq.data.decoding import decode, file_problem, probe
from phyrefine.physics_iq.data.descriptions import find_descriptions, read_descriptions
from phyrefine.physics_iq.data.layout import (
    BASE_FPS,
    CONDITIONING_SECONDS,
    TEST_SECONDS,
    Edition,
    Sample,
)
from phyrefine.types import Mode, Scenario
from phyrefine.video.clip import Clip

# The programs read the first, the benchmark's documents name the second.
_CONDITIONING = ("conditioning", "conditioning-videos")


@attrs.frozen
class PhysicsIQ:
    """The benchmark as downloaded.

    Attributes:
        root: The folder ``physics-IQ-benchmark`` or ``physics-IQ-benchmark-verified``.
        edition: Original or Verified.
        samples: Take-1 samples in order of their id.
        descriptions: The file the prompts came from.
    """

    root: Path
    edition: Edition
    samples: tuple[Sample, ...]
    descriptions: Path

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        edition: Edition | str | None = None,
        descriptions: str | Path | None = None,
    ) -> PhysicsIQ:
        """Open a download.

        Args:
            path: The benchmark's folder, or the folder that holds it.
            edition: Which ground truth it is. By default told by the folder's name; file names
                bear no trace of it.
            descriptions: ``descriptions.csv``; by default beside or in the folder.

        Raises:
            InvalidInputError: No such folder, no descriptions, or their rows do not parse.
        """
        root, found = _find_root(Path(path), None if edition is None else Edition(edition))
        table = Path(descriptions) if descriptions is not None else find_descriptions(root)
        return cls(root, found, read_descriptions(table), table)

    @property
    def title(self) -> str:
        """The benchmark's name."""
        return "Physics-IQ"

    def part(self, samples: Sequence[Sample]) -> PhysicsIQ:
        """The same with fewer samples."""
        return attrs.evolve(self, samples=tuple(samples))

    def scenarios(
        self,
        *,
        mode: Mode | str = Mode.VIDEO,
        fps: int = 24,
        size: tuple[int, int] = (720, 1280),
    ) -> Iterator[tuple[Sample, Scenario]]:
        """Yield what a refinement gets, sample by sample; errors as :meth:`scenario`."""
        for sample in self.samples:
            yield sample, self.scenario(sample, mode=mode, fps=fps, size=size)

    def scenario(
        self,
        sample: Sample,
        *,
        mode: Mode | str = Mode.VIDEO,
        fps: int = 24,
        size: tuple[int, int] = (720, 1280),
    ) -> Scenario:
        """The prefix and the description of one sample; its category stays behind.

        Args:
            sample: One of ``samples``.
            mode: ``v2v`` conditions on 3 s of video, ``i2v`` on the switch frame.
            fps: Rate to deliver; the conditioning clip of that rate is used where there is one.
            size: (height, width) to deliver; the 4K prefix is scaled to it while it is read.

        Raises:
            InvalidInputError: The mode has no prefix in this benchmark.
            VideoError: The conditioning file is missing or damaged.
        """
        mode = Mode(mode)
        if mode is Mode.TEXT:
            raise InvalidInputError("Physics-IQ conditions on a video or an image: v2v or i2v.")
        path = self.conditioning(sample, fps) if mode is Mode.VIDEO else self.switch_frame(sample)
        limit = round(CONDITIONING_SECONDS * probe(path).fps) if mode is Mode.VIDEO else 1
        return Scenario(
            sample.description,
            _read_scaled(path, size, limit),
            seconds=TEST_SECONDS,
            fps=fps,
            size=size,
            name=sample.name,
        )

    def conditioning(self, sample: Sample, fps: int) -> Path:
        """The 3 s before the switch frame, take 1, at ``fps`` if shipped, else at 30."""
        for rate in (fps, BASE_FPS):
            for folder in _CONDITIONING:
                place = self.root / "split-videos" / folder / f"{rate}FPS"
                path = place / sample.conditioning_name(1, rate)
                if path.is_file():
                    return path
        raise VideoError(
            f"No conditioning clip of {sample.name} at {fps} or {BASE_FPS} FPS under "
            f"{self.root / 'split-videos' / 'conditioning'}."
        )

    def switch_frame(self, sample: Sample) -> Path:
        """The image at which the generated part begins."""
        return self.root / "switch-frames" / sample.switch_frame_name

    def missing_inputs(self, *, mode: Mode | str = Mode.VIDEO, fps: int = 24) -> list[str]:
        """What generation would miss: one line for each absent, damaged or short file."""
        found = (self._input_problem(sample, Mode(mode), fps) for sample in self.samples)
        return [problem for problem in found if problem is not None]

    def _input_problem(self, sample: Sample, mode: Mode, fps: int) -> str | None:
        if mode is Mode.IMAGE:
            return _image_problem(self.switch_frame(sample))
        try:
            return file_problem(self.conditioning(sample, fps), CONDITIONING_SECONDS)
        except VideoError as error:
            return str(error)


def _find_root(path: Path, edition: Edition | None) -> tuple[Path, Edition]:
    if not path.is_dir():
        raise InvalidInputError(f"No such folder: {path}")
    by_name = {item.folder: item for item in Edition}
    inside = [item for item in Edition if (path / item.folder).is_dir()]
    # The program's repository is called as the data's folder, which lies in it.
    around = inside and not (path / "split-videos").is_dir()
    if (named := by_name.get(path.absolute().name)) is not None and not around:
        return path, _agreed(named, edition, path)
    if edition is not None:
        return (path / edition.folder if edition in inside else path), edition
    if len(inside) == 1:
        return path / inside[0].folder, inside[0]
    what = "both versions" if inside else "neither version"
    raise InvalidInputError(
        f"{path} holds {what} of the benchmark: pass one of "
        f"{', '.join(by_name)}, or say which edition it is."
    )


def _agreed(found: Edition, asked: Edition | None, path: Path) -> Edition:
    if asked is not None and asked is not found:
        raise InvalidInputError(
            f"{path} is the {found} edition by its name, and {asked} was asked for. "
            "The two ground truths must not be mixed."
        )
    return found


def _image_problem(path: Path) -> str | None:
    try:
        probe(path)
    except VideoError as error:
        return str(error)
    data = path.read_bytes()
    # FFmpeg decodes what there is of a JPEG that is cut off, and says nothing: look for the marker
    # of its end, behind that of its last scan.
    if data.startswith(b"\xff\xd8") and data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda"):
        return f"{path} is cut off ({len(data)} bytes): fetch it again."
    return None


def _read_scaled(path: Path, size: tuple[int, int], limit: int) -> Clip:
    facts = probe(path)
    converter = av.video.reformatter.VideoReformatter()
    frames = [
        converter.reformat(
            frame, width=size[1], height=size[0], format="rgb24", interpolation="AREA"
        ).to_ndarray()
        for frame in decode(path, limit)
    ]
    if len(frames) < limit:
        raise VideoError(f"{path} holds {len(frames)} frames, not {limit}: fetch it again.")
    return Clip(np.stack(frames), facts.fps or 1.0, source=path.name)
