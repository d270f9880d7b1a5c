"""Clips, attempts, runs and tables as notebooks show them: the report's partials, no scripts."""

from __future__ import annotations

import functools
from typing import Any

from phyrefine.report import tables
from phyrefine.report.cards import attempt_cards, name_of
from phyrefine.report.html import asset, environment
from phyrefine.report.media import video
from phyrefine.table import Table
from phyrefine.types import Attempt, Refinement, Scenario
from phyrefine.video.clip import Clip

NOTEBOOK_PIXELS = 288


@functools.singledispatch
def show(value: object) -> str:
    """An HTML fragment for a notebook.

    Raises:
        TypeError: There is no partial for such a value.
    """
    raise TypeError(f"No partial shows a {type(value).__name__}.")


@show.register
def _clip(value: Clip) -> str:
    media = video(value, pixels=NOTEBOOK_PIXELS)
    return _fragment("clip", media=media, source=value.source)


@show.register
def _attempt(value: Attempt) -> str:
    alone = Refinement(Scenario(value.prompt.text or "attempt"), (value,))
    return _fragment("attempt", card=attempt_cards(alone, NOTEBOOK_PIXELS)[0])


@show.register
def _refinement(value: Refinement) -> str:
    prefix = value.scenario.prefix
    return _fragment(
        "refinement",
        refinement=value,
        name=name_of(value),
        prefix=video(prefix, pixels=NOTEBOOK_PIXELS) if prefix is not None else None,
        cards=attempt_cards(value, NOTEBOOK_PIXELS),
        table=tables.attempts_table(value),
    )


@show.register
def _table(value: Table) -> str:
    return _fragment("table", table=value)


def _fragment(kind: str, **context: Any) -> str:
    template = environment().get_template("notebook.html.jinja")
    return template.render(kind=kind, style=asset("fragment.css"), **context)
