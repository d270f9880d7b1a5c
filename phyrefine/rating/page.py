"""The page a rater sees: served here, or one file that carries its videos."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from phyrefine._atomic import write_bytes
from phyrefine.errors import InvalidInputError
from phyrefine.rating.answers import COLUMNS, RatingLog
from phyrefine.rating.study import CLIPS
from phyrefine.run.store.disk import read_bytes, writing


def served(log: RatingLog) -> tuple[str, str]:
    """The page as the server shows it, and its content security policy."""
    return _render(log, None)


def write_page(log: RatingLog, path: Path) -> Path:
    """Write one self-contained file for one person.

    It keeps answers in the browser until they are downloaded as CSV, for
    :func:`~phyrefine.rating.answers.add_csv`.

    Args:
        log: The person's; open.
        path: The ``.html`` file; written aside and renamed.

    Raises:
        InvalidInputError: ``path`` is a folder.
        StoreError: A clip of the study is missing, or the file cannot be written.
    """
    if path.is_dir():
        raise InvalidInputError(f"{path} is a folder: name the file, for example rate.html.")
    clips = {}
    for clip in log.study.clips:
        data = read_bytes(log.folder / CLIPS / f"{clip.id}.mp4")
        if data is None:
            raise InvalidInputError(f"The clip {clip.id} of {log.folder} is not there.")
        clips[clip.id] = f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
    text, _ = _render(log, clips)
    with writing(path):
        write_bytes(path, text.encode())
    return path


def told(log: RatingLog) -> dict[str, Any]:
    """What the browser learns: nothing of where a clip is from."""
    clips = log.study.by_id
    return {
        "study": log.study.id,
        "rater": log.rater,
        "columns": COLUMNS,
        "trials": [
            {
                "left": trial.left,
                "right": trial.right,
                "text": log.study.texts[clips[trial.left].scenario],
                "seam": clips[trial.left].seam,
            }
            for trial in log.trials
        ],
        "answers": {number: one.answer for number, one in log.ratings.items()},
    }


def _render(log: RatingLog, clips: dict[str, str] | None) -> tuple[str, str]:
    style, script = _asset("rate.css"), _asset("rate.js")
    policy = (
        f"default-src 'none'; img-src data:; media-src {'blob:' if clips is None else 'data:'}; "
        f"connect-src {chr(39)}{'self' if clips is None else 'none'}{chr(39)}; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    data = json.dumps({**told(log), "clips": clips}).replace("<", "\\u003c")
    text = _environment().get_template("rate.html.jinja").render(
        style=style, script=script, policy=policy, question=log.study.question,
        data=Markup(data),  # noqa: S704 - JSON whose "<" is escaped ends no element
        served=clips is None,
    )  # fmt: skip
    return text, f"{policy}; frame-ancestors 'none'"


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("phyrefine.rating"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def _asset(name: str) -> Markup:
    source, _, _ = PackageLoader("phyrefine.rating").get_source(_environment(), name)
    return Markup(source)  # noqa: S704 - our own file, never anybody's text


def _hash(source: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"
