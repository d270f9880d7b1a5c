"""Names of views, takes and files, as the benchmark's programs use them, and of our runs."""

from __future__ import annotations

import enum
import re

import attrs

from phyrefine.errors import InvalidInputError

VIEWS = ("perspective-left", "perspective-center", "perspective-right")
TAKES = ("take-1", "take-2")
CATEGORIES = ("Solid Mechanics", "Fluid Dynamics", "Optics", "Thermodynamics", "Magnetism")
SAMPLES = 198  # 66 scenes from three cameras
BASE_FPS = 30  # rate of the footage; other rates are made from it
TEST_SECONDS = 5
CONDITIONING_SECONDS = 3
PLAIN = 0  # the loop number of the plain description's clip
GIVEN = -1  # the loop number of clips from prompts of others

_ROW = re.compile(r"(\d{4})_([^_]+)_(take-[12])_([^_]+)\.mp4")
_RUN = re.compile(r"(plain|given|loop\d+)(?:-steps(\d+))?-seed(\d+)")


class Edition(enum.StrEnum):
    """Which ground truth: the two are never mixed."""

    ORIGINAL = "original"
    VERIFIED = "verified"

    @property
    def folder(self) -> str:
        """The folder name the official programs want."""
        return {
            Edition.ORIGINAL: "physics-IQ-benchmark",
            Edition.VERIFIED: "physics-IQ-benchmark-verified",
        }[self]


@attrs.frozen
class Sample:
    """One scene from one camera: what is generated, and what is scored, once.

    Attributes:
        number: Id of take 1, 1 to 198; take 2 is 198 more.
        scene: For example ``"trimmed-ball-and-block-fall"``.
        view: One of ``VIEWS``.
        description: The text prompt.
        category: One of ``CATEGORIES``; never shown to a refinement loop.
    """

    number: int
    scene: str
    view: str
    description: str = ""
    category: str = ""

    @property
    def name(self) -> str:
        """Name of the generated video without suffix; also the scenario's name."""
        return f"{self.number:04d}_{self.view}_{self.scene}"

    def testing_name(self, take: int, fps: int) -> str:
        """File name of a real test clip."""
        return self._real_name("testing-videos", take, fps)

    def conditioning_name(self, take: int, fps: int) -> str:
        """File name of a real conditioning clip."""
        return self._real_name("conditioning-videos", take, fps)

    def mask_name(self, take: int, fps: int) -> str:
        """File name of a real mask clip."""
        return self._real_name("video-masks", take, fps)

    @property
    def switch_frame_name(self) -> str:
        """File name of the frame at which the generated part begins."""
        return f"{self.number:04d}_switch-frames_anyFPS_{self.view}_{self.scene}.jpg"

    def _real_name(self, kind: str, take: int, fps: int) -> str:
        number = self.number + SAMPLES * (take - 1)
        return f"{number:04d}_{kind}_{fps}FPS_{self.view}_take-{take}_{self.scene}.mp4"


def parse_row(scenario: str) -> tuple[int, str, int, str]:
    """(id, view, take, scene) of a ``scenario`` cell of descriptions.csv.

    Raises:
        InvalidInputError: It is not of the form ``0001_perspective-left_take-1_trimmed-x.mp4``.
    """
    match = _ROW.fullmatch(scenario.strip())
    if match is None or match[2] not in VIEWS:
        raise InvalidInputError(
            f"{scenario!r} in descriptions.csv is not '<4-digit id>_<view>_take-<1|2>_<scene>.mp4'."
        )
    return int(match[1]), match[2], int(match[3][-1]), match[4]


@attrs.frozen(order=True)
class RunKey:
    """One generated clip per sample.

    Attributes:
        loop: 0 for the plain description, -1 for prompts of others; loops count from 1.
        steps: Denoising steps; 0 for the generator's default.
        seed: Seed.
    """

    loop: int
    steps: int = 0
    seed: int = 0

    @property
    def row(self) -> tuple[int, int]:
        """Which row of the table it belongs to: (loop, steps)."""
        return self.loop, self.steps

    @property
    def name(self) -> str:
        """Folder name: ``plain-steps16-seed0``, ``loop2-seed1``."""
        start = {PLAIN: "plain", GIVEN: "given"}.get(self.loop, f"loop{self.loop}")
        return f"{start}{f'-steps{self.steps}' if self.steps else ''}-seed{self.seed}"

    @classmethod
    def parse(cls, name: str) -> RunKey:
        """The inverse of ``name``.

        Raises:
            InvalidInputError: Not such a name.
        """
        match = _RUN.fullmatch(name)
        if match is None:
            raise InvalidInputError(f"{name!r} is not like 'loop2-steps16-seed0'.")
        start = {"plain": PLAIN, "given": GIVEN}.get(match[1])
        loop = int(match[1].removeprefix("loop")) if start is None else start
        return cls(loop, int(match[2] or 0), int(match[3]))
