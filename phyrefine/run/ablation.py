"""What each statement of a plan does to the picture: leave one out, and compare with a new seed.

Noise makes every clip differ. A statement that changes the picture no more than another seed does,
though the seed stays the same, is idle: the generator does not understand it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from attrs import evolve, frozen

from phyrefine.errors import InvalidInputError
from phyrefine.refine import composing
from phyrefine.refine.dialects import wording
from phyrefine.table import Table
from phyrefine.types import (
    Attempt,
    Candidates,
    Choice,
    GeneratorProfile,
    Pick,
    Plan,
    Prompt,
    Refinement,
    Scenario,
    Statement,
)
from phyrefine.video.clip import Clip

# A statement that moves the picture by less than this share of what a new seed does is idle.
IDLE_SHARE = 0.1
NEW_SEEDS = 2


class Renderer(Protocol):
    """What is needed of a :class:`phyrefine.refiner.SelfRefiner`."""

    def render(
        self, scenario: Scenario, prompt: Prompt, *, candidates: Candidates | None = None
    ) -> Attempt:
        """Clips of a prompt."""
        ...


@frozen
class Effect:
    """What leaving one statement out did.

    Attributes:
        statement: The statement.
        change: Mean absolute difference of the pictures, in gray levels (0 to 255).
        share: ``change`` over what a new seed alone changes; 0 where a new seed changes nothing.
        idle: The share is below a tenth: the generator does not understand the statement.
        prompt: The prompt without it.
    """

    statement: Statement
    change: float
    share: float
    idle: bool
    prompt: Prompt


@frozen
class Ablation:
    """Every statement's effect.

    Attributes:
        effects: Strongest first.
        noise: What a new seed alone changes: mean absolute difference in gray levels.
        skipped: Statements that were not tried, for lack of budget.
    """

    effects: tuple[Effect, ...]
    noise: float
    skipped: tuple[Statement, ...] = ()

    def shown(self) -> Table:
        """For a terminal or a notebook."""
        lines = [
            [e.statement.kind, e.statement.text, f"{e.change:.2f}", f"{e.share:.0%}",
             "idle" if e.idle else ""]
            for e in self.effects
        ]  # fmt: skip
        notes = [
            (
                f"A new seed alone changes the picture by {self.noise:.2f} gray levels on average; "
                f"idle: less than {IDLE_SHARE:.0%} of that."
            )
        ]
        if self.skipped:
            told = "; ".join(item.text for item in self.skipped)
            notes.append(f"Not tried, as --most was reached: {told}")
        return Table(("kind", "statement", "gray levels", "of a new seed", ""), lines,
                     caption="What the picture loses without a statement", notes=notes)  # fmt: skip


def ablate(
    refinement: Refinement,
    renderer: Renderer,
    profile: GeneratorProfile,
    *,
    most: int | None = None,
    count_tokens: wording.CountTokens | None = None,
) -> Ablation:
    """Render the chosen clip's prompt again with one statement of its plan left out at a time.

    All prompts are made by the dialect's template, the whole one included, so that nothing differs
    but the statement; seed and steps stay those of the chosen clip.

    Args:
        refinement: A finished run whose chosen prompt has a plan.
        renderer: Renders; a clip that is in its store costs nothing.
        profile: The generator's.
        most: Statements to try at the most, events first; ``None`` tries all.
        count_tokens: The generator's tokenizer.

    Raises:
        InvalidInputError: The chosen prompt has no plan, or no statement that could be left out.
        PhyrefineError: The generator failed.
    """
    best, choice = refinement.best, refinement.choice
    assert choice is not None
    plan = best.prompt.plan
    if plan is None:
        raise InvalidInputError(
            "The chosen prompt has no plan: it is the plain description, or from the paper's "
            "method. Ablate a run whose choice is a loop's clip, with --attempt."
        )
    made = best.candidates[choice.pick.candidate]
    scenario = refinement.scenario
    count = count_tokens or wording.token_counter(None)
    task = composing.Task(plan, scenario, profile, count)
    plan = composing.fitted(task)[0].timed(scenario.seconds)
    wanted = _wanted(plan, task)
    if not wanted:
        raise InvalidInputError("The plan holds nothing but the description: nothing to leave out.")
    tried = wanted[: most if most is not None else len(wanted)]

    def render(part: Plan, seed: int) -> tuple[Clip, Prompt]:
        prompt = composing.Task(part, scenario, profile, count).assembled(part)
        takes = Candidates((made.steps,), (seed,))
        return renderer.render(scenario, prompt, candidates=takes).clip, prompt

    whole, _ = render(plan, made.seed)
    others = [render(plan, made.seed + 1 + number)[0] for number in range(NEW_SEEDS)]
    noise = float(np.mean([difference(whole, other) for other in others]))
    effects = []
    for item in tried:
        clip, prompt = render(plan.without(item.key), made.seed)
        change = difference(whole, clip)
        share = change / noise if noise else 0.0
        effects.append(Effect(item, change, share, share < IDLE_SHARE, prompt))
    effects.sort(key=lambda effect: -effect.change)
    return Ablation(tuple(effects), noise, tuple(wanted[len(tried) :]))


def of_attempt(refinement: Refinement, index: int) -> Refinement:
    """The refinement as if a loop's first clip had been chosen.

    Raises:
        InvalidInputError: There is no loop of that number.
    """
    for position, attempt in enumerate(refinement.attempts):
        if attempt.index == index and not attempt.baseline:
            why = "asked for by number"
            return evolve(refinement, choice=Choice(Pick(position), "by hand", why))
    there = ", ".join(str(a.index) for a in refinement.attempts if not a.baseline)
    raise InvalidInputError(f"There is no loop {index}: the run has {there or 'none'}.")


def _wanted(plan: Plan, task: composing.Task) -> Sequence[Statement]:
    """Statements that this dialect says, events first."""
    said = [
        item
        for item in plan.statements()
        if item.kind != "description" and item.kind in task.dialect.says
    ]
    return sorted(said, key=lambda item: item.kind != "event")


def difference(one: Clip, other: Clip) -> float:
    """Mean absolute difference of two clips of one size, in gray levels."""
    pair = (one.as_made.frames, other.as_made.frames)
    frames = min(map(len, pair))
    first, second = (frame[:frames].astype(np.float32).mean(axis=3) for frame in pair)
    return float(np.abs(first - second).mean())
