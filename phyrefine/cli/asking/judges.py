"""Rules by name, checked before anything is loaded, and VLMs that judge finished runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from attrs import evolve

from phyrefine.errors import InvalidInputError
from phyrefine.protocols import VLM
from phyrefine.types import Answer, Question


def stored_vlms(folder: Path) -> Callable[[str], VLM]:
    """Makes a VLM by name whose replies the store of a run keeps and does not ask for again.

    Args:
        folder: A run folder, or one scenario's folder in it.
    """
    from phyrefine.adapt import as_vlm
    from phyrefine.run.store.store import FolderStore
    from phyrefine.run.store.stored import StoredAsker

    own = (folder / "scenarios").is_dir()
    store = FolderStore((folder if own else folder.parent.parent) / "store")
    return lambda name: StoredAsker(as_vlm(name), store)


def check_rules(names: Iterable[str]) -> None:
    """Refuse a wrong name of a rule; no weights are loaded.

    Raises:
        InvalidInputError: No such rule.
    """
    from phyrefine.backends.scorers import WEIGHTED
    from phyrefine.select.named import ensemble
    from phyrefine.select.scorers.motion import MotionAmount

    empty = {
        name: evolve(row, make=lambda _vlm, _model: MotionAmount(1))
        for name, row in WEIGHTED.items()
    }
    for name in names:
        ensemble(name, _Nobody(), more=empty)


class _Nobody:
    """Stands in for the VLM while a rule's name is checked."""

    def ask(self, question: Question) -> Answer:
        """Never asked."""
        raise InvalidInputError(f"No VLM is there for {question.stage} yet.")
