"""What a run folder can lose, what each loss means, and losing it."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from attrs import frozen

from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.run.endings import ended_well
from phyrefine.run.following.follower import Follower
from phyrefine.run.results import REFINEMENT, SHOWN, VIDEOS, video_name
from phyrefine.run.store.disk import read_json, writing
from phyrefine.run.store.lock import RunLock
from phyrefine.types import JSON

Part = Literal["leftovers", "unused", "chunks", "videos", "store"]
PARTS: tuple[Part, ...] = ("leftovers", "unused", "chunks", "videos", "store")
LOSES: dict[Part, str] = {
    "leftovers": "nothing: parts of killed writes, and damaged entries that were set aside",
    "unused": "nothing: clips that no stored reply and no result names",
    "chunks": "parts of finished clips: only a later search in this folder would make them again",
    "videos": "the videos that browsers play, until the same command writes them again",
    "store": "every reply and lossless clip: reports, replays and other rules need them, and the "
    "same command would make and pay for everything again",
}
_CHUNK = re.compile(r"(?:chunk|end)\d+-")


@frozen
class Removable:
    """Files that can go.

    Attributes:
        part: Which part of the folder.
        files: The files.
        bytes: Of all of them.
        refused: Why they cannot go now; empty if they can.
    """

    part: Part
    files: tuple[Path, ...]
    bytes: int
    refused: str = ""


def removable(run_dir: Path) -> list[Removable]:
    """Everything a run folder can lose, part by part; nothing is changed.

    Raises:
        StoreError: A result or a stored reply cannot be read.
    """
    results, unfinished = _results(run_dir)
    named = {digest for result in results for digest in _clips_in(result)}
    replies = _replies(run_dir / "store")
    chunks = {path: clips for path, clips in replies.items() if _CHUNK.match(path.name)}
    whole = {path: clips for path, clips in replies.items() if path not in chunks}
    kept = _with_native(run_dir, named.union(*whole.values()))
    all_kept = _with_native(run_dir, kept.union(*chunks.values()))
    unused = [path for path in _clip_files(run_dir) if path.stem not in all_kept]
    of_chunks = [
        path for path in _clip_files(run_dir) if path.stem in all_kept and path.stem not in kept
    ]
    wait = f"{unfinished[0]} is not finished" if unfinished else ""
    searched = any(_searched(result) for result in results)
    no_videos = _lacks_videos(run_dir, results) if results else "no result is there"
    parts: list[tuple[Part, Sequence[Path], str]] = [
        ("leftovers", _leftovers(run_dir), ""),
        ("unused", unused, ""),
        ("chunks", [*chunks, *of_chunks], wait or ("searches need them" if searched else "")),
        ("videos", _videos(run_dir), "" if (run_dir / "store").is_dir() else "the store is gone"),
        ("store", _files(run_dir / "store"), wait or no_videos),
    ]
    return [
        Removable(part, tuple(files), sum(path.stat().st_size for path in files), why)
        for part, files, why in parts
    ]


def remove(run_dir: Path, parts: Sequence[Part]) -> int:
    """Delete parts of a run folder that no process is using; gives the bytes that were freed.

    Raises:
        RunLockedError: A process is at work there.
        InvalidInputError: A part cannot go now; nothing was deleted then.
        StoreError: A file cannot be deleted.
    """
    with contextlib.ExitStack() as locked:
        # A benchmark and a sweep hold theirs all the time, their run folders' only now and then.
        around = [path for name in ("generating*.lock", "sweep.lock")
                  for path in run_dir.parent.glob(name)]  # fmt: skip
        for path in sorted({run_dir / "run.lock", *run_dir.glob("run-*.lock"), *around}):
            locked.enter_context(RunLock(path))
        found = [one for one in removable(run_dir) if one.part in parts]
        for one in found:
            if one.refused and one.files:
                raise InvalidInputError(f"{one.part} of {run_dir} must stay: {one.refused}.")
        gone = {path: path.stat().st_size for one in found for path in one.files}
        for path in gone:
            with writing(path):
                path.unlink(missing_ok=True)
        if "store" in parts:
            shutil.rmtree(run_dir / "store", ignore_errors=True)  # its empty folders
    return sum(gone.values())


def _results(run_dir: Path) -> tuple[list[JSON], list[str]]:
    """Results that are there, and names of scenarios that were begun without a finished one."""
    results, unfinished = [], []
    begun = {
        name
        for run in Follower(run_dir).look().runs
        for name, one in run.scenarios.items()
        if one.state != "waiting"
    }
    written = {path.name for path in (run_dir / "scenarios").glob("*")}
    for name in sorted(begun | written):
        result = _json(run_dir / "scenarios" / name / REFINEMENT)
        if result is None or not ended_well(str(result.get("stopped_by"))):
            unfinished.append(name)
        if result is not None:
            results.append(result)
    return results, unfinished


def _json(path: Path) -> JSON | None:
    try:
        return read_json(path)
    except ValueError as error:
        raise StoreError(
            f"{path} is damaged: {error}. Run the same command again first."
        ) from error


def _replies(store: Path) -> dict[Path, set[str]]:
    """Stored replies, and the clips each names."""
    return {path: set(_clips_in(_json(path))) for path in sorted(store.glob("replies/*/*.json"))}


def _clips_in(value: JSON) -> Iterator[str]:
    """Digests of every clip that a JSON value names."""
    if isinstance(value, dict):
        if "clip" in value and "frames" in value and isinstance(value["clip"], str):
            yield value["clip"]
            if isinstance(value.get("native"), str):
                yield value["native"]
        for item in value.values():
            yield from _clips_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _clips_in(item)


def _with_native(run_dir: Path, digests: set[str]) -> set[str]:
    """These clips and the native ones that their cards name."""
    whole = set(digests)
    for digest in digests:
        card = _json(run_dir / "store" / "clips" / digest[:2] / f"{digest}.json") or {}
        if isinstance(card.get("native"), str):
            whole.add(card["native"])
    return whole


def _clip_files(run_dir: Path) -> list[Path]:
    folder = run_dir / "store" / "clips"
    return [path for path in sorted(folder.glob("*/*")) if path.suffix in (".mkv", ".json")
            and not path.name.startswith(".")]  # fmt: skip


def _leftovers(run_dir: Path) -> list[Path]:
    return sorted({*run_dir.rglob(".*.part*"), *run_dir.rglob("*.damaged")})


def _videos(run_dir: Path) -> list[Path]:
    found = run_dir.glob(f"scenarios/*/{VIDEOS}/*")
    return sorted(path for path in found if path.suffix == ".mp4" or path.name == SHOWN)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _searched(result: JSON) -> bool:
    return any(
        candidate.get("search") is not None
        for attempt in result["attempts"]
        for candidate in attempt["candidates"]
    )


def _lacks_videos(run_dir: Path, results: Sequence[JSON]) -> str:
    """What would be lost altogether with the store: clips without a video."""
    for folder, result in zip(
        sorted(path.parent for path in run_dir.glob(f"scenarios/*/{REFINEMENT}")),
        results,
        strict=True,
    ):
        for position, attempt in enumerate(result["attempts"]):
            for number in range(len(attempt["candidates"])):
                video = folder / VIDEOS / video_name(position, number)
                if not video.exists():
                    return f"{video} is not there, and the store holds its only copy"
    return ""
