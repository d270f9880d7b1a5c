"""Prompts of others: one for each sample, in any dialect, as a row of the table beside ours."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from phyrefine._json import parse_json
from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.types import Prompt


@frozen
class GivenPrompts:
    """Prompts by sample name.

    Attributes:
        prompts: One for each sample of the data set.
        digest: Of everything in them; a benchmark folder belongs to one.
    """

    prompts: Mapping[str, Prompt] = field(factory=dict)
    digest: str = ""


def read_given(path: Path, dataset: PhysicsIQ) -> GivenPrompts:
    """Prompts from a file.

    A ``.csv`` file has the columns ``sample`` and ``prompt``, and may have ``negative``. A
    ``.json`` file maps sample names to a text, or to an object with ``prompt`` and, if wanted,
    ``negative`` and ``chunks`` (a list of texts); an object as the prompt itself is a JSON prompt.

    Args:
        path: The file.
        dataset: Every sample of it needs a prompt.

    Raises:
        InvalidInputError: It cannot be read, has another shape, or lacks samples.
    """
    try:
        text = path.read_text("utf-8-sig")
        found = _from_csv(text) if path.suffix.lower() == ".csv" else parse_json(text)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InvalidInputError(f"The prompts {path} cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise InvalidInputError(f"{path} should map sample names to prompts.")
    prompts = {name: _prompt(found[name], name, path) for name in found}
    names = [sample.name for sample in dataset.samples]
    lacking = [name for name in names if name not in prompts]
    if lacking:
        raise InvalidInputError(
            f"{path} lacks prompts of {len(lacking)} of {len(names)} samples, such as {lacking[0]}."
        )
    kept = {name: prompts[name] for name in names}
    said = [[n, p.text, p.negative, list(p.chunks)] for n, p in kept.items()]
    digest = hashlib.blake2b(json.dumps(said).encode(), digest_size=8).hexdigest()
    return GivenPrompts(kept, digest)


def _from_csv(text: str) -> dict[str, Any]:
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows or not {"sample", "prompt"} <= rows[0].keys():
        raise ValueError("a CSV file needs the columns sample and prompt")
    return {row["sample"]: {**row, "negative": row.get("negative") or ""} for row in rows}


def _prompt(given: Any, name: str, path: Path) -> Prompt:
    whole = given if isinstance(given, dict) else {"prompt": given}
    text, chunks = whole.get("prompt"), whole.get("chunks") or []
    if isinstance(text, dict):
        text = json.dumps(text, ensure_ascii=False)
    fine = isinstance(text, str) and text.strip() and isinstance(chunks, list)
    if not fine or not all(isinstance(chunk, str) for chunk in chunks):
        raise InvalidInputError(f"{path}: the prompt of {name} should be a text, not {given!r}.")
    return Prompt(str(text).strip(), whole.get("negative") or None, chunks=tuple(chunks))
