"""The refiner of one combination of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phyrefine.protocols import Listener
    from phyrefine.refiner import SelfRefiner

# What a setting says where there is no search or draft.
NONE = "none"


def build(
    settings: Mapping[str, Any],
    run_dir: Path,
    *,
    models: tuple[Any, Any, Any] | None = None,
    listeners: Sequence[Listener] = (),
) -> SelfRefiner:
    """The refiner of one combination.

    Args:
        settings: The combination.
        run_dir: Its run folder.
        models: VLM, LLM and video generator in place of those that the settings name; with
            ``STAND_INS`` only what it would cost can be asked.
        listeners: Hear what happens.
    """
    from attrs import evolve

    from phyrefine.refine.convergence import default_policy, paper_policy
    from phyrefine.refine.stages import PAPER, Method
    from phyrefine.refiner import SelfRefiner
    from phyrefine.run.estimating.flags import STAND_INS
    from phyrefine.run.search.named import named_draft, searching
    from phyrefine.types import Candidates

    paper, loops = bool(settings.get("paper")), int(settings.get("loops", 4))
    rest: dict[str, Any] = {
        "convergence": paper_policy(loops) if paper else default_policy(loops),
        "method": evolve(
            PAPER if paper else Method(),
            prompts=settings.get("prompts"),
            knowledge=settings.get("knowledge"),
        ),
        "baseline": bool(settings.get("baseline", not paper)),
        "listeners": listeners,
        "candidates": Candidates(
            steps=tuple(_listed(settings.get("steps", 16 if paper else None))),
            seeds=tuple(_listed(settings.get("seeds", 0))),
            redraw=bool(settings.get("redraw", False)),
            watch=int(settings.get("watch", 1)),
        ),
    }
    ensemble = settings.get("ensemble", "last" if paper else None)
    if ensemble is not None:
        rest["ensemble"] = ensemble
    if models is STAND_INS:
        return SelfRefiner(*models, run_dir=run_dir, **rest)
    named = models or (settings["vlm"], settings["llm"], settings["generator"])
    search, draft = settings.get("search", NONE), settings.get("draft", NONE)
    if draft != NONE:
        rest["draft"] = named_draft(draft)
    backends = named if search == NONE else searching(search, named)
    return SelfRefiner(*backends, run_dir=run_dir, **rest)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
