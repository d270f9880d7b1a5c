"""Glitches that people annotated in clips, as Physion-Eval has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from phyrefine.bench.data.records import find_file, is_true, read_records, text_in
from phyrefine.bench.glitches.times import Span, times_in
from phyrefine.errors import InvalidInputError

FILES = ("Physion_Eval_*.json", "all_metadata_with_caption.json", "*.json", "*.jsonl", "*.csv")
FIELDS: Mapping[str, Sequence[str]] = {
    "clip": ("filename", "video", "videopath", "id"),
    "flag": ("has_glitches", "glitch"),
    "text": ("reasoning", "explanation"),
    "start": ("start", "start_time", "glitch_start"),
    "end": ("end", "end_time", "glitch_end"),
    "category": ("Glitch_Category", "category"),
    "caption": ("caption", "prompt"),
}


@frozen
class Annotated:
    """One clip and what people saw in it.

    Attributes:
        name: Of the clip, as the file has it.
        path: The clip.
        glitches: Times of its glitches; empty for a clean clip, and where none could be read.
        faulty: Whether people saw a glitch in it.
        untimed: Descriptions of glitches in which no time could be read.
        category: Of its first glitch.
        caption: What it shows.
    """

    name: str
    path: Path
    glitches: tuple[Span, ...]
    faulty: bool
    untimed: int = 0
    category: str = ""
    caption: str = ""


def read_annotations(
    data: Path,
    videos: Path | None = None,
    *,
    fields: Mapping[str, str] | None = None,
    shift: float = 0.0,
    fps: float | None = None,
) -> tuple[tuple[Annotated, ...], Path, int]:
    """Clips with their glitches, records of one clip together.

    Args:
        data: The download, or its file of annotations.
        videos: Folder of the clips; by default beside the file, or its ``videos``.
        fields: Names of fields by what they hold, see ``FIELDS``.
        shift: Seconds to add to every annotated time.
        fps: Frames per second, for times given in frames.

    Returns:
        The clips that are there, the file, and how many clips are not there.

    Raises:
        InvalidInputError: No such file or field, or none of its clips.
    """
    path = find_file(data, FILES, "the annotations")
    records = read_records(path)
    names = _names(records, fields or {}, path)
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        grouped.setdefault(text_in(record, names["clip"]), []).append(record)
    grouped.pop("", None)
    places = [videos] if videos is not None else [path.parent, path.parent / "videos"]
    found, absent = [], 0
    for name, group in grouped.items():
        clip = _file(name, places)
        if clip is None:
            absent += 1
        else:
            found.append(_annotated(name, clip, group, names, shift, fps))
    if not found:
        raise InvalidInputError(
            f"None of the {len(grouped)} clips of {path} is in {' or '.join(map(str, places))}: "
            "unpack the videos, and name their folder with --videos."
        )
    return tuple(found), path, absent


def _names(
    records: list[dict[str, Any]], fields: Mapping[str, str], path: Path
) -> dict[str, str | None]:
    there = list(dict.fromkeys(name for record in records for name in record))
    for what, name in fields.items():
        if what not in FIELDS:
            raise InvalidInputError(f"--field takes {', '.join(FIELDS)} on the left, not {what!r}.")
        if name not in there:
            raise InvalidInputError(f"{path} has no field {name!r}: {', '.join(there)}.")
    names = {
        what: fields.get(what) or next((name for name in known if name in there), None)
        for what, known in FIELDS.items()
    }
    if names["clip"] is None or (names["flag"] is None and names["start"] is None):
        raise InvalidInputError(
            f"{path} should name a clip ({', '.join(FIELDS['clip'])}) and say whether it has "
            f"glitches ({', '.join(FIELDS['flag'])}). It has {', '.join(there)}: say which with "
            "--field clip=NAME --field flag=NAME."
        )
    return names


def _file(name: str, places: Sequence[Path]) -> Path | None:
    file = name if Path(name).suffix else f"{name}.mp4"
    return next((place / file for place in places if (place / file).is_file()), None)


def _annotated(
    name: str,
    clip: Path,
    group: Sequence[Mapping[str, Any]],
    names: Mapping[str, str | None],
    shift: float,
    fps: float | None,
) -> Annotated:
    spans: list[Span] = []
    faulty, untimed, category = False, 0, ""
    for record in group:
        told = _told(record, names, fps)
        flagged = is_true(record.get(names["flag"])) if names["flag"] else bool(told)
        if not flagged:
            continue
        faulty = True
        category = category or text_in(record, names["category"])
        spans += [span.moved(shift) for span in told]
        untimed += not told
    caption = next((text for one in group if (text := text_in(one, names["caption"]))), "")
    return Annotated(
        name, clip, tuple(sorted(dict.fromkeys(spans))), faulty, untimed, category, caption
    )


def _told(
    record: Mapping[str, Any], names: Mapping[str, str | None], fps: float | None
) -> tuple[Span, ...]:
    """Times from fields of their own, else from the text."""
    start, end = text_in(record, names["start"]), text_in(record, names["end"])
    if start:
        try:
            first = float(start)
            return (Span(first, max(first, float(end or start))),)
        except ValueError:
            return times_in(f"{start} to {end}" if end else start, fps)
    return times_in(text_in(record, names["text"]), fps)
