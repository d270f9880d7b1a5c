"""What a benchmark folder is for: one plan, one edition, one set of prompts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import attrs

from phyrefine import registry
from phyrefine.errors import InvalidInputError, RunMismatchError, StoreError
from phyrefine.physics_iq.data.inputs import Inputs
from phyrefine.physics_iq.data.layout import GIVEN, PLAIN, RunKey
from phyrefine.run.search.named import check_search
from phyrefine.run.store.disk import read_json, write_json
from phyrefine.types import Mode

PLAN_FILE = "bench.json"


@attrs.frozen
class Plan:
    """What a benchmark run generates; a folder belongs to one plan.

    Attributes:
        vlm: Registry name.
        llm: Registry name.
        generator: Registry name.
        loops: Loops of every sample.
        steps: Denoising steps; 0 is the generator's default.
        seeds: Seeds.
        chain: ``own``: each step count has its own loop; ``rerender``: one loop, re-rendered.
        paper: The method verbatim: the loop may stop early, and its last clip stands for the rest.
        ensemble: Reference-free selector that scores the pool of each sample.
        mode: ``v2v``, ``i2v`` or ``t2v``.
        fps: Frames per second of the clips.
        size: (height, width) of the clips, even numbers.
        given: Digest of prompts of others, which get a row of their own; empty without.
        watch: Clips of each loop that the critic watches.
        search: Search around the generator, such as ``"backtracking?chunks=10"``; empty without.

    Raises:
        InvalidInputError: A value no run can have.
    """

    vlm: str
    llm: str
    generator: str
    loops: int = 4
    steps: tuple[int, ...] = (16, 32)
    seeds: tuple[int, ...] = (0,)
    chain: Literal["own", "rerender"] = "own"
    paper: bool = False
    ensemble: str = "judge"
    mode: str = Mode.VIDEO.value
    fps: int = 24
    size: tuple[int, int] = (720, 1280)
    given: str = ""
    watch: int = 1
    search: str = ""

    def __attrs_post_init__(self) -> None:
        wanted = {
            "loops": (self.loops >= 1, "1 or more"),
            "steps": (_distinct(self.steps), "different numbers from 0 on, at least one"),
            "seeds": (_distinct(self.seeds), "different numbers from 0 on, at least one"),
            "chain": (self.chain in ("own", "rerender"), "own or rerender"),
            "mode": (self.mode in tuple(Mode), "v2v, i2v or t2v"),
            "fps": (self.fps >= 1, "1 or more"),
            # The clips' chroma has half their size.
            "watch": (self.watch >= 1, "1 or more"),
            "paper": (
                not (self.paper and (self.search or self.watch > 1)),
                "left out where clips are searched for or several are watched",
            ),
            "size": (all(side >= 2 and side % 2 == 0 for side in self.size), "two even numbers"),
        }
        for name, (fine, said) in wanted.items():
            if not fine:
                raise InvalidInputError(f"{name} must be {said}, not {getattr(self, name)!r}.")
        if self.search:
            check_search(self.search)


def expected_keys(plan: Plan) -> tuple[RunKey, ...]:
    """Every run a finished plan has, by steps and seed.

    The plain description and each loop; before them prompts of others, if there are any.
    """
    return tuple(
        RunKey(loop, steps, seed)
        for steps in plan.steps
        for loop in range(GIVEN if plan.given else PLAIN, plan.loops + 1)
        for seed in plan.seeds
    )


def require_same(plan: Plan, dataset: Inputs[Any], folder: Path) -> None:
    """See that a folder belongs to a plan, or to nobody yet.

    Raises:
        RunMismatchError: It belongs to another plan, edition or set of prompts.
    """
    there = _read(folder)
    if there is None:
        return
    asked = _entry(plan, dataset)
    old, new = ({"edition": item["edition"], **item["plan"]} for item in (there, asked))
    for name in ("given", "watch", "search"):  # folders from before there were any
        old.setdefault(name, getattr(attrs.fields(Plan), name).default)
    differing = [f"{k}: {old.get(k)!r} there, {v!r} asked" for k, v in new.items()
                 if _binding(k, old.get(k)) != _binding(k, v)]  # fmt: skip
    if differing:
        raise RunMismatchError(
            f"{folder} belongs to another benchmark run ({'; '.join(differing)}): use a new folder."
        )
    _require_prompts(there, dataset, folder)


def _binding(name: str, value: Any) -> Any:
    """A setting without what may change from one start to the next."""
    is_backend = name in ("vlm", "llm", "generator") and isinstance(value, str)
    return registry.binding(value) if is_backend else value


def claim(plan: Plan, dataset: Inputs[Any], folder: Path) -> None:
    """Claim a folder that nobody has claimed."""
    if _read(folder) is None:
        write_json(folder / PLAN_FILE, _entry(plan, dataset))


def origin(folder: Path) -> dict[str, str]:
    """``date``, ``version`` of phyrefine and ``generator``'s identity, as far as they are known.

    By the manifest of a run folder, or as noted when there was one.

    Raises:
        StoreError: The manifest is damaged.
    """
    for path in sorted(folder.glob("run*/manifest.json")):
        try:
            manifest = read_json(path) or {}
            said = {
                "date": str(manifest.get("created", ""))[:10],
                "version": manifest.get("environment", {}).get("versions", {}).get("phyrefine", ""),
                "generator": manifest.get("spec", {}).get("backends", {}).get("generator", ""),
            }
        except (ValueError, AttributeError) as error:
            raise StoreError(f"{path} is damaged: {error}. Put it back from a copy.") from error
        return {name: str(value) for name, value in said.items() if value}
    noted: dict[str, str] = (_read(folder) or {}).get("made", {})
    return noted


def note_origin(folder: Path) -> None:
    """Keep what the run folders say of themselves, as those may be deleted when all is finished."""
    there, made = _read(folder), origin(folder)
    if there is not None and there.get("made", {}) != made:
        write_json(folder / PLAN_FILE, {**there, "made": made})


def edition_of(folder: Path) -> str:
    """Which edition a folder was generated for; empty if it is no benchmark folder.

    Raises:
        InvalidInputError: Its record is damaged.
    """
    return str((_read(folder) or {}).get("edition", ""))


def read_plan(folder: Path, dataset: Inputs[Any]) -> Plan:
    """The plan of a benchmark folder.

    Args:
        folder: Of the run.
        dataset: What it is going to be scored against.

    Raises:
        InvalidInputError: It is not one, or it was generated for the other edition or from other
            prompts.
    """
    there = _read(folder)
    if there is None:
        raise InvalidInputError(f"{folder} is no benchmark folder: it has no {PLAN_FILE}.")
    if there["edition"] != str(dataset.edition):
        raise InvalidInputError(
            f"{folder} was generated for {dataset.title} {there['edition']} and "
            f"{dataset.descriptions} is of {dataset.edition}: nothing of one edition may enter the "
            "other."
        )
    _require_prompts(there, dataset, folder)
    return _plan_of(there)


def _entry(plan: Plan, dataset: Inputs[Any]) -> dict[str, Any]:
    entry = {
        "edition": str(dataset.edition),
        "plan": attrs.asdict(plan),
        "prompts": _prompts(dataset),
        "scenarios": len(dataset.samples),
    }
    made: dict[str, Any] = json.loads(json.dumps(entry))
    return made


def _prompts(dataset: Inputs[Any]) -> str:
    said = [[sample.name, sample.description] for sample in dataset.samples]
    return hashlib.blake2b(json.dumps(said).encode(), digest_size=16).hexdigest()


def _require_prompts(there: dict[str, Any], dataset: Inputs[Any], folder: Path) -> None:
    if there["prompts"] != _prompts(dataset):
        raise RunMismatchError(
            f"{folder} was begun with other samples or descriptions than those of "
            f"{dataset.descriptions}: pass the file it was begun with, or use a new folder."
        )


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / PLAN_FILE
    try:
        there = read_json(path)
        if there is not None:
            _plan_of(there)
            _ = there["edition"], there["prompts"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInputError(
            f"{path} is damaged ({type(error).__name__}: {error}). Delete it and run the command "
            "that made the folder again: finished clips are kept."
        ) from error
    return there


def _plan_of(there: dict[str, Any]) -> Plan:
    values: dict[str, Any] = there["plan"]
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Plan(**{**values, **lists})


def _distinct(numbers: tuple[int, ...]) -> bool:
    return bool(numbers) and len(set(numbers)) == len(numbers) and min(numbers) >= 0
