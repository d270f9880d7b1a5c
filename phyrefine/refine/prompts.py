"""The prompt assets: templates, reply schemas and the physics knowledge base K."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import jinja2

from phyrefine.errors import InvalidInputError

DOMAINS = (
    "solid mechanics",
    "fluid dynamics",
    "optics",
    "thermodynamics",
    "magnetism",
)
_FOLDER = files("phyrefine.refine") / "prompts"


@functools.cache
def _environment() -> jinja2.Environment:
    # Prompts are plain text for a model, so there is no HTML to escape.
    return jinja2.Environment(
        loader=jinja2.PackageLoader("phyrefine.refine", "prompts"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701
        keep_trailing_newline=False,
    )


def render(name: str, **values: Any) -> str:
    """Fill in the template ``name`` (without ``.md.jinja``).

    Raises:
        jinja2.UndefinedError: A value the template uses is missing.
    """
    return _environment().get_template(f"{name}.md.jinja").render(**values).strip() + "\n"


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """The JSON schema of a reply: predict, critique, compose, score or compare."""
    parsed: dict[str, Any] = json.loads((_FOLDER / f"{name}.schema.json").read_text("utf-8"))
    return parsed


@functools.cache
def domain_knowledge(domain: str) -> str:
    """K's section on one physics domain.

    Raises:
        InvalidInputError: No such domain.
    """
    if domain not in DOMAINS:
        raise InvalidInputError(f"No physics domain {domain!r}: use one of {', '.join(DOMAINS)}.")
    return (_FOLDER / "physics" / f"{domain.replace(' ', '_')}.md").read_text("utf-8").strip()


def knowledge(domains: Sequence[str] = DOMAINS) -> str:
    """K: by default whole, so that nothing about a sample decides what the VLM gets to know."""
    return render("knowledge", sections=[domain_knowledge(domain) for domain in domains])


@functools.cache
def asset_digests() -> dict[str, str]:
    """Hex digest of every asset by name, for manifests: other prompts are another experiment."""
    found = {}
    for folder in (_FOLDER, _FOLDER / "physics"):
        for asset in sorted(folder.iterdir(), key=lambda item: item.name):
            if asset.is_file() and asset.name.endswith((".jinja", ".json", ".md")):
                found[asset.name] = hashlib.blake2b(asset.read_bytes(), digest_size=8).hexdigest()
    return found
