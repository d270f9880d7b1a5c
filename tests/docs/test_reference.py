"""Every public name has an entry in the reference.

Public is what a package lists in ``__all__``, and what the pages, the README or the examples import.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest

import phyrefine

ROOT = Path(__file__).parents[2]
REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))
ENTRY = re.compile(
    r"^\.\. auto(module|class|function|data|exception):: (\S+)\n((?:   .*\n)*)", re.MULTILINE
)
# Parts of packages that only the project itself puts together.
INNER = ("phyrefine.world.", "phyrefine.backends.loopback", "phyrefine.identities")


def resolved(path: str) -> object:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def members(module: ModuleType) -> list[object]:
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return [getattr(module, name) for name in listed]
    return [
        value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def documented() -> set[int]:
    found: set[int] = set()
    for page in REFERENCE:
        for kind, path, options in ENTRY.findall(page.read_text(encoding="utf-8")):
            if kind != "module":
                found.add(id(resolved(path)))
                continue
            module = importlib.import_module(path)
            told = re.search(r":members:((?:.*\n)(?:      .*\n)*)", options)
            names = [name.strip() for name in told.group(1).split(",")] if told else []
            chosen = [getattr(module, name) for name in names if name]
            found |= {id(value) for value in (chosen or (members(module) if told else []))}
    return found


def listed() -> dict[str, object]:
    """Names in ``__all__`` of the packages."""
    found = {}
    for info in pkgutil.walk_packages(phyrefine.__path__, "phyrefine."):
        parts = info.name.split(".")
        if not info.ispkg or any(part.startswith("_") for part in parts):
            continue
        if info.name.startswith(INNER):
            continue
        package = importlib.import_module(info.name)
        for name in getattr(package, "__all__", ()):
            found[f"{info.name}.{name}"] = getattr(package, name)
    return found | {f"phyrefine.{name}": getattr(phyrefine, name) for name in phyrefine.__all__}


def imported() -> dict[str, object]:
    """Names that readers are shown to import."""
    blocks = [
        block
        for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    ]
    blocks += [path.read_text("utf-8") for path in (ROOT / "examples").glob("*.py")]
    found = {}
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("phyrefine"):
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    found[f"{node.module}.{alias.name}"] = getattr(module, alias.name)
    return found


def needs_entry(value: object) -> bool:
    ours = str(getattr(value, "__module__", "")).startswith("phyrefine")
    return ours and (inspect.isclass(value) or inspect.isroutine(value))


@pytest.mark.slow
def test_every_public_name_is_in_the_reference() -> None:
    for extra in ("torch", "diffusers", "transformers", "google.genai", "openai", "httpx2"):
        pytest.importorskip(extra)
    known = documented()
    public = {**listed(), **imported()}
    missing = sorted(
        name for name, value in public.items() if needs_entry(value) and id(value) not in known
    )
    assert not missing, f"{len(missing)} public names are not in docs/reference: {missing}"


def test_an_entry_that_leads_nowhere_would_be_found() -> None:
    with pytest.raises(AttributeError):
        resolved("phyrefine.types.NoSuchThing")
