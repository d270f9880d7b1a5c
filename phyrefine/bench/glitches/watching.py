"""A critic on annotated clips; what it said is kept, clip by clip."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from phyrefine.bench.benchmark import slug
from phyrefine.bench.glitches.annotations import Annotated
from phyrefine.bench.glitches.times import Span
from phyrefine.errors import PhyrefineError
from phyrefine.identities import identity
from phyrefine.protocols import VLM
from phyrefine.refine import stages
from phyrefine.refine.stages import Method
from phyrefine.run.many import run_many
from phyrefine.run.store.disk import read_json, write_json
from phyrefine.types import Scenario
from phyrefine.video.clip import Clip

UNNAMED = "what the clip shows"


@frozen
class Seen:
    """What a critic says of one clip.

    Attributes:
        found: Violations it lists.
        times: Stretches of time of those that have one.
        duration: Of the clip, in seconds.
        usable: It said something usable.
    """

    found: int
    times: tuple[Span, ...]
    duration: float
    usable: bool = True


def watch_clips(
    vlm: VLM,
    clips: Sequence[Annotated],
    folder: Path,
    *,
    workers: int = 4,
    progress: bool = False,
) -> tuple[dict[str, Seen], list[str]]:
    """Ask a critic about every clip; what is kept from an earlier call is not asked again.

    Args:
        vlm: The critic; asked as in a run, with its second look at clips it calls clean.
        clips: What to watch.
        folder: What it said lies in ``CRITIC/CLIP.json``.
        workers: Clips under way at once.
        progress: Show a bar.

    Returns:
        What it said by name of the clip, and a line for each clip that could not be watched.

    Raises:
        BackendError: The critic could not be asked about the first clip.
    """
    critic = hashlib.blake2b(identity(vlm).encode(), digest_size=6).hexdigest()
    place = folder / f"critic-{critic}"
    write_json(place / "critic.json", {"identity": identity(vlm)})
    found: dict[str, Seen] = {}
    waiting = []
    for one in clips:
        kept = _kept(place, one)
        if kept is None:
            waiting.append(one)
        else:
            found[one.name] = kept
    failed: list[str] = []

    def work(one: Annotated) -> Seen:
        seen = _watch(vlm, one)
        record = {
            "clip": _size(one.path), "found": seen.found, "duration": seen.duration,
            "usable": seen.usable, "times": [[span.start, span.end] for span in seen.times],
        }  # fmt: skip
        write_json(_file(place, one), record)
        return seen

    for one in waiting[:1]:
        found[one.name] = work(one)
    for outcome in run_many(work, waiting[1:], workers=workers, progress=progress):
        if outcome.result is not None:
            found[outcome.item.name] = outcome.result
        elif isinstance(outcome.error, PhyrefineError):
            failed.append(f"{outcome.item.path}: {type(outcome.error).__name__}: {outcome.error}")
        elif outcome.error is not None:
            raise outcome.error
    return found, failed


def _watch(vlm: VLM, one: Annotated) -> Seen:
    clip = Clip.read(one.path)
    critique = stages.critique(vlm, clip, Scenario(one.caption or UNNAMED), Method())
    if critique is None:
        return Seen(0, (), clip.duration, usable=False)
    times = tuple(
        Span(broken.start, max(broken.start, broken.end or broken.start))
        for broken in critique.violations
        if broken.start is not None
    )
    return Seen(len(critique.violations), times, clip.duration)


def _file(place: Path, one: Annotated) -> Path:
    mark = hashlib.blake2b(one.name.encode(), digest_size=4).hexdigest()
    return place / f"{slug(Path(one.name).stem)}-{mark}.json"


def _kept(place: Path, one: Annotated) -> Seen | None:
    try:
        record: Any = read_json(_file(place, one))
    except ValueError:
        return None
    if not isinstance(record, Mapping) or record.get("clip") != _size(one.path):
        return None
    times = tuple(Span(start, end) for start, end in record["times"])
    return Seen(record["found"], times, record["duration"], record["usable"])


def _size(path: Path) -> int:
    return path.stat().st_size
