"""Another critic on clips that are there already."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from phyrefine.adapt import AskFunction, as_vlm
from phyrefine.errors import BadOutputError
from phyrefine.protocols import VLM
from phyrefine.refine import stages
from phyrefine.refine.stages import Method
from phyrefine.run.results import load
from phyrefine.types import Attempt, Refinement, Violation

_UNUSABLE = "The other critic said nothing usable of this clip."


def recritique(
    finished: Refinement | str | Path,
    vlm: VLM | AskFunction | str,
    *,
    method: Method | None = None,
) -> Refinement:
    """The same clips, judged by another critic; nothing is generated or rewritten.

    Args:
        finished: A refinement, or the folder of one.
        vlm: The other critic: an object, a function, or a name.
        method: How it is asked; its own prompts and knowledge, for example.

    Returns:
        The refinement with the other's critiques. Verdicts and the choice stay as they were. A
        clip of which it said nothing usable has no critique, and a note says so.

    Raises:
        StoreError: The folder holds no readable refinement.
        BackendError: The critic failed, or said nothing usable of any clip.
    """
    done = finished if isinstance(finished, Refinement) else load(finished)
    critic, asked = as_vlm(vlm), method or Method()
    attempts: list[Attempt] = []
    earlier: tuple[Violation, ...] = ()
    for attempt in done.attempts:
        # A new chain begins with what nobody criticized before.
        before = () if attempt.baseline or attempt.index == 1 else earlier
        critique = stages.critique(critic, attempt.clip, done.scenario, asked, earlier=before)
        earlier = critique.violations if critique is not None else ()
        notes = attempt.notes if critique is not None else (*attempt.notes, _UNUSABLE)
        attempts.append(evolve(attempt, critique=critique, notes=notes))
    if attempts and all(attempt.critique is None for attempt in attempts):
        raise BadOutputError(
            f"The critic said nothing usable of any of {len(attempts)} clips: it must answer with "
            "JSON after question.schema."
        )
    return evolve(done, attempts=tuple(attempts))
