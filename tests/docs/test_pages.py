"""Every Python block of the documentation runs: page by page, in an empty folder, offline.

A block that needs a key or a GPU stands behind ``% skip: next "reason"``.
"""

import unittest
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SYBIL = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()], path=str(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for example in SYBIL.parse(page).examples():
        try:
            example.evaluate()
        except unittest.SkipTest:
            continue


def test_a_broken_block_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nnumber = 1\n```\n\n```python\nassert number == 2\n```\n")
    with pytest.raises(AssertionError):
        for example in SYBIL.parse(page).examples():
            example.evaluate()
