"""The chosen drafts, rendered in full, beside the plain description's clip."""

from __future__ import annotations

from collections.abc import Sequence

from phyrefine.refine.loop import Loop
from phyrefine.run.search.drafting import best_drafts
from phyrefine.run.sessions.setup import Setup
from phyrefine.types import Attempt, Choice, Prompt, Scenario

_UNCHECKED = (
    "The answer was chosen among drafts, and whether drafts rank like finals was not measured: "
    "call SelfRefiner.check_draft, or pass --check-draft."
)


def render_finals(
    loop: Loop,
    scenario: Scenario,
    drafts: Sequence[Attempt],
    choice: Choice,
    *,
    count: int,
    baseline: bool,
) -> list[Attempt]:
    """Attempts on the full setting; they alone compete for the answer.

    Args:
        loop: With the full generator.
        scenario: What to continue.
        drafts: All attempts on the draft's setting.
        choice: Among the drafts.
        count: Finals at the most.
        baseline: Render the plain description too, so that a final that became worse than it
            does not win.
    """
    picks = best_drafts(drafts, choice.pick, choice.scores, count)
    finals = []
    for pick in picks:
        draft = drafts[pick.attempt]
        chosen = draft.candidates[pick.candidate]
        made = loop.render(draft.prompt, scenario, steps=chosen.steps, seed=chosen.seed)
        note = f"the final of the draft of loop {draft.index}, seed {chosen.seed}"
        finals.append(
            Attempt(draft.index, draft.prompt, (made,), baseline=draft.baseline, final=True,
                    notes=(note,))
        )  # fmt: skip
    # Last, because the earlier one wins a tie: two clips agree with each other equally, and then
    # the drafts' choice stands.
    if baseline and not all(drafts[pick.attempt].baseline for pick in picks):
        first = loop.candidates
        plain = Prompt(scenario.description)
        made = loop.render(plain, scenario, steps=first.steps[0], seed=first.seeds[0])
        finals.append(Attempt(0, plain, (made,), baseline=True, final=True))
    return finals


def drafts_checked(setup: Setup) -> tuple[str, ...]:
    """What a reader must know of drafts before believing a choice among them."""
    if setup.draft is None:
        return ()
    if not setup.checked:
        return (_UNCHECKED,)
    return tuple(f"Measured on another run of this refiner: {one}." for one in setup.checked)
