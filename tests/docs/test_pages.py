"""Every Python block of the documentation runs: page by page, in an empty folder, offline.

A block that needs a key or a GPU stands behind ``% skip: next "reason"``.
"""

import re
import unittest
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Pages whose blocks build diffusers pipelines: seconds of imports and of denoising.
SLOW = {"docs/backends/diffusers.md", "docs/guide/own-pipeline.md"}
SYBIL = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()], path=str(ROOT))


def pages():
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        yield pytest.param(page, id=name, marks=[pytest.mark.slow] if name in SLOW else [])


def run_blocks(page):
    for example in SYBIL.parse(page).examples():
        try:
            example.evaluate()
        except unittest.SkipTest:
            continue


@pytest.mark.parametrize("page", list(pages()))
def test_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_blocks(page)


def test_a_broken_block_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nnumber = 1\n```\n\n```python\nassert number == 2\n```\n")
    with pytest.raises(AssertionError):
        run_blocks(page)


def test_links_between_pages_lead_somewhere():
    link = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in link.findall(text):
            base = ROOT / "docs" if target.startswith("/") else page.parent
            assert (base / target.lstrip("/")).exists(), f"{page.name} links to {target}"
