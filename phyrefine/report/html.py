"""One self-contained page per run, and a gallery over many.

A page carries its videos, its style and its script, asks the network for nothing and opens from
``file://``. Every text is escaped, and a content security policy names the one style and the one
script that may run by their hashes, so that text from a model or a user never does.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from phyrefine._atomic import write_bytes
from phyrefine._secrets import scrub
from phyrefine.errors import InvalidInputError
from phyrefine.report import words
from phyrefine.report.cards import report_context
from phyrefine.report.exhibits import best_title, gallery_context
from phyrefine.report.explained import EXPLAINED, explained
from phyrefine.types import Refinement
from phyrefine.video.clip import Clip


def write(
    refinement: Refinement,
    path: str | Path,
    *,
    truth: Clip | None = None,
    true_scores: Mapping[str, float] | None = None,
) -> Path:
    """Write the report of one run.

    Args:
        refinement: What ``refine()`` gave back, finished or not.
        path: The ``.html`` file; written aside and renamed.
        truth: What really happened after the prefix, shown beside the attempts.
        true_scores: Score of each clip against it, 0 to 100, by ``"attempt.candidate"``.

    Returns:
        The path of the page.

    Raises:
        InvalidInputError: ``path`` is a folder.
    """
    return save(render(refinement, truth=truth, true_scores=true_scores), path)


def write_gallery(
    refinements: Iterable[Refinement],
    path: str | Path,
    *,
    truths: Sequence[Clip | None] = (),
    links: Sequence[str | None] = (),
    true_scores: Sequence[Mapping[str, float] | None] = (),
) -> Path:
    """Write one page over many runs, grouped by the physics domain the VLM named first.

    Args:
        refinements: The runs; those without any attempt are listed with their reason.
        path: The ``.html`` file; written aside and renamed.
        truths: What really happened, one per run, or empty.
        links: Paths of the runs' own reports, relative to the page, one per run, or empty.
        true_scores: Score of each clip against the truth, 0 to 100, by ``"attempt.candidate"``, one
            mapping per run, or empty.

    Raises:
        InvalidInputError: ``path`` is a folder, or ``truths``, ``links`` or ``true_scores`` do
            not fit the runs.
    """
    text = render_gallery(refinements, truths=truths, links=links, true_scores=true_scores)
    return save(text, path)


def render(
    refinement: Refinement,
    *,
    truth: Clip | None = None,
    true_scores: Mapping[str, float] | None = None,
) -> str:
    """The page :func:`write` writes."""
    context = report_context(refinement, truth)
    scores = dict(true_scores or {})
    return page("report.html.jinja", "report", **context, true_scores=scores)


def render_gallery(
    refinements: Iterable[Refinement],
    *,
    truths: Sequence[Clip | None] = (),
    links: Sequence[str | None] = (),
    true_scores: Sequence[Mapping[str, float] | None] = (),
) -> str:
    """The page :func:`write_gallery` writes."""
    runs = tuple(refinements)
    for name, given in (("truths", truths), ("links", links), ("true_scores", true_scores)):
        if given and len(given) != len(runs):
            raise InvalidInputError(
                f"{len(given)} {name} do not fit {len(runs)} runs: pass one per run, or none."
            )
    context = gallery_context(runs, truths, links, true_scores)
    return page("gallery.html.jinja", "gallery", **context)


@functools.cache
def environment() -> Environment:
    """The templates' environment: everything escaped, invisible characters spelled out."""
    made = Environment(
        loader=PackageLoader("phyrefine.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    for name in ("number", "seconds", "dollars", "usage_words", "words"):
        made.filters[name] = getattr(words, name)
    made.filters["best_title"] = best_title
    made.filters["explained"] = explained
    made.globals["legend"] = EXPLAINED
    return made


def _shown(value: Any) -> Any:
    """A value as the page shows it: without keys, invisible characters spelled out."""
    if isinstance(value, str) and not isinstance(value, Markup) and not value.startswith("data:"):
        value = scrub(value)
    return words.visible(value)


@functools.cache
def asset(name: str) -> Markup:
    """A style or script file of the package, to be put into a page as it is."""
    source, _, _ = PackageLoader("phyrefine.report").get_source(environment(), name)
    return Markup(source)  # noqa: S704 - our own file, never anybody's text


def page(template: str, kind: str, **context: Any) -> str:
    """A whole page of ours.

    Args:
        template: Which.
        kind: Name of its script.
        **context: What the template shows.
    """
    style = asset("fragment.css") + asset("page.css")
    script = asset("player.js") + asset(f"{kind}.js")
    policy = (
        "default-src 'none'; img-src data:; media-src data:; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        environment()
        .get_template(template)
        .render(style=style, script=script, policy=policy, version=version("phyrefine"), **context)
    )


def _hash(source: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"


def save(page: str, path: str | Path) -> Path:
    """Write a page; written aside and renamed.

    Raises:
        InvalidInputError: ``path`` is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise InvalidInputError(f"{path} is a folder: name the file, for example report.html.")
    write_bytes(path, page.encode())
    return path
