"""Both scores from stored result tables, against the official programs' answers."""

from __future__ import annotations

import gzip
import json
import lzma
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.scoring.original import original_score
from phyrefine.physics_iq.scoring.results import ResultTable
from phyrefine.physics_iq.scoring.verified import METRICS, verified_score

DATA = Path(__file__).parents[2] / "data"
VERIFIED = DATA / "physics_iq_verified"
CASES: dict[str, Any] = json.loads((VERIFIED / "csv" / "expected.json").read_text())["cases"]
JSON_KEYS = {
    "spatial": "score_spatial",
    "weighted_spatial": "score_weighted_spatial",
    "spatiotemporal": "score_spatiotemporal",
    "mse": "score_mse",
}


def close(ours: float, official: float | str, tolerance: float = 1e-9) -> None:
    expected = float(official)
    if math.isfinite(expected):
        assert ours == pytest.approx(expected, abs=tolerance)
    else:
        assert ours == expected or (math.isnan(ours) and math.isnan(expected))


def check_headline(table: ResultTable, expected: dict[str, Any]) -> None:
    """Every number of an official ``<run>_metrics.json``."""
    verified = verified_score(table)
    close(verified.score, expected["final_score_view"])
    for metric, key in JSON_KEYS.items():
        close(verified.metrics[metric], expected[f"{key}_view"])
    exact = original_score(table, exact=True)
    for metric, key in JSON_KEYS.items():
        close(exact.ratios[metric], expected[key])
    close(exact.unclipped / 100, expected["final_score_raw"])
    for name in ("mse", "spatiotemporal_iou", "spatial", "weighted_spatial"):
        close(getattr(exact, f"variance_{name}"), expected[f"variance_{name}"])


@pytest.mark.parametrize("name", sorted(CASES))
def test_stored_tables(name: str) -> None:
    expected = CASES[name]
    path = VERIFIED / "csv" / "cases" / f"{name}.csv"
    april = expected["calculate_iq_score"]
    if "error" in april:
        with pytest.raises(InvalidInputError):
            original_score(ResultTable.read(path))
    else:
        old = original_score(ResultTable.read(path))
        close(old.score, april["value"][0])
        close(old.physical_variance, april["value"][1])
    if "error" in expected["table"]:
        with pytest.raises(InvalidInputError):
            verified_score(ResultTable.read(path))
        return
    table = ResultTable.read(path)
    check_headline(table, expected["table"]["value"])
    rows = []
    for sample in verified_score(table).samples:
        pairs = [(sample.raw[metric], sample.clipped[metric]) for metric in METRICS]
        rows.append([value for pair in pairs for value in pair] + [sample.score])
    for ours, official in zip(rows, expected["samples"]["value"], strict=True):
        for a, b in zip(ours, official, strict=True):
            close(a, b, 1e-9 * max(1.0, abs(a)) if math.isfinite(a) else 0.0)


@pytest.mark.parametrize(
    "path", sorted((VERIFIED / "out").glob("*/*.csv.xz")), ids=lambda p: p.stem
)
def test_stored_runs_of_the_newer_package(path: Path) -> None:
    stem = path.name.removesuffix(".csv.xz")
    table = ResultTable.parse(lzma.decompress(path.read_bytes()).decode())
    expected = json.loads(path.with_name(f"{stem}_metrics.json").read_text())
    check_headline(table, expected)
    assert original_score(table).score == expected["final_score_origround"]
    assert ResultTable.parse(table.to_csv()) == table


@pytest.mark.parametrize(
    "path", sorted((DATA / "physics_iq").rglob("results*/*.csv.gz")), ids=lambda p: p.stem
)
def test_stored_runs_of_the_original_program(path: Path) -> None:
    table = ResultTable.parse(gzip.decompress(path.read_bytes()).decode())
    expected = json.loads(path.with_name(path.name.replace(".csv.gz", ".json")).read_text())
    ours = original_score(table)
    assert ours.score == expected["official_score"]
    assert ours.physical_variance == expected["official_physical_variance"]
    parts = expected["parts"]
    for name in ("mse", "spatiotemporal_iou", "spatial_iou", "weighted_spatial_iou"):
        close(getattr(ours, name), parts[name])
    close(ours.unclipped, parts["score_unclipped"])
    verified = verified_score(table)
    close(100 * verified.score, parts["verified"], 1e-6)
    for metric in METRICS:
        close(100 * verified.metrics[metric], parts[f"verified_{metric}"], 1e-6)


def test_a_table_without_scenes_column_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="scenario"):
        ResultTable.parse("a,b\n1,2\n")


def test_rounding_of_variances_is_numpys() -> None:
    # numpy scales first, so that this near-tie goes up; round() would go down.
    assert round(2.74015, 4) != np.round(2.74015, 4)
