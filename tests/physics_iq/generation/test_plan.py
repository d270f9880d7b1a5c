"""Who a benchmark folder belongs to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from piq_helpers import FPS, PLAN, refiner_of

from phyrefine.errors import InvalidInputError, RunMismatchError, StoreError, UnknownBackendError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.generation.generating import generate
from phyrefine.physics_iq.generation.plan import (
    Plan,
    claim,
    note_origin,
    origin,
    read_plan,
    require_same,
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loops": 0}, "loops must be 1 or more, not 0"),
        ({"steps": (-3,)}, r"steps must be different numbers .*\(-3,\)"),
        ({"steps": ()}, "steps must be"),
        ({"seeds": (1, 1)}, "seeds must be different"),
        ({"fps": 0}, "fps must be 1 or more"),
        ({"size": (95, 128)}, r"size must be two even numbers, not \(95, 128\)"),
        ({"size": (0, 0)}, "size must be"),
        ({"mode": "v2i"}, "mode must be v2v, i2v or t2v"),
        ({"chain": "both"}, "chain must be own or rerender"),
        ({"watch": 0}, "watch must be 1 or more"),
        ({"search": "chunk"}, "No search 'chunk'. Did you mean 'chunks'"),
        ({"search": "chunks?width=wide"}, "width"),
        ({"search": "chunks", "paper": True}, "paper must be left out"),
    ],
)
def test_values_no_run_can_have(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        evolve(PLAN, **change)


def test_other_prompts_or_samples_are_another_run(tiny: Path, tmp_path: Path) -> None:
    data = PhysicsIQ.open(tiny)
    claim(PLAN, data, tmp_path)
    first, *rest = data.samples
    reworded = evolve(data, samples=(evolve(first, description="It flies."), *rest))
    for other in (reworded, evolve(data, samples=tuple(rest))):
        with pytest.raises(RunMismatchError, match="other samples or descriptions"):
            require_same(PLAN, other, tmp_path)
        with pytest.raises(RunMismatchError, match="other samples or descriptions"):
            read_plan(tmp_path, other)
    # A category is never shown to the loop, so it may be put right.
    require_same(PLAN, evolve(data, samples=(evolve(first, category="Optics"), *rest)), tmp_path)
    assert read_plan(tmp_path, data) == PLAN


def test_a_search_makes_another_run_and_older_folders_had_none(tiny: Path, tmp_path: Path) -> None:
    data = PhysicsIQ.open(tiny)
    claim(PLAN, data, tmp_path)
    path = tmp_path / "bench.json"
    entry = json.loads(path.read_text())
    for name in ("watch", "search", "given"):
        del entry["plan"][name]
    path.write_text(json.dumps(entry))
    require_same(PLAN, data, tmp_path)
    assert read_plan(tmp_path, data) == PLAN
    with pytest.raises(RunMismatchError, match="search: '' there, 'chunks' asked"):
        require_same(evolve(PLAN, search="chunks"), data, tmp_path)


def test_a_wrong_name_leaves_the_folder_free(tiny: Path, tmp_path: Path) -> None:
    data = PhysicsIQ.open(tiny)
    data = evolve(data, samples=data.samples[:1])
    with pytest.raises(UnknownBackendError):
        generate(Plan("nope", "nope", "nope", fps=FPS), data, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert generate(PLAN, data, tmp_path, refiner=lambda at: refiner_of(PLAN, at)) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"edition": "original"}', '{"edition": "x", "plan": {"lops": 1}}']
)
def test_a_damaged_plan_is_told(text: str, tiny: Path, tmp_path: Path) -> None:
    data = PhysicsIQ.open(tiny)
    (tmp_path / "bench.json").write_text(text)
    for ask in (lambda: read_plan(tmp_path, data), lambda: require_same(PLAN, data, tmp_path)):
        with pytest.raises(InvalidInputError, match=r"bench\.json is damaged .*Delete it"):
            ask()


def test_where_clips_come_from_outlives_the_run_folder(tiny: Path, tiny_bench: Path) -> None:
    made = json.loads((tiny_bench / "bench.json").read_text())["made"]
    assert made["generator"] == json.loads((tiny_bench / "run/manifest.json").read_text())[
        "spec"]["backends"]["generator"]  # fmt: skip
    assert made.keys() == {"date", "version", "generator"}
    assert read_plan(tiny_bench, PhysicsIQ.open(tiny)).loops == 2


def test_notes_of_nobodys_folder_are_not_kept(tmp_path: Path) -> None:
    note_origin(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_patience_may_change_and_what_the_critic_sees_may_not(tiny: Path, tmp_path: Path) -> None:
    data = PhysicsIQ.open(tiny)
    claim(evolve(PLAN, vlm="gemini:m?fps=4&retry_budget=1"), data, tmp_path)
    require_same(evolve(PLAN, vlm="gemini:m?timeout=9&fps=4"), data, tmp_path)
    with pytest.raises(RunMismatchError, match="fps=8"):
        require_same(evolve(PLAN, vlm="gemini:m?fps=8"), data, tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"environment": 1}', "[" * 5000])
def test_a_damaged_manifest_is_told_where_its_origin_is_asked_for(
    content: str, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text(content)
    with pytest.raises(StoreError, match=r"manifest\.json is damaged"):
        origin(tmp_path)
