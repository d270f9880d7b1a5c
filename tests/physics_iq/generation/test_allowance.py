"""One budget over all samples of a benchmark, and the flags of ``phyrefine bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from piq_helpers import PLAN, refiner_of

from phyrefine.cli import STOPPED_EARLY, main
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.generation import generating as generation
from phyrefine.physics_iq.generation.allowance import Allowance
from phyrefine.physics_iq.generation.generating import generate
from phyrefine.physics_iq.generation.plan import Plan
from phyrefine.physics_iq.tables import scoring
from phyrefine.types import Budget, Usage


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_what_samples_take_adds_up() -> None:
    clock = Clock()
    allowance = Allowance(Budget(usd=3.0, tokens=100, wall_seconds=60, calls=9), clock=clock)
    assert allowance.left() == Budget(usd=3.0, tokens=100, wall_seconds=60, calls=9)
    allowance.spend(Usage(calls=2, tokens={"input": 30, "output": 10}, usd=1.0))
    clock.now += 20
    assert allowance.left() == Budget(usd=2.0, tokens=60, wall_seconds=40, calls=7)
    assert allowance.spent is None
    allowance.spend(Usage(calls=9, tokens={"input": 90}, usd=0.5))
    assert allowance.left() == Budget(usd=1.5, tokens=0, wall_seconds=40, calls=0)
    assert allowance.spent == "tokens, calls"
    clock.now += 41
    assert allowance.spent == "tokens, wall_seconds, calls"


def test_an_unknown_price_leaves_no_dollars_and_all_tokens() -> None:
    allowance = Allowance(Budget(usd=3.0, tokens=100))
    allowance.spend(Usage(calls=1, usd=None))
    assert allowance.left() == Budget(usd=0, tokens=100)
    assert allowance.spent == "usd"


def test_no_limits_are_never_reached() -> None:
    allowance = Allowance(Budget())
    allowance.spend(Usage(calls=10**6, usd=None))
    assert allowance.spent is None


def some(tiny: Path, count: int) -> PhysicsIQ:
    data = PhysicsIQ.open(tiny)
    return evolve(data, samples=data.samples[:count])


def made(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "samples").iterdir()}


@pytest.mark.slow
def test_a_benchmark_stops_between_samples_and_goes_on(tiny: Path, tmp_path: Path) -> None:
    data, clock = some(tiny, 3), Clock()
    budgets: list[Budget | None] = []

    def watched(run_dir: Path) -> Any:
        refiner = refiner_of(PLAN, run_dir)
        refine = refiner.refine

        def slowly(scenario: Any) -> Any:
            budgets.append(refiner.budget)
            clock.now += 25
            return refine(scenario)

        refiner.refine = slowly  # type: ignore[method-assign]
        return refiner

    allowance = Allowance(Budget(wall_seconds=40), clock=clock)
    failures = generate(PLAN, data, tmp_path, refiner=watched, allowance=allowance)
    names = [sample.name for sample in data.samples]
    assert failures == [f"{name}: not begun: the budget is spent (wall_seconds)"
                        for name in names[2:]]  # fmt: skip
    assert budgets == [Budget(wall_seconds=left) for left in (40, 15)]
    assert made(tmp_path) == set(names[:2])
    assert generate(PLAN, data, tmp_path, refiner=lambda at: refiner_of(PLAN, at)) == []
    assert made(tmp_path) == set(names)


def test_calls_of_a_finished_sample_count_for_the_next(tiny: Path, tmp_path: Path) -> None:
    data = some(tiny, 2)
    allowance = Allowance(Budget(calls=15))  # a sample takes 13
    failures = generate(
        PLAN, data, tmp_path, refiner=lambda at: refiner_of(PLAN, at), allowance=allowance
    )
    assert made(tmp_path) == {data.samples[0].name}
    assert len(failures) == 1
    assert failures[0].startswith(data.samples[1].name)
    assert "Budget(calls=" in failures[0]


@pytest.fixture
def asked(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What ``phyrefine bench`` asks ``generate`` for; it answers that one sample failed."""
    calls: list[Any] = []

    def noted(plan: Plan, dataset: PhysicsIQ, folder: Path, **rest: Any) -> list[str]:
        calls.append((plan, dataset, folder, rest))
        return ["0001: lost"]

    monkeypatch.setattr(generation, "generate", noted)
    return calls


def test_flags_reach_the_plan_and_the_budget(
    tiny: Path, asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "physics-iq", "--data", str(tiny), "--generator", "magi:M#24B", "--loops",
             "2", "--steps", "16,32", "--seeds", "0,1", "--chain", "rerender", "--paper", "--mode",
             "i2v", "--fps", "8", "--size", "96", "128", "--ensemble", "last", "--vlm", "v", "--llm",
             "l", "--shard", "1/2", "--out", "o", "--max-usd", "2.5", "--max-tokens", "700",
             "--max-minutes", "2"]  # fmt: skip
    assert main(words) == STOPPED_EARLY
    ((plan, dataset, folder, rest),) = asked
    assert plan == Plan("v", "l", "magi:M#24B", 2, (16, 32), (0, 1), "rerender", paper=True,
                        ensemble="last", mode="i2v", fps=8, size=(96, 128))  # fmt: skip
    assert (dataset.samples[0].number, folder, rest["shard"]) == (1, Path("o"), "1/2")
    assert rest["allowance"].budget == Budget(usd=2.5, tokens=700, wall_seconds=120)
    assert "0001: lost\n1 samples are not finished." in capsys.readouterr().out


def test_without_limits_there_is_no_allowance(tiny: Path, asked: list[Any]) -> None:
    assert main(["bench", "--data", str(tiny), "--fps", "8"]) == STOPPED_EARLY
    plan, _, folder, rest = asked[0]
    assert plan == Plan("world", "world", "world", steps=(0,), fps=8)
    assert (folder, rest["allowance"]) == (Path("runs/physics-iq"), None)


def test_a_search_reaches_the_plan(
    tiny: Path, asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "--data", str(tiny), "--fps", "8", "--watch", "2", "--search-option"]
    assert main([*words, "chunks=10", "--search", "backtracking"]) == STOPPED_EARLY
    assert (asked[0][0].watch, asked[0][0].search) == (2, "backtracking?chunks=10")
    assert main([*words, "chunks=10"]) == 1
    assert main([*words, "chunk=10", "--search", "backtracking"]) == 1
    said = capsys.readouterr().err
    assert "--search-option belongs to --search" in said
    assert "chunk" in said
    assert len(asked) == 1


def test_a_dry_run_says_that_a_search_is_not_counted(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "--data", str(tiny), "--fps", "8", "--dry-run"]
    assert main(words) == 0
    assert "Not counted" not in capsys.readouterr().out
    assert main([*words, "--search", "chunks"]) == 0
    assert "Not counted: chunks makes more chunks" in capsys.readouterr().out


def test_scoring_only_never_generates(
    tiny: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Table:
        def shown(self) -> str:
            return "table"

    told: dict[str, Any] = {}
    monkeypatch.setattr(scoring, "score_bench", lambda *_, **rest: told.update(rest) or Table())
    assert main(["bench", "--data", str(tiny), "--score-only", "--subsets", "1,2;3"]) == 0
    assert asked == []
    assert told["subsets"] == [(1, 2), (3,)]
