"""What a run is made of, and what its folder is held to."""

from __future__ import annotations

import re

from attrs import evolve, field, frozen

from phyrefine.identities import refresh
from phyrefine.protocols import (
    LLM,
    VLM,
    Convergence,
    Enough,
    Listener,
    PoolScorer,
    Scorer,
    Selector,
    identity,
)
from phyrefine.protocols import VideoGenerator as Generator
from phyrefine.refine import prompts
from phyrefine.refine.stages import Method
from phyrefine.run.search.drafting import Draft, DraftCheck
from phyrefine.run.spec import RunSpec
from phyrefine.run.wrappers import MAX_CONCURRENCY
from phyrefine.types import Budget, Candidates
from phyrefine.video.checks.cuts import FindCuts, cuts


@frozen
class Setup:
    """Everything a session needs to know; see ``SelfRefiner`` for what each part means."""

    vlm: VLM
    llm: LLM
    generators: tuple[Generator, ...]
    convergence: Convergence
    ensemble: Selector
    candidates: Candidates
    baseline: bool
    listeners: tuple[Listener, ...]
    scorers: tuple[Scorer | PoolScorer, ...]
    enough: Enough | None
    method: Method
    max_concurrency: int = MAX_CONCURRENCY
    call_timeout: float | None = None
    clip_timeout: float | None = None
    draft: Draft | None = None
    find_cuts: FindCuts = cuts
    checked: list[DraftCheck] = field(factory=list, repr=False, eq=False)

    def spec(self, budget: Budget | None) -> RunSpec:
        """What a run folder is held to, without secrets; limits may change between starts."""
        for backend in (self.vlm, self.llm, *self.generators):
            refresh(backend)
        with prompts.using(self.method.prompts, self.method.knowledge):
            assets = prompts.asset_digests()
        # Own prompts are known by their digests, wherever they lie.
        method = evolve(self.method, prompts=None, knowledge=None)
        binding = {
            "candidates": (self.candidates, Candidates()),
            "method": (method, Method()),
            "baseline": (self.baseline, True),
            "draft": (_named(self.draft), None),
        }
        given = {name for name, (value, default) in binding.items() if value != default}
        settings = {name: in_words(value) for name, (value, _) in binding.items()}
        return RunSpec(
            args={name: value for name, value in settings.items() if name in given},
            defaults={name: value for name, value in settings.items() if name not in given},
            backends={
                "vlm": identity(self.vlm),
                "llm": identity(self.llm),
                "generator": identity(self.generators[0]),
            },
            prompts=assets,
            limits={
                "convergence": in_words(self.convergence),
                "ensemble": in_words(self.ensemble),
                "enough": in_words(self.enough),
                "budget": in_words(budget),
            },
        )


def _named(draft: Draft | None) -> tuple[object, ...] | None:
    """A draft by the lasting identity of its generator."""
    if draft is None:
        return None
    name = None if draft.generator is None else identity(draft.generator)
    return name, draft.steps, draft.size, dict(draft.options), draft.finals


def in_words(value: object) -> str:
    """A value's repr, without what differs between processes."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
