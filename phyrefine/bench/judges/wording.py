"""What a judge is asked: its authors' words from the user's download, or ours."""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from attrs import frozen

from phyrefine._json import parse_json
from phyrefine._optional import require
from phyrefine.bench.judges.row import JudgeRow
from phyrefine.errors import InvalidInputError

# Names that templates use for the same thing.
_PLACES = {
    "caption": "prompt", "prompt": "prompt", "t2v_prompt": "prompt", "description": "prompt",
    "law": "law", "criteria": "criteria", "criterion": "criteria",
    "questions_block": "questions", "questions": "questions", "laws": "laws",
}  # fmt: skip
_PLACE = re.compile(r"\{\{|\}\}|\{([a-z_]\w*)\}|\$\{?([a-z_]\w*)\}?")


@frozen
class Wording:
    """The texts of a judge.

    Attributes:
        texts: By question, with places to fill in.
        system: System message.
        source: Whose words they are, for tables.
        published: They are the authors' own.
    """

    texts: Mapping[str, str]
    system: str
    source: str
    published: bool = False

    @property
    def digest(self) -> str:
        """Of every word."""
        said = json.dumps([self.system, dict(sorted(self.texts.items()))])
        return hashlib.blake2b(said.encode(), digest_size=6).hexdigest()

    def text(self, key: str, prompt: str, law: str | None = None, laws: Sequence[str] = ()) -> str:
        """A question with everything filled in.

        Args:
            key: Which question.
            prompt: What the clip was asked to show.
            law: The law it is about, for a judge of laws.
            laws: What the benchmark says of the physics of the prompt.

        Raises:
            InvalidInputError: The template has a place that nothing here can fill.
        """
        values = {"prompt": prompt, "law": law or "", "criteria": ""}
        values["questions"] = general_questions(key)
        values["laws"] = (
            f"Its physics, as the benchmark states it: {'; '.join(laws)}" if laws else ""
        )
        if law is not None:
            values |= law_texts(law)

        def fill(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            if name is None:  # a doubled brace is a brace
                return found[0][0]
            if name not in _PLACES:
                raise InvalidInputError(
                    f"The template of {self.source} has a place {name!r} that is not known here: "
                    f"{', '.join(_PLACES)}."
                )
            return values[_PLACES[name]]

        return _PLACE.sub(fill, self.texts[key])


@functools.cache
def _laws() -> dict[str, Any]:
    text = files("phyrefine.bench.judges").joinpath("wordings/laws.json").read_text("utf-8")
    found: dict[str, Any] = parse_json(text)
    return found


def law_names() -> tuple[str, ...]:
    """Laws that a judge can be asked about."""
    return tuple(_laws()["laws"])


def law_texts(law: str) -> dict[str, str]:
    """``criteria`` and ``questions`` of a law, in our words.

    Raises:
        InvalidInputError: No such law.
    """
    if law not in _laws()["laws"]:
        raise InvalidInputError(f"No law called {law!r}: {', '.join(law_names())}.")
    entry = _laws()["laws"][law]
    return {"criteria": entry["criterion"], "questions": _numbered(entry["questions"])}


def general_questions(key: str) -> str:
    """What to consider for a question that is not about a law, in our words."""
    return _numbered(_laws()["general"].get(key, ["What does the video show, second by second?"]))


def _numbered(questions: list[str]) -> str:
    return "\n".join(f"q{number}: {text}" for number, text in enumerate(questions, 1))


def wording_of(row: JudgeRow, template: Path | None = None) -> Wording:
    """The texts of a judge: from its authors' file, or ours.

    Args:
        row: The judge.
        template: Its authors' file: ``.yaml``, ``.json`` or ``.py`` with the wording under the
            row's ``published_keys``, or ``.txt`` with the one question of a judge that has one.

    Raises:
        InvalidInputError: The file cannot be read, or lacks a question.
        MissingDependencyError: A ``.yaml`` file without PyYAML.
    """
    if template is None:
        return Wording(_own(row), row.system, "phyrefine's wording")
    if not row.published_keys:
        raise InvalidInputError(
            f"The judge {row.name} has no published template: leave out --judge-template."
        )
    told = _read(template)
    texts = {}
    for question in row.questions:
        key = row.published_keys.get(question.key, "")
        texts[question.key] = _last_turn(_at(told, key, template))
    system = row.system
    if isinstance(told, Mapping) and "system" in row.published_keys:
        system = _at(told, row.published_keys["system"], template).strip()
    return Wording(texts, system, f"template {template.name}", published=True)


def _own(row: JudgeRow) -> dict[str, str]:
    folder = files("phyrefine.bench.judges").joinpath("wordings")
    return {
        question.key: folder.joinpath(f"{row.name}.{question.key}.txt").read_text("utf-8").strip()
        for question in row.questions
    }


def _read(path: Path) -> Any:
    try:
        text = path.read_text("utf-8-sig")
        if path.suffix == ".py":
            return _constants(text)
        if path.suffix in (".yaml", ".yml"):
            yaml = require("yaml", extra="physics-iq", feature=f"Reading {path.name}")
            return yaml.safe_load(text)
        return parse_json(text) if path.suffix == ".json" else text
    except (OSError, UnicodeDecodeError, ValueError, SyntaxError) as error:
        raise InvalidInputError(f"The template {path} cannot be read: {error}.") from error


def _constants(code: str) -> dict[str, str]:
    """Texts that a Python file assigns to names; nothing of it is run."""
    found = {}
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            try:
                value = ast.literal_eval(statement.value)
            except ValueError:
                continue
            if isinstance(value, str):
                found[statement.targets[0].id] = value
    return found


def _at(told: Any, key: str, path: Path) -> str:
    if isinstance(told, str):
        if key and not key.startswith("user"):
            raise InvalidInputError(
                f"{path} is plain text, and this judge has several questions: pass the file that "
                "holds them by name (.yaml, .json or .py)."
            )
        return told
    value: Any = told
    for part in key.split(".") if key else ["template"]:
        value = value.get(part) if isinstance(value, Mapping) else None
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{path} has no text under {key or 'template'}.")
    return value


def _last_turn(text: str) -> str:
    if "Human:" not in text:
        return text.strip()
    turn = text.rstrip().rpartition("Human:")[2]
    return re.sub(r"\s*AI:\s*$", "", turn).strip()
