"""Finished refinements on disk: one folder each, with videos that browsers play."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from attrs import evolve

from phyrefine._secrets import scrub_json
from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.protocols import Store
from phyrefine.run.store.disk import read_json, write_json, writing
from phyrefine.run.store.store import FolderStore
from phyrefine.serialize import Fetch, canonical, from_json, to_json
from phyrefine.types import JSON, Refinement, Scenario, Usage
from phyrefine.video.clip import Clip

REFINEMENT = "refinement.json"
USAGE = "usage.json"
VIDEOS = "videos"
SHOWN = "shown.json"
OWN_STORE = "store"
NAME_CHARS = 40


def folder_name(scenario: Scenario) -> str:
    """A readable name that no other scenario has."""
    plain = unicodedata.normalize("NFKD", scenario.name or scenario.description)
    words = re.sub(r"[^a-z0-9]+", "-", plain.encode("ascii", "ignore").decode().lower())
    digest = hashlib.blake2b(canonical(to_json(scenario)), digest_size=4).hexdigest()
    return f"{words[:NAME_CHARS].strip('-') or 'scenario'}-{digest}"


def video_name(attempt: int, candidate: int = 0) -> str:
    """File of one clip, by position in the pool as :class:`~phyrefine.types.Pick` counts."""
    return f"attempt-{attempt}.mp4" if not candidate else f"attempt-{attempt}-{candidate}.mp4"


_NO_CLIP = Clip(np.zeros((1, 2, 2, 3), np.uint8), 24.0)


def write_refinement(folder: Path, refinement: Refinement, store: Store) -> None:
    """Write a refinement, its usage and its videos; ``refinement.json`` comes last.

    What it took (``usage.json``) is apart from what came out, so that ``refinement.json`` of a
    resumed run equals that of an uninterrupted one byte for byte. Videos already there are kept.

    Raises:
        StoreError: The disk is full or may not be written.
    """
    _write_videos(folder / VIDEOS, refinement)
    outcome = scrub_json(to_json(refinement, keep=store.put_clip))
    usage = {
        "total": outcome.pop("usage"),
        "attempts": [attempt.pop("usage") for attempt in outcome["attempts"]],
    }
    write_json(folder / USAGE, usage)
    write_json(folder / REFINEMENT, outcome)


def read_refinement(folder: Path, store: Store | None = None) -> Refinement:
    """Read a refinement back, clips and all.

    Args:
        folder: The folder :func:`write_refinement` wrote.
        store: Where its clips are; by default the store of the run folder around it.

    Raises:
        StoreError: A file or a clip is missing or damaged.
    """
    path = folder / REFINEMENT
    outcome = _required(path)
    usage = _required(folder / USAGE)
    store = store or FolderStore(folder.parent.parent / "store")

    def fetch(digest: str) -> Clip:
        clip = store.get_clip(digest)
        if clip is None:
            raise StoreError(
                f"A clip of {folder} is lost or damaged: {digest} is not in its store. Run the "
                "same command again to make it anew."
            )
        return clip

    return _structured(path, outcome, usage, fetch)


def read_without_clips(folder: Path) -> Refinement:
    """Read what a refinement says, quickly, also where its clips are gone.

    Every clip is one black frame of 2×2 pixels: for tables of prompts, verdicts and scores.

    Raises:
        StoreError: A file is missing or damaged.
    """
    path = folder / REFINEMENT
    outcome, usage = _required(path), _required(folder / USAGE)
    return _structured(path, outcome, usage, lambda _: _NO_CLIP)


def _structured(path: Path, outcome: JSON, usage: JSON, fetch: Fetch) -> Refinement:
    try:
        refinement = from_json(outcome, Refinement, fetch=fetch)
        attempts = zip(refinement.attempts, usage["attempts"], strict=True)
        return evolve(
            refinement,
            attempts=tuple(evolve(one, usage=from_json(took, Usage)) for one, took in attempts),
            usage=from_json(usage["total"], Usage),
        )
    except (InvalidInputError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path} is damaged or from another version: {error} Run the same command again to "
            "write it anew; nothing stored is paid for twice."
        ) from error


def save(refinement: Refinement, folder: str | Path) -> Path:
    """Write a refinement into a folder of its own, with a store of its clips.

    Raises:
        StoreError: The folder cannot be written.
    """
    folder = Path(folder)
    write_refinement(folder, refinement, FolderStore(folder / OWN_STORE))
    return folder


def load(folder: str | Path) -> Refinement:
    """Read what :func:`save` wrote, or a scenario's folder in a run folder.

    Raises:
        StoreError: A file or a clip is missing or damaged.
    """
    folder = Path(folder)
    own = folder / OWN_STORE
    return read_refinement(folder, FolderStore(own) if own.is_dir() else None)


def refinement_folders(run_dir: str | Path) -> Iterator[Path]:
    """Folders of the finished refinements of a run, in name order."""
    for path in sorted(Path(run_dir).glob(f"scenarios/*/{REFINEMENT}")):
        yield path.parent


def _required(path: Path) -> JSON:
    try:
        value = read_json(path)
    except ValueError as error:
        raise StoreError(f"{path} is damaged: {error}. Run the same command again.") from error
    if value is None:
        raise StoreError(f"{path} is not there: no refinement was finished in {path.parent}.")
    return value


def _write_videos(folder: Path, refinement: Refinement) -> None:
    try:
        shown = read_json(folder / SHOWN) or {}
    except ValueError:
        shown = {}
    wanted: dict[str, Clip] = {
        video_name(position, number): candidate.clip
        for position, attempt in enumerate(refinement.attempts)
        for number, candidate in enumerate(attempt.candidates)
    }
    new = [name for name, clip in wanted.items() if shown.get(name) != clip.digest]
    for name in new:
        with writing(folder / name):
            wanted[name].write(folder / name)
    if new:
        write_json(folder / SHOWN, {name: clip.digest for name, clip in wanted.items()})
