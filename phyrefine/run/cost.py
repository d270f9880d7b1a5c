"""What a run will take at the most, said before it begins."""

from __future__ import annotations

from attrs import frozen

from phyrefine.protocols import Convergence
from phyrefine.refine.convergence import AnyOf, MaxLoops
from phyrefine.refine.stages import Method
from phyrefine.types import Candidates


@frozen
class ExpectedCost:
    """The most that one scenario takes; replies that must be asked for anew are not counted.

    Attributes:
        clips: Clips made.
        vlm_questions: Questions to the VLM, the ensemble's included.
        llm_questions: Questions to the LLM.
        choosing: Of the VLM's questions, those of the ensemble; ``None`` where not known.
    """

    clips: int
    vlm_questions: int
    llm_questions: int
    choosing: int | None

    def __mul__(self, scenarios: int) -> ExpectedCost:
        """Of several scenarios that take the same."""
        return ExpectedCost(
            self.clips * scenarios,
            self.vlm_questions * scenarios,
            self.llm_questions * scenarios,
            None if self.choosing is None else self.choosing * scenarios,
        )

    def __add__(self, other: ExpectedCost) -> ExpectedCost:
        """Of both together."""
        known = self.choosing is not None and other.choosing is not None
        return ExpectedCost(
            self.clips + other.clips,
            self.vlm_questions + other.vlm_questions,
            self.llm_questions + other.llm_questions,
            (self.choosing or 0) + (other.choosing or 0) if known else None,
        )

    def __str__(self) -> str:
        rule = "an unknown number" if self.choosing is None else str(self.choosing)
        return (
            f"at most {_many(self.clips, 'clip')}, {_many(self.vlm_questions, 'VLM question')} "
            f"({rule} for the choice) and {_many(self.llm_questions, 'LLM question')}"
        )


def expected_cost(
    candidates: Candidates,
    convergence: Convergence,
    method: Method,
    *,
    baseline: bool,
    choosing: int | None,
) -> ExpectedCost | None:
    """The cost of one scenario; ``None`` when the policy has no greatest number of loops.

    Args:
        candidates: What each loop makes.
        convergence: When the loop stops.
        method: Switches of the method.
        baseline: Whether the plain description's clips are made too.
        choosing: Questions of the ensemble.
    """
    loops = _most_loops(convergence)
    if loops is None:
        return None
    chains = len(candidates.steps) if candidates.chain == "own" else 1
    once = 2 if method.second_look and candidates.watch == 1 else candidates.watch
    looks = once if method.criticize else 0
    vlm = chains * (1 + loops * looks) + looks * baseline + (choosing or 0)
    llm = chains * (1 + (loops if method.criticize else 0) * (2 if method.insist else 1))
    return ExpectedCost(pool_size(candidates, loops, baseline=baseline), vlm, llm, choosing)


def pool_size(candidates: Candidates, loops: int, *, baseline: bool) -> int:
    """Clips after ``loops`` loops."""
    return (loops + baseline) * len(candidates.steps) * len(candidates.seeds)


def _most_loops(convergence: Convergence) -> int | None:
    if isinstance(convergence, MaxLoops):
        return convergence.loops
    if isinstance(convergence, AnyOf):
        found = [loops for rule in convergence.rules if (loops := _most_loops(rule)) is not None]
        return min(found, default=None)
    return None


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
