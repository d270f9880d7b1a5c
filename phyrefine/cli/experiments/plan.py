"""An experiment file: scenarios, and every combination of the settings that vary."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from phyrefine.errors import InvalidInputError
from phyrefine.options import refuse_unknown_names
from phyrefine.types import Scenario
from phyrefine.video.clip import Clip

SECTIONS = ("out", "workers", "scenarios", "fixed", "vary")
SETTINGS = (
    "vlm", "llm", "generator", "ensemble", "loops", "seeds", "steps", "baseline", "paper",
    "prompts", "knowledge", "redraw", "watch", "search", "draft",
)  # fmt: skip
OF_A_SCENARIO = ("name", "description", "video", "prefix_seconds", "seconds", "fps", "size")
DEFAULTS: Mapping[str, Any] = {"vlm": "world", "llm": "world", "generator": "world"}


@frozen
class Experiment:
    """What an experiment file asks for.

    Attributes:
        scenarios: Each is refined in every combination.
        combinations: Settings by name, one mapping per combination.
        out: Folder of the runs and the table.
        workers: Scenarios in progress at once.
        varied: Names of the settings that differ.
    """

    scenarios: tuple[Scenario, ...]
    combinations: tuple[Mapping[str, Any], ...]
    out: Path
    workers: int = 1
    varied: tuple[str, ...] = field(default=())

    def name_of(self, settings: Mapping[str, Any]) -> str:
        """A readable name of one combination."""
        return ", ".join(f"{name}={settings[name]}" for name in self.varied) or "the only one"

    def folder_of(self, settings: Mapping[str, Any]) -> Path:
        """The run folder of one combination."""
        words = re.sub(r"[^A-Za-z0-9.]+", "-", self.name_of(settings)).strip("-")
        return self.out / f"{self.combinations.index(settings) + 1:03d}-{words[:80]}"


def read_experiment(path: Path) -> Experiment:
    """Read an experiment file; paths in it are seen from where it lies.

    Raises:
        InvalidInputError: It is no TOML, or a name in it is unknown, or nothing is asked for.
        VideoError: A scenario's video cannot be read.
    """
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise InvalidInputError(f"There is no experiment file {path}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is no TOML: {error}.") from error
    refuse_unknown_names(told, SECTIONS, f"{path}")
    fixed, vary = told.get("fixed", {}), told.get("vary", {})
    refuse_unknown_names(fixed, SETTINGS, f"[fixed] of {path}")
    refuse_unknown_names(vary, SETTINGS, f"[vary] of {path}")
    for name, values in vary.items():
        if not isinstance(values, list) or not values:
            raise InvalidInputError(f"[vary] {name} of {path} must be a list of values.")
        if name in fixed:
            raise InvalidInputError(f"{name} stands in [fixed] and in [vary] of {path}.")
    base = path.parent
    combinations = tuple(
        _placed({**DEFAULTS, **fixed, **dict(zip(vary, values, strict=True))}, base)
        for values in itertools.product(*vary.values())
    )
    scenarios = tuple(_scenario(one, base) for one in told.get("scenarios", ()))
    if not scenarios:
        raise InvalidInputError(f"{path} has no [[scenarios]].")
    names = [scenario.name for scenario in scenarios]
    if len(set(names)) < len(names):
        raise InvalidInputError(f"Two scenarios of {path} have one name: {names}.")
    out = base / told.get("out", f"runs/{path.stem}")
    return Experiment(scenarios, combinations, out, int(told.get("workers", 1)), tuple(vary))


def _placed(settings: Mapping[str, Any], base: Path) -> dict[str, Any]:
    placed = dict(settings)
    for name in ("prompts", "knowledge"):
        value = placed.get(name)
        if value in (None, "", "default"):
            placed[name] = None
        else:
            placed[name] = base / str(value)
    return placed


def _scenario(told: Mapping[str, Any], base: Path) -> Scenario:
    refuse_unknown_names(told, OF_A_SCENARIO, "A scenario")
    if "description" not in told:
        raise InvalidInputError(f"A scenario has no description: {dict(told)}.")
    given = {key: told[key] for key in ("seconds", "fps") if key in told}
    if "size" in told:
        given["size"] = tuple(told["size"])
    prefix = None
    if "video" in told:
        prefix = Clip.read(base / told["video"])
        if len(prefix) > 1:
            prefix = prefix.seconds(-min(prefix.duration, float(told.get("prefix_seconds", 3.0))))
    name = told.get("name") or Path(told.get("video", told["description"])).stem
    return Scenario(told["description"], prefix, name=name, **given)
