"""A row of the table of judges: everything that makes one judge's numbers its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

Parser = Literal["rating", "keys", "labels", "assessable"]


@frozen
class RowQuestion:
    """One call of a judge.

    Attributes:
        key: What it rates; names the file of its wording, ``ROW.KEY.txt``.
        gives: Scores that the reply holds.
        each_law: Asked once for each law that applies; the reply's key is the law's name.
    """

    key: str
    gives: tuple[str, ...]
    each_law: bool = False


@frozen
class JudgeRow:
    """One judge.

    Attributes:
        name: As it is typed.
        title: As its authors write it.
        model: The weights, and what they stand on.
        serving: How it becomes a VLM of phyrefine.
        questions: Its calls for each clip.
        parser: How a reply is read, see :mod:`phyrefine.bench.judges.parsers`.
        labels: What a reply calls its scores, where that differs from ours.
        fps: Frames a second that it sees; ``None`` where a number of frames is fixed.
        frames: Frames that it sees, spread evenly; with ``fps`` the most of them.
        pixels: Most pixels (height x width) of a frame; ``None`` for no limit.
        tokens: Most new tokens of a reply.
        temperature: As published; ``None`` where nothing is.
        system: System message, empty for none. A published template may bring another.
        means: What each score means, on the scale ``low`` to ``high``.
        marks: The least score that passes, by score.
        told_laws: It is told the law that a benchmark names for a prompt.
        joint: Scores that must all pass for the joint share; empty where it rates one thing only.
        joint_published: Whether that joint share and its marks are the authors' own.
        published: The authors' file that holds the wording it was trained on; empty if the wording
            is ours.
        published_keys: Where in that file the wording of each question stands.
        traps: What makes its numbers wrong or incomparable.
        verified: Which of these facts were seen where, and which were not.
        sources: Addresses.
    """

    name: str
    title: str
    model: str
    serving: str
    questions: tuple[RowQuestion, ...]
    parser: Parser
    labels: Mapping[str, str] = field(factory=dict, kw_only=True)
    fps: float | None = field(default=None, kw_only=True)
    frames: int = field(default=32, kw_only=True)
    pixels: int | None = field(default=None, kw_only=True)
    tokens: int = field(default=128, kw_only=True)
    temperature: float | None = field(default=None, kw_only=True)
    system: str = field(default="", kw_only=True)
    means: Mapping[str, str] = field(factory=dict, kw_only=True)
    low: int = field(default=1, kw_only=True)
    high: int = field(default=5, kw_only=True)
    marks: Mapping[str, float] = field(factory=dict, kw_only=True)
    told_laws: bool = field(default=False, kw_only=True)
    joint: tuple[str, ...] = field(default=("sa", "pc"), kw_only=True)
    joint_published: bool = field(default=False, kw_only=True)
    published: str = field(default="", kw_only=True)
    published_keys: Mapping[str, str] = field(factory=dict, kw_only=True)
    traps: tuple[str, ...] = field(default=(), kw_only=True)
    verified: str = field(default="", kw_only=True)
    sources: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def looks(self) -> str:
        """What it sees, in words."""
        seen = f"{self.fps:g} fps, at most {self.frames} frames" if self.fps else (
            f"{self.frames} frames, spread evenly")  # fmt: skip
        return seen + (f", at most {self.pixels} pixels each" if self.pixels else "")
