"""The prompts of a benchmark that comes as a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phyrefine.bench.benchmark import FIELDS, Benchmark, Item, Prompts, Wanted
from phyrefine.bench.data.records import find_file, read_records, text_in
from phyrefine.errors import InvalidInputError


def read_table(suite: Benchmark, data: Path, wanted: Wanted) -> Prompts:
    """Prompts from a table, one item per distinct prompt, in the order of the file.

    Raises:
        InvalidInputError: No such file, no field with prompts, or a subset that is not there.
    """
    path = find_file(data, suite.files, suite.title)
    records = read_records(path)
    names = _field_names(suite, records, wanted, path)
    items: dict[str, tuple[Item, Mapping[str, Any]]] = {}
    empty = repeated = 0
    for number, record in enumerate(records, 1):
        prompt = text_in(record, names["prompt"])
        if not prompt:
            empty += 1
        elif prompt in items:
            repeated += 1
        else:
            items[prompt] = _item(suite, number, record, prompt, names, path.parent), record
    notes = []
    if empty:
        notes.append(f"Rows without a prompt, left out: {empty}.")
    if repeated:
        notes.append(f"Rows that repeat a prompt, each used once: {repeated}.")
    chosen = _chosen(suite, list(items.values()), wanted, notes)
    _require_distinct_names(chosen, suite)
    return Prompts(tuple(chosen), len(items), path, tuple(notes))


def _field_names(
    suite: Benchmark, records: list[dict[str, Any]], wanted: Wanted, path: Path
) -> dict[str, str | None]:
    there = list(dict.fromkeys(name for record in records for name in record))
    for what, name in wanted.fields.items():
        if what not in FIELDS:
            raise InvalidInputError(f"--field takes {', '.join(FIELDS)} on the left, not {what!r}.")
        if name not in there:
            raise InvalidInputError(f"{path} has no field {name!r}: {', '.join(there)}.")
    found: dict[str, str | None] = {}
    for what in FIELDS:
        known = (wanted.fields[what],) if what in wanted.fields else suite.fields.get(what, ())
        found[what] = next((name for name in known if name in there), None)
    if found["prompt"] is None:
        raise InvalidInputError(
            f"{path} has none of the fields {', '.join(suite.fields.get('prompt', ()))} that hold "
            f"the prompts of {suite.title}. It has {', '.join(there)}: say which one with "
            "--field prompt=NAME."
        )
    return found


def _item(
    suite: Benchmark,
    number: int,
    record: Mapping[str, Any],
    prompt: str,
    names: Mapping[str, str | None],
    folder: Path,
) -> Item:
    laws = record.get(names["laws"]) if names["laws"] else None
    told = laws if isinstance(laws, list) else [text_in(record, names["laws"])]
    clip = text_in(record, names["clip"])
    return Item(
        suite.clip_name(number, record, prompt),
        prompt,
        text_in(record, names["category"]),
        tuple(str(law) for law in told if law),
        number,
        clip=_found_clip(folder, clip) if clip else None,
    )


def _found_clip(folder: Path, name: str) -> Path | None:
    """A clip that a field names, beside the table or in a folder of videos near it."""
    file = name if "." in Path(name).name else f"{name}.mp4"
    near = (folder, folder / "videos", folder.parent / "videos", folder.parent)
    return next((place / file for place in near if (place / file).is_file()), None)


def _chosen(
    suite: Benchmark,
    items: list[tuple[Item, Mapping[str, Any]]],
    wanted: Wanted,
    notes: list[str],
) -> list[Item]:
    total = len(items)
    if wanted.subset is not None:
        if wanted.subset not in suite.subsets:
            known = ", ".join(suite.subsets) or "none"
            raise InvalidInputError(
                f"{suite.title} has no subset {wanted.subset!r}. Subsets: {known}."
            )
        belongs = suite.subsets[wanted.subset]
        items = [one for one in items if belongs(one[1])]
        if not items:
            raise InvalidInputError(f"No prompt of the file belongs to {wanted.subset!r}.")
        notes.append(f"Subset {wanted.subset}: {len(items)} of {total} prompts.")
    if wanted.limit is not None and wanted.limit < len(items):
        notes.append(f"Only the first {wanted.limit} of {len(items)} prompts.")
        items = items[: wanted.limit]
    return [item for item, _ in items]


def _require_distinct_names(items: list[Item], suite: Benchmark) -> None:
    seen: dict[str, Item] = {}
    for item in items:
        other = seen.setdefault(item.name, item)
        if other is not item:
            raise InvalidInputError(
                f"Rows {other.number} and {item.number} of {suite.title} would both be called "
                f"{item.name}: their ids must differ."
            )
