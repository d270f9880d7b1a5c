"""Several runs against the official aggregate's files."""

from __future__ import annotations

import json
import lzma
import math
from pathlib import Path
from typing import Any

import pytest

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.layout import Edition
from phyrefine.physics_iq.scoring.aggregate import aggregate, aggregate_tables
from phyrefine.physics_iq.scoring.evaluation import Evaluation, Provenance
from phyrefine.physics_iq.scoring.original import original_score
from phyrefine.physics_iq.scoring.report import score_table
from phyrefine.physics_iq.scoring.results import ResultTable

VERIFIED = Path(__file__).parents[2] / "data" / "physics_iq_verified"
CASES: dict[str, Any] = json.loads((VERIFIED / "csv" / "aggregate.json").read_text())


def tables(count: int) -> list[ResultTable]:
    folder = VERIFIED / "csv" / "cases"
    return [ResultTable.read(folder / f"run_{i:02d}.csv") for i in range(1, count + 1)]


@pytest.mark.parametrize("name", sorted(CASES))
def test_official_files(name: str) -> None:
    edition, count = name.split("_")
    expected = CASES[name]
    if expected["returncode"]:
        with pytest.raises(InvalidInputError, match="Between 1 and 4"):
            aggregate_tables(tables(int(count)), Edition(edition))
        return
    ours = aggregate_tables(tables(int(count)), Edition(edition))
    assert ours.to_csv("demo") == expected["csv"]
    assert ours.to_latex() == expected["latex"]


def test_four_runs_of_clips() -> None:
    stored = sorted((VERIFIED / "out" / "verified").glob("near_real-bpp-run_0[1-4].csv.xz"))
    runs = [ResultTable.parse(lzma.decompress(path.read_bytes()).decode()) for path in stored]
    ours = aggregate_tables(runs, Edition.VERIFIED)
    assert ours.to_csv("near_real") == (VERIFIED / "out" / "aggregate_verified.csv").read_text()
    assert ours.to_latex() == (VERIFIED / "out" / "aggregate_verified.tex").read_text()


def shown(count: int, samples: int = 198, **options: bool) -> str:
    provenance = Provenance(Edition.VERIFIED, 30, samples=samples, **options)
    runs = {f"run {i}": Evaluation(one, provenance) for i, one in enumerate(tables(count))}
    return str(score_table(runs))


def test_what_is_shown_says_why_there_is_no_deviation() -> None:
    assert "at most 4 runs, these are 5" in shown(5)
    assert "±" not in shown(5)
    assert "at most" not in shown(4)
    assert "Phys-IQ verified: " in shown(4)
    assert "at most" not in shown(1)


def test_only_an_official_number_is_one_to_quote() -> None:
    assert "Verified is the number to quote" in shown(1)
    for option in ("lossless", "made_masks", "resampled"):
        said = shown(1, **{option: True})
        assert "NOT OFFICIAL" in said
        assert "the number to quote" not in said
        assert ("blended" in said) is (option == "resampled")
        assert ("Masks were not handled" in said) is (option != "resampled")


def test_a_part_of_the_samples_is_never_one_to_quote() -> None:
    assert "198 of 198 samples" in shown(1)
    for samples in (1, 197):
        said = shown(1, samples)
        assert f"{samples} of 198 samples" in said
        assert "NOT A NUMBER TO QUOTE" in said
        assert "is the number to quote" not in said


def test_the_best_run_is_said_to_be_chosen_by_ground_truth() -> None:
    assert "Best run, chosen by ground truth: run" in shown(2)
    assert "Best run" not in shown(1)


def test_runs_measured_differently_are_not_averaged() -> None:
    one, two = tables(2)
    runs = [
        Evaluation(one, Provenance(Edition.VERIFIED, 30, samples=198)),
        Evaluation(two, Provenance(Edition.ORIGINAL, 30, samples=198)),
    ]
    with pytest.raises(InvalidInputError, match="not measured alike"):
        aggregate(runs)
    assert aggregate(runs[:1]).runs == 1


def with_variances(**cells: tuple[float | None, float | None]) -> ResultTable:
    """Two scenes, whose ``variance_spatial`` of some views is given, ``None`` for an empty cell."""
    whole = tables(1)[0]
    columns = {name: column[:2] for name, column in whole.columns.items()}
    for view, pair in cells.items():
        columns[f"variance_spatial_perspective-{view}"] = pair
    return ResultTable(whole.scenes[:2], columns)


def test_empty_cells_as_in_each_program() -> None:
    """The first averages views, the newer one scenes; only the newer skips what has no value."""
    table = with_variances(left=(0.2, None), center=(0.4, 0.8), right=(0.6, None))
    assert original_score(table).variance_spatial == pytest.approx((0.2 + 0.6 + 0.6) / 3, abs=1e-5)
    assert original_score(table, exact=True).variance_spatial == pytest.approx((0.4 + 0.8) / 2)
    table = with_variances(left=(None, None), center=(0.4, 0.8), right=(0.6, 0.2))
    assert math.isnan(original_score(table).variance_spatial)
    assert original_score(table, exact=True).variance_spatial == pytest.approx(0.5)
