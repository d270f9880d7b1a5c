"""A recipe: what a leaderboard entry is generated with, how its clips are chosen, what is packed.

One TOML file; those that are shipped go by a short name. ``docs/physics-iq/recipes.md`` shows one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs

from phyrefine._closest import did_you_mean
from phyrefine.errors import InvalidInputError
from phyrefine.options import refuse_unknown_names
from phyrefine.physics_iq.data.layout import Edition
from phyrefine.physics_iq.generation.generating import CRITIC
from phyrefine.physics_iq.submission.packing import Entry
from phyrefine.select.named import RULES

_FOLDER = files("phyrefine.physics_iq.recipes") / "files"
_SECTIONS = ("summary", "edition", "models", "plan", "packs", "card")
_MODELS = ("vlm", "llm", "generator", "dialect")
_PACK = ("name", "rule", "row", "rows")
# Settings of a plan by the type that TOML gives them; a list holds whole numbers.
_PLAN: Mapping[str, type] = {
    "mode": str,
    "fps": int,
    "size": list,
    "steps": list,
    "seeds": list,
    "loops": int,
    "chain": str,
    "paper": bool,
    "rule": str,
    "prompts": str,
}
_MODIFIER = re.compile(r"[*@][0-9.]+")
MOST_SEEDS = 4  # of one entry


@attrs.frozen
class Pack:
    """One submission pack.

    Attributes:
        name: Of its folder.
        entry: Which clips.
    """

    name: str
    entry: Entry


@attrs.frozen
class Recipe:
    """What a recipe says.

    Attributes:
        name: Short name, or the file's name without suffix.
        summary: One line.
        settings: Values of a :class:`~phyrefine.physics_iq.generation.plan.Plan`, by name.
        packs: What is packed when all is scored.
        edition: The only edition it is meant for; ``None`` for both.
        dialect: The dialect in which the generator has to take prompts, if it matters.
        prompts: File of prompts from other sources, which get a row of their own.
        card: Fields of the submission card.
        text: The file itself.
    """

    name: str
    summary: str
    settings: Mapping[str, Any]
    packs: tuple[Pack, ...]
    edition: Edition | None = None
    dialect: str | None = None
    prompts: Path | None = None
    card: Mapping[str, Any] = attrs.field(factory=dict)
    text: str = attrs.field(default="", repr=False)

    def require(self, edition: Edition) -> None:
        """See that it is meant for an edition.

        Raises:
            InvalidInputError: It is not.
        """
        if self.edition is not None and self.edition is not edition:
            raise InvalidInputError(
                f"The recipe {self.name} is for Physics-IQ {self.edition}, and the data are "
                f"{edition}: nothing of one edition may serve the other. Pass other data."
            )


def shipped() -> tuple[str, ...]:
    """Names of the recipes in this package."""
    return tuple(sorted(path.name.removesuffix(".toml") for path in _FOLDER.iterdir()))


def find_recipe(spec: str) -> Recipe:
    """A shipped recipe by its name, or a file by its path.

    Args:
        spec: ``"magi-1"``, or a path that ends in ``.toml``; other paths in it are seen from
            where the file lies.

    Raises:
        InvalidInputError: There is none, it is no TOML, or something in it is unknown or wrong.
    """
    if spec in shipped():
        return _parse(spec, (_FOLDER / f"{spec}.toml").read_text("utf-8"), spec, None)
    path = Path(spec)
    if path.suffix != ".toml":
        hint = did_you_mean(spec, shipped())
        raise InvalidInputError(
            f"No recipe called {spec!r}.{hint} There are: {', '.join(shipped())}; a file of your "
            "own ends in .toml."
        )
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise InvalidInputError(f"Cannot read the recipe {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"The recipe {path} is not text in UTF-8: {error}.") from error
    return _parse(path.stem, text, str(path), path.parent)


def _parse(name: str, text: str, where: str, base: Path | None) -> Recipe:
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{where} is no TOML: {error}.") from error
    refuse_unknown_names(said, _SECTIONS, where)
    parts = {name: said.get(name, {}) for name in ("models", "plan", "card")}
    for section, told in parts.items():
        if not isinstance(told, dict):
            raise InvalidInputError(f"{where}: {section} should be a section, [{section}].")
    models, plan = parts["models"], parts["plan"]
    refuse_unknown_names(models, _MODELS, f"[models] of {where}")
    refuse_unknown_names(plan, tuple(_PLAN), f"[plan] of {where}")
    for role, model in models.items():
        if not isinstance(model, str):
            raise InvalidInputError(f"[models] {role} of {where} should be a text, not {model!r}.")
    settings = {role: models[role] for role in ("vlm", "llm", "generator") if role in models}
    settings |= {key: _value(key, value, where) for key, value in plan.items() if key != "prompts"}
    if "rule" in settings:
        settings["ensemble"] = settings.pop("rule")
    prompts = _value("prompts", plan["prompts"], where) if "prompts" in plan else None
    return Recipe(
        name,
        str(said.get("summary", "")),
        settings,
        _packs(said.get("packs", []), settings.get("ensemble"), where),
        _edition(said.get("edition"), where),
        models.get("dialect"),
        None if prompts is None else (base or Path()) / prompts,
        parts["card"],
        text,
    )


def _value(name: str, value: Any, where: str) -> Any:
    kind = _PLAN[name]
    # True is a whole number to Python, not to a reader.
    fine = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if kind is list:
        fine = fine and all(type(item) is int for item in value)
        if fine and (name != "size" or len(value) == 2):
            return tuple(value)
        fine = False
    if not fine:
        wanted = {str: "a text", int: "a whole number", bool: "true or false"}.get(
            kind, "two whole numbers" if name == "size" else "a list of whole numbers"
        )
        raise InvalidInputError(f"[plan] {name} of {where} should be {wanted}, not {value!r}.")
    return value


def _edition(value: Any, where: str) -> Edition | None:
    if value is None:
        return None
    try:
        return Edition(value)
    except ValueError as error:
        raise InvalidInputError(
            f"edition of {where} is {value!r}: {' or '.join(Edition)} is meant."
        ) from error


def _packs(given: Any, rule: str | None, where: str) -> tuple[Pack, ...]:
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise InvalidInputError(f"packs of {where} should be sections, [[packs]].")
    packs = []
    for item in given:
        refuse_unknown_names(item, _PACK, f"[[packs]] of {where}")
        name, row, rows = item.get("name"), item.get("row"), item.get("rows", [])
        if not isinstance(name, str) or not name or set(name) & set("/\\"):
            raise InvalidInputError(
                f"A pack of {where} needs a name, which names its folder: {name!r}."
            )
        if not all(type(number) is int for number in [*rows, *([] if row is None else [row])]):
            raise InvalidInputError(f"The pack {name} of {where} names rows by whole numbers.")
        chosen = item.get("rule")
        if chosen is not None and chosen not in (rule, CRITIC):
            raise InvalidInputError(
                f"The pack {name} of {where} is chosen by {chosen!r}, and only {rule!r}, the rule "
                f"of [plan], and {CRITIC!r} score clips while they are made."
            )
        if chosen in RULES:
            raise InvalidInputError(
                f"The pack {name} of {where}: {chosen!r} scores no clip. Pack a row instead."
            )
        # Scores are stored under the rule's name without weights and the guard's share.
        stored = None if chosen is None else _MODIFIER.sub("", chosen)
        packs.append(Pack(name, Entry(row, stored, tuple(rows))))
    if len({pack.name for pack in packs}) < len(packs):
        raise InvalidInputError(f"Two packs of {where} have one name.")
    return tuple(packs)
