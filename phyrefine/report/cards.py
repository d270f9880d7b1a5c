"""What the templates show, gathered from the values of a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from phyrefine.report import charts, tables
from phyrefine.report.diff import Piece, word_diff
from phyrefine.report.figures import lead_seconds, timeline, titles
from phyrefine.report.media import PageClip, page_clip, pixels_for
from phyrefine.types import Attempt, Candidate, Pick, Refinement, pick_key
from phyrefine.video.clip import Clip
from phyrefine.video.seam import SeamReport


@frozen
class CandidateCard:
    """One clip of an attempt as a page shows it."""

    key: str
    label: str
    clip: PageClip
    seam: SeamReport | None
    search: str | None
    score: float | None
    chosen: bool


@frozen
class AttemptCard:
    """One attempt as a page shows it.

    Attributes:
        position: In ``Refinement.attempts``.
        title: What a reader calls it.
        attempt: The value.
        clips: Its candidates.
        shown: Key of the candidate shown first: the chosen one, else the critic's.
        pieces: The prompt, with the changes against the prompt before.
        against: What the prompt is compared with; empty for the first.
        notes: Notes of the attempt and its prompt, each once.
        chosen: The result is from here.
        last: The newest attempt.
    """

    position: int
    title: str
    attempt: Attempt
    clips: tuple[CandidateCard, ...]
    shown: str
    pieces: tuple[Piece, ...]
    against: str
    notes: tuple[str, ...]
    chosen: bool
    last: bool


def report_context(refinement: Refinement, truth: Clip | None) -> dict[str, Any]:
    """The variables of the report's template."""
    scenario = refinement.scenario
    count = sum(len(attempt.candidates) for attempt in refinement.attempts)
    pixels = pixels_for(count + 1 + (truth is not None))
    rates = [
        scenario.fps,
        *(item.clip.as_made.fps for a in refinement.attempts for item in a.candidates),
    ]
    return {
        "refinement": refinement,
        "name": name_of(refinement),
        "domains": domains_of(refinement),
        "prefix": page_clip(scenario.prefix, pixels=pixels, poster=-1) if scenario.prefix else None,
        "truth": page_clip(truth, pixels=pixels) if truth is not None else None,
        "cards": attempt_cards(refinement, pixels),
        "lead": lead_seconds(refinement),
        "end": scenario.seconds,
        "step": round(1 / max(rates), 6),
        "timeline": timeline(refinement),
        "columns": charts.violation_columns(refinement.attempts),
        "scores": charts.selector_scores(refinement),
        "table": tables.attempts_table(refinement),
        "costs": tables.costs_table(refinement),
    }


def attempt_cards(refinement: Refinement, pixels: int) -> tuple[AttemptCard, ...]:
    """A card per attempt; clips are encoded at ``pixels``."""
    cards, names = [], titles(refinement.attempts)
    for position, attempt in enumerate(refinement.attempts):
        earlier = _revised(refinement.attempts, position)
        before = None if earlier is None else refinement.attempts[earlier]
        chosen = refinement.choice.pick if refinement.choice else None
        clips = tuple(
            _candidate_card(refinement, Pick(position, index), candidate, pixels)
            for index, candidate in enumerate(attempt.candidates)
        )
        first = clips[0].key if clips else ""
        cards.append(
            AttemptCard(
                position=position,
                title=names[position],
                attempt=attempt,
                clips=clips,
                shown=next((clip.key for clip in clips if clip.chosen), first),
                pieces=_pieces(before, attempt),
                against="" if earlier is None else names[earlier].lower(),
                notes=_notes(attempt),
                chosen=chosen is not None and chosen.attempt == position,
                last=attempt is refinement.attempts[-1],
            )
        )
    return tuple(cards)


def _notes(attempt: Attempt) -> tuple[str, ...]:
    """Notes of the attempt, its prompt and its clips, each once."""
    told = [
        f"seed {candidate.seed}: {note}" if len(attempt.candidates) > 1 else note
        for candidate in attempt.candidates
        for note in candidate.notes
    ]
    return tuple(dict.fromkeys((*attempt.notes, *attempt.prompt.notes, *told)))


def _revised(attempts: Sequence[Attempt], position: int) -> int | None:
    """The attempt whose prompt this one's follows: its chain's last, or the plain description's."""
    if position == 0:
        return None
    begins_chain = attempts[position].index <= attempts[position - 1].index
    if not begins_chain:
        return position - 1
    return 0 if attempts[0].baseline else None


def _pieces(before: Attempt | None, attempt: Attempt) -> tuple[Piece, ...]:
    if before is None:
        return (Piece("same", attempt.prompt.text),)
    return word_diff(before.prompt.text, attempt.prompt.text)


def _candidate_card(
    refinement: Refinement, pick: Pick, candidate: Candidate, pixels: int
) -> CandidateCard:
    choice = refinement.choice
    steps = f"{candidate.steps} steps, " if candidate.steps is not None else ""
    return CandidateCard(
        key=pick_key(pick),
        label=f"{steps}seed {candidate.seed}",
        clip=page_clip(candidate.clip, pixels=pixels),
        seam=candidate.seam,
        search=candidate.search.in_words() if candidate.search is not None else None,
        score=choice.scores.get(pick_key(pick)) if choice else None,
        chosen=choice is not None and choice.pick == pick,
    )


def name_of(refinement: Refinement) -> str:
    """The scenario's name, or the start of its description."""
    scenario = refinement.scenario
    if scenario.name:
        return scenario.name
    text = " ".join(scenario.description.split())
    return text if len(text) <= 60 else f"{text[:57].rstrip()}…"


def domains_of(refinement: Refinement) -> tuple[str, ...]:
    """The physics domains the VLM named, spelled one way."""
    named = refinement.prediction.domains if refinement.prediction else ()
    spelled = (" ".join(re.split(r"[\s_-]+", domain.strip().lower())) for domain in named)
    return tuple(dict.fromkeys(domain for domain in spelled if domain))
