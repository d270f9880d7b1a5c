"""What the gallery's template shows, gathered from many runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from attrs import frozen

from phyrefine.report import tables
from phyrefine.report.cards import domains_of, name_of
from phyrefine.report.figures import lead_seconds, titles
from phyrefine.report.media import PageClip, page_clip
from phyrefine.types import Pick, Refinement, pick_key
from phyrefine.video.clip import Clip

GALLERY_PIXELS = 224
NO_DOMAIN = "domain not stated"


@frozen
class Panel:
    """One clip of an exhibit."""

    key: str
    title: str
    chosen: bool
    clip: PageClip
    true_score: float | None = None


@frozen
class Exhibit:
    """One run in the gallery.

    Attributes:
        number: Its place among the runs, from 1.
        name: The scenario's name.
        refinement: The value.
        tags: Domains beyond the one it is shown under.
        lead: Seconds of prefix.
        prefix: V0.
        link: Address of its own report, relative to the page; empty for none.
        panels: What is shown side by side: the first attempt, the chosen one, the truth.
        change: Violations of the first attempt and of the chosen one; ``None`` if not judged.
    """

    number: int
    name: str
    refinement: Refinement
    tags: tuple[str, ...]
    lead: float
    prefix: PageClip | None
    link: str
    panels: tuple[Panel, ...]
    change: tuple[int | None, int | None]


def gallery_context(
    refinements: Sequence[Refinement],
    truths: Sequence[Clip | None],
    links: Sequence[str | None],
    true_scores: Sequence[Mapping[str, float] | None] = (),
) -> dict[str, Any]:
    """The variables of the gallery's template."""
    groups: dict[str, list[Exhibit]] = {}
    for index, refinement in enumerate(refinements):
        domain, *tags = domains_of(refinement) or (NO_DOMAIN,)
        truth = truths[index] if truths else None
        link = links[index] if links else None
        scores = (true_scores[index] if true_scores else None) or {}
        exhibit = _exhibit(index + 1, refinement, tuple(tags), truth, link, scores)
        groups.setdefault(domain, []).append(exhibit)
    largest_first = sorted(
        groups.items(), key=lambda group: (group[0] == NO_DOMAIN, -len(group[1]))
    )
    return {
        "name": f"Gallery of {len(refinements)} run{'' if len(refinements) == 1 else 's'}",
        "groups": tuple((domain, tuple(exhibits)) for domain, exhibits in largest_first),
        "table": tables.gallery_table(groups_of_runs(largest_first)),
        "oracle": any(run.choice is not None and run.choice.oracle for run in refinements),
    }


def groups_of_runs(
    groups: Sequence[tuple[str, Sequence[Exhibit]]],
) -> tuple[tuple[str, tuple[Refinement, ...]], ...]:
    """Domains with their runs."""
    return tuple((domain, tuple(item.refinement for item in items)) for domain, items in groups)


def best_title(refinement: Refinement) -> str:
    """What a reader calls the chosen attempt; there must be one."""
    assert refinement.choice is not None
    return titles(refinement.attempts)[refinement.choice.pick.attempt]


def _exhibit(
    number: int,
    refinement: Refinement,
    tags: tuple[str, ...],
    truth: Clip | None,
    link: str | None,
    scores: Mapping[str, float],
) -> Exhibit:
    scenario, choice = refinement.scenario, refinement.choice
    panels = []
    first = refinement.attempts[0] if refinement.attempts else None
    if first is not None and first.candidates:
        is_chosen = choice is not None and choice.pick == Pick(0, 0)
        first_title = titles(refinement.attempts)[0]
        panels.append(_panel("first", first_title, is_chosen, first.clip, scores.get("0.0")))
    if choice is not None and choice.pick != Pick(0, 0):
        score = scores.get(pick_key(choice.pick))
        panels.append(_panel("chosen", best_title(refinement), True, refinement.video, score))
    if truth is not None:
        panels.append(_panel("truth", "Truth", False, truth, None))
    best = refinement.best if choice is not None else None
    return Exhibit(
        number=number,
        name=name_of(refinement),
        refinement=refinement,
        tags=tags,
        lead=lead_seconds(refinement),
        prefix=_prefix(scenario.prefix),
        # As a path below the page: a scheme or a host in it would be part of a file name.
        link=f"./{quote(link)}" if link else "",
        panels=tuple(panels),
        change=(tables.violations_of(first), tables.violations_of(best)),
    )


def _panel(key: str, name: str, chosen: bool, clip: Clip, score: float | None) -> Panel:
    return Panel(key, name, chosen, page_clip(clip, pixels=GALLERY_PIXELS), score)


def _prefix(clip: Clip | None) -> PageClip | None:
    return page_clip(clip, pixels=GALLERY_PIXELS, poster=-1) if clip is not None else None
