"""Prompts of a benchmark that is folders of clips: CATEGORY/CLIP/ or CATEGORY/CLIP.mp4."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phyrefine._json import parse_json
from phyrefine.bench.benchmark import Benchmark, Item, Prompts, Wanted, slug
from phyrefine.bench.data.records import read_records, text_in
from phyrefine.errors import InvalidInputError

VIDEOS = (".mp4", ".mov", ".webm", ".mkv", ".avi")
INFO = "info.json"
TABLES = ("prompts.csv", "prompts.json", "prompts.jsonl")


def read_folders(suite: Benchmark, data: Path, wanted: Wanted) -> Prompts:
    """One item for each clip below ``data``, in the order of paths; its folder is its category.

    The prompt of a clip comes from ``prompts.csv`` (or ``.json``, ``.jsonl``) in ``data``, by the
    id of the clip or by its category, else from the ``info.json`` beside it.

    Raises:
        InvalidInputError: No clips, or clips without a prompt.
    """
    if not data.is_dir():
        raise InvalidInputError(f"There is no folder {data}: name the download of {suite.title}.")
    told = _told(data, suite, wanted)
    clips = _clips(data)
    if not clips:
        raise InvalidInputError(f"{data} holds no clips ({', '.join(VIDEOS)}).")
    if wanted.subset is not None:
        clips = [path for path in clips if _category(data, path) == wanted.subset]
        if not clips:
            raise InvalidInputError(f"{data} has no clips in a folder {wanted.subset!r}.")
    items, lacking = [], []
    for number, path in enumerate(clips, 1):
        category, name = _category(data, path), _name(path)
        prompt = told.get(name) or told.get(category) or _from_info(path, suite, wanted)
        if not prompt:
            lacking.append(name)
        else:
            shown = f"{slug(category)}__{slug(name)}" if category else slug(name)
            items.append(Item(shown, prompt, category, (), number, source=path, clip=path))
    if lacking:
        raise InvalidInputError(
            f"{len(lacking)} clips have no prompt, such as {lacking[0]}. Give them in "
            f"{data / TABLES[0]}, with the columns id (a clip's name or its folder's) and prompt."
        )
    notes = []
    if wanted.limit is not None and wanted.limit < len(items):
        notes.append(f"Only the first {wanted.limit} of {len(items)} clips.")
        items = items[: wanted.limit]
    return Prompts(tuple(items), len(clips), data, tuple(notes))


def _told(data: Path, suite: Benchmark, wanted: Wanted) -> dict[str, str]:
    path = next((data / name for name in TABLES if (data / name).is_file()), None)
    if path is None:
        return {}
    prompt = wanted.fields.get("prompt") or "prompt"
    name = wanted.fields.get("id") or "id"
    found = {text_in(row, name): text_in(row, prompt) for row in read_records(path)}
    if not any(key and value for key, value in found.items()):
        raise InvalidInputError(
            f"{path} should have the columns {name} and {prompt} for {suite.title}."
        )
    return found


def _clips(data: Path) -> list[Path]:
    found = (path for path in data.rglob("*") if path.suffix.lower() in VIDEOS and path.is_file())
    return sorted(path for path in found if not path.name.startswith("."))


def _name(path: Path) -> str:
    """The clip's own name; its folder's where each clip has a folder with an ``info.json``."""
    return path.parent.name if (path.parent / INFO).is_file() else path.stem


def _category(data: Path, path: Path) -> str:
    place = path.parent.parent if (path.parent / INFO).is_file() else path.parent
    return place.name if place != data and data in place.parents else ""


def _from_info(path: Path, suite: Benchmark, wanted: Wanted) -> str:
    file = path.parent / INFO
    if not file.is_file():
        return ""
    try:
        info: Any = parse_json(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{file} cannot be read: {error}.") from error
    if not isinstance(info, Mapping):
        raise InvalidInputError(f"{file} should hold an object, not {type(info).__name__}.")
    asked = wanted.fields.get("prompt")
    names = (asked,) if asked is not None else tuple(suite.fields.get("prompt", ()))
    return next((text for name in names if (text := text_in(info, name))), "")
