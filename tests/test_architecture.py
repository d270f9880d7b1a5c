"""The structure of the package: no import circles, small folders, and a picture that is true."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections import Counter, defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_FILES = 14


def modules() -> dict[str, Path]:
    found = {}
    for file in (ROOT / "phyrefine").rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = file
    return found


def imports_of(known: dict[str, Path]) -> dict[str, set[str]]:
    """Imports of every module, those for type checkers and inside functions too."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, file in known.items():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names if alias.name in known}
            elif isinstance(node, ast.ImportFrom) and node.module in known:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    found[name].add(inner if inner in known else str(node.module))
    return found


def test_no_import_circles() -> None:
    try:
        TopologicalSorter(imports_of(modules())).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_a_circle_would_be_found() -> None:
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


def test_folders_are_small_and_say_what_they_are_for() -> None:
    folders = {file.parent for file in modules().values()}
    crowded = {
        str(folder.relative_to(ROOT)): count
        for folder in folders
        if folder != ROOT / "phyrefine"
        and (count := len(list(folder.glob("*.py")))) > MOST_FILES + 1  # the docstring's own file
    }
    assert not crowded
    silent = [
        str(folder.relative_to(ROOT))
        for folder in folders
        if not ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    ]
    assert not silent


def test_the_picture_holds_every_package(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx")
    path = ROOT / "docs" / "_ext" / "architecture.py"
    spec = importlib.util.spec_from_file_location("architecture", path)
    assert spec is not None
    assert spec.loader is not None
    drawn = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "architecture", drawn)
    spec.loader.exec_module(drawn)
    picture = drawn.picture()
    first_level = {name.split(".")[1] for name in modules() if name.count(".") >= 1}
    missing = [
        name for name in first_level if not name.startswith("_") and f">{name}<" not in picture
    ]
    assert set(missing) <= {"table"}  # a value that any layer may use
    assert {name for name, _, _ in drawn.rooms()} >= {"backends.calling", "magi.sampling"}


def test_test_files_outside_packages_have_names_of_their_own() -> None:
    """Python keeps one module of a name: pytest would stop before the first test."""
    files = (ROOT / "tests").rglob("test_*.py")
    names = Counter(file.name for file in files if not (file.parent / "__init__.py").exists())
    assert [name for name, count in names.items() if count > 1] == []
