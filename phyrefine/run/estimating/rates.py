"""What one clip and one question take, as measured in journals or as stated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, evolve, frozen

from phyrefine import registry
from phyrefine.errors import InvalidInputError
from phyrefine.run.journal import read_journal


@frozen
class Rates:
    """What one clip and one question take; ``None`` where it is not known.

    Attributes:
        clip_seconds: Seconds that one clip takes, waiting for a free device left out.
        clip_gpu_seconds: Of these, seconds on a GPU of this machine; a service's are none.
        clip_usd: US dollars of one clip.
        vlm_usd: US dollars of one question to the VLM.
        llm_usd: US dollars of one question to the LLM.
        clips: Clips that were measured; 0 where the figures are stated.
    """

    clip_seconds: float | None = None
    clip_gpu_seconds: float | None = None
    clip_usd: float | None = None
    vlm_usd: float | None = None
    llm_usd: float | None = None
    clips: float = 0.0

    def or_else(self, other: Rates) -> Rates:
        """These rates; those of ``other`` where one is not known here."""
        names = ("clip_seconds", "clip_gpu_seconds", "clip_usd", "vlm_usd", "llm_usd")
        lacking = {name: getattr(other, name) for name in names if getattr(self, name) is None}
        return evolve(self, clips=self.clips or other.clips, **lacking)


@define
class _Sum:
    calls: int = 0
    clips: float = 0.0
    seconds: float = 0.0
    gpu_seconds: float = 0.0
    usd: float | None = 0.0

    def add(self, usage: Mapping[str, Any]) -> None:
        self.calls += usage.get("calls", 0)
        self.clips += usage.get("clips", 0.0)
        self.seconds += usage.get("seconds", 0.0)
        self.gpu_seconds += usage.get("gpu_seconds", 0.0)
        price = usage.get("usd", 0.0)
        self.usd = None if self.usd is None or price is None else self.usd + price


def measured(journals: Iterable[Path]) -> Rates:
    """Means over every call that these journals tell of; failed calls count as what they took.

    Args:
        journals: ``events*.jsonl`` of run folders.
    """
    sums = {"vlm": _Sum(), "llm": _Sum(), "clip": _Sum()}
    for path in journals:
        for event in read_journal(path):
            usage = event.get("usage") if isinstance(event, dict) else None
            if not isinstance(usage, dict) or event.get("event") != "call":
                continue
            role = {"generate": "clip", "compose": "llm"}.get(str(event.get("stage")), "vlm")
            sums[role].add(usage)
    clip, vlm, llm = sums["clip"], sums["vlm"], sums["llm"]
    return Rates(
        _per(clip.seconds, clip.clips),
        _per(clip.gpu_seconds, clip.clips),
        _per(clip.usd, clip.clips),
        _per(vlm.usd, vlm.calls),
        _per(llm.usd, llm.calls),
        clip.clips,
    )


def _per(total: float | None, count: float) -> float | None:
    return total / count if count and total is not None else None


def known_by_name(vlm: str, llm: str, generator: str) -> Rates:
    """What names alone tell: what needs no key costs nothing, a service takes no GPU of ours.

    Nothing is loaded, but names and options are checked as a run would check them.

    Args:
        vlm: Name of the VLM, as :func:`phyrefine.registry.make` takes it.
        llm: Name of the LLM.
        generator: Name of the video generator.

    Raises:
        UnknownBackendError: A name stands for nothing, or cannot play its role.
        InvalidInputError: A backend has no such option.
    """
    critic, writer, maker = (
        _needs_key("vlm", vlm),
        _needs_key("llm", llm),
        _needs_key("generator", generator),
    )
    return Rates(
        clip_gpu_seconds=0.0 if maker else None,
        clip_usd=0.0 if maker is False else None,
        vlm_usd=0.0 if critic is False else None,
        llm_usd=0.0 if writer is False else None,
    )


def _needs_key(role: registry.Role, spec: str) -> bool | None:
    """Whether a backend is a service with a key; ``None`` for one's own factory."""
    maker = registry.maker(role, spec)
    maker.values({})
    return None if maker.backend is None else bool(maker.backend.keys)


def journals_of(folder: Path) -> list[Path]:
    """Journals in a run folder, or in the run folders of a benchmark or a sweep."""
    return sorted({*folder.glob("events*.jsonl"), *folder.glob("*/events*.jsonl")})


def require_measured(folders: Iterable[Path]) -> Rates:
    """Rates measured in these run folders together.

    Raises:
        InvalidInputError: A folder holds no journal of a run.
    """
    found: list[Path] = []
    for folder in folders:
        journals = journals_of(folder)
        if not journals:
            raise InvalidInputError(
                f"{folder} has no events.jsonl to measure from: pass the folder of an earlier run."
            )
        found += journals
    return measured(found)
