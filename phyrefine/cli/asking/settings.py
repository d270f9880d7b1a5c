"""What ``phyrefine run`` asks for, and the refiner that does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen

from phyrefine.cli.asking.searching import SearchFlags
from phyrefine.protocols import Listener
from phyrefine.types import Budget, Candidates

if TYPE_CHECKING:
    from phyrefine.refiner import SelfRefiner


@frozen
class Settings:
    """The options of a run, checked.

    Attributes:
        backends: Names of VLM, LLM and video generator.
        out: Run folder.
        budget: Limits.
        loops: At the most.
        steps: Denoising steps; empty for the generator's own.
        seeds: Empty for seed 0.
        chain: See ``Candidates``.
        redraw: See ``Candidates``.
        ensemble: Rule by name.
        best_of: Clips of one prompt instead of loops.
        adaptive: Stop adding clips when no better one is to be expected.
        baseline: Whether the plain description's clip competes.
        paper: The method verbatim.
        searching: Searches, drafts, and how many clips the critic watches.
    """

    backends: tuple[str, str, str]
    out: Path
    budget: Budget
    loops: int
    steps: tuple[int, ...]
    seeds: tuple[int, ...]
    chain: Literal["own", "rerender"]
    redraw: bool
    ensemble: str
    best_of: int | None
    adaptive: bool
    baseline: bool
    paper: bool
    searching: SearchFlags

    @property
    def candidates(self) -> Candidates:
        """What each loop makes; as many seeds as the critic watches where none is named.

        Raises:
            InvalidInputError: The critic is to watch more clips than are made.
        """
        watch = self.searching.watch or 1
        seeds = self.seeds or tuple(range(watch if len(self.steps) < 2 else 1))
        return Candidates(self.steps or (None,), seeds, self.chain, redraw=self.redraw, watch=watch)

    def check(self) -> None:
        """Refuse what does not go together before anything is loaded.

        Raises:
            InvalidInputError: Something does not.
        """
        _ = self.candidates

    def refiner(self, *, dry: bool = False, listeners: Sequence[Listener] = ()) -> SelfRefiner:
        """Load the models and put the refiner together.

        Args:
            dry: Load nothing: only what it would cost can be asked then.
            listeners: Hear what happens.
        """
        from phyrefine.refine.convergence import default_policy
        from phyrefine.refiner import SelfRefiner
        from phyrefine.run.estimating.flags import STAND_INS
        from phyrefine.select.adaptive import stop_early

        found = STAND_INS if dry else self.searching.around(self.backends)
        models: tuple[Any, Any, Any] = found
        shared: dict[str, Any] = {
            "run_dir": self.out,
            "budget": self.budget,
            "listeners": listeners,
        }
        if self.paper:
            steps = self.steps[0] if self.steps else 16
            return SelfRefiner.paper(*models, steps=steps, loops=self.loops, **shared)
        shared |= {"ensemble": self.ensemble, "draft": None if dry else self.searching.as_draft()}
        if self.best_of is not None:
            return SelfRefiner.best_of(*models, self.best_of, adaptive=self.adaptive, **shared)
        refiner = SelfRefiner(
            *models,
            convergence=default_policy(self.loops),
            candidates=self.candidates,
            baseline=self.baseline,
            **shared,
        )
        if self.adaptive:
            refiner.enough = stop_early(refiner.ensemble)
        return refiner
