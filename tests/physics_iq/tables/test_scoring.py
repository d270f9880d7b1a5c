"""From stored attempts to the table, the plots and the packs; nothing is generated here."""

from __future__ import annotations

import csv
import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from attrs import evolve

from phyrefine.cli import FAILED, STOPPED_EARLY, main
from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.layout import Edition, RunKey
from phyrefine.physics_iq.generation.generating import read_records
from phyrefine.physics_iq.generation.plan import read_plan
from phyrefine.physics_iq.scoring.aggregate import headline
from phyrefine.physics_iq.scoring.evaluation import Provenance
from phyrefine.physics_iq.scoring.results import ResultTable
from phyrefine.physics_iq.submission.card_files import read_card
from phyrefine.physics_iq.submission.packing import Entry, pack_bench
from phyrefine.physics_iq.tables.scoring import score_bench
from phyrefine.physics_iq.tables.table_one import TableOne

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def table(tiny: Path, tiny_bench: Path, cache: Path) -> TableOne:
    return score_bench(tiny_bench, PhysicsIQ.open(tiny), cache=cache, subsets=[(1,)], jobs=1)


def labels(table: TableOne, kind: str) -> list[str]:
    return [row.label for row in table.rows if row.kind == kind]


def test_rows_of_the_table(table: TableOne) -> None:
    assert (table.edition, table.seeds, table.samples) == (Edition.ORIGINAL, (0, 1), 6)
    assert labels(table, "plain") == ["plain description, 4 steps"]
    assert labels(table, "loop") == ["loop 1, 4 steps", "loop 2, 4 steps"]
    assert [row.number for row in table.of_kind("loop")] == [1, 2]
    pools = ["{1}", "{0,1,2}", "{1,2}"]
    assert labels(table, "oracle") == [f"best of {pool}" for pool in pools]
    assert labels(table, "random") == [f"random pick of {pool}" for pool in pools]
    # The critic watched the first seed only, so it is no ensemble here.
    assert labels(table, "reference-free") == [f"judge of {pool}" for pool in pools]
    for row in table.rows:
        assert set(row.categories) == {"Solid Mechanics", "Optics"}
        assert row.score.std >= 0


def test_the_rows_are_the_official_tables_scores(table: TableOne, tiny_bench: Path) -> None:
    for row in table.of_kind("loop"):
        assert row.place is not None
        names = [RunKey(*row.place, seed).name for seed in (0, 1)]
        stored = [ResultTable.read(tiny_bench / "results" / f"{name}.csv") for name in names]
        scores = [headline(one, Edition.ORIGINAL) for one in stored]
        assert row.score.mean == pytest.approx(sum(scores) / 2)


def test_the_judge_is_held_against_the_truth(table: TableOne) -> None:
    assert [note.partition(":")[0] for note in table.notes] == ["judge", "6 of 198 samples"]
    assert "of what the oracle wins over a random pick" in table.notes[0]
    assert "rank correlation" in table.notes[0]


def test_the_ensemble_is_made_of_what_the_records_say(
    table: TableOne, tiny: Path, tiny_bench: Path
) -> None:
    records = read_records(tiny_bench, PhysicsIQ.open(tiny).samples)
    results = {path.stem: ResultTable.read(path) for path in (tiny_bench / "results").glob("*.csv")}
    scores = []
    for seed in (0, 1):
        cells: dict[str, list[object]] = {}
        sources = []
        for record in records.values():
            judged = record["selectors"]["judge"]
            keys = [f"loop{loop}-steps4-seed{seed}" for loop in (1, 2)]
            sources.append(max(keys, key=lambda key: judged[key]))  # the earlier on a tie
        first = results[sources[0]]
        for name in first.columns:
            view = name.rpartition("_")[2]
            place = ["perspective-left", "perspective-center", "perspective-right"].index(view)
            cells[name] = [
                results[sources[3 * scene + place]].columns[name][scene] for scene in (0, 1)
            ]
        mixed = ResultTable(first.scenes, {name: tuple(c) for name, c in cells.items()})  # type: ignore[arg-type]
        scores.append(headline(mixed, Edition.ORIGINAL))
    row = next(row for row in table.rows if row.label == "judge of {1,2}")
    assert row.score.mean == pytest.approx(sum(scores) / 2)


def test_what_is_written(table: TableOne, tiny_bench: Path) -> None:
    assert "ORACLE" in (tiny_bench / "table.txt").read_text()
    rows = list(csv.DictReader((tiny_bench / "table.csv").read_text().splitlines()))
    assert len(rows) == len(table.rows)
    assert {row["kind"] for row in rows} == {"plain", "loop", "random", "reference-free", "ORACLE"}
    stored = json.loads((tiny_bench / "table.json").read_text())
    assert stored["rows"][1]["score"]["mean"] == table.rows[1].score.mean
    stands = json.loads((tiny_bench / "results" / "provenance.json").read_text())
    assert Provenance(**{**stands, "edition": Edition(stands["edition"])}).official


def test_without_full_scores_the_table_says_why_a_row_is_missing(
    tiny: Path, tiny_bench: Path, tmp_path: Path, cache: Path
) -> None:
    bench = tmp_path / "bench"
    shutil.copytree(tiny_bench, bench, ignore=shutil.ignore_patterns("run", "cache", "table*"))
    for path in (bench / "samples").iterdir():
        record = json.loads(path.read_text())
        del record["selectors"]["judge"], record["checksum"]
        path.write_text(json.dumps(record))
    table = score_bench(bench, PhysicsIQ.open(tiny), cache=cache, jobs=1)
    assert table.of_kind("reference-free") == ()
    assert any(note.startswith("No reference-free row: judge scored") for note in table.notes)


def test_the_plots(table: TableOne, tiny_bench: Path) -> None:
    bars = ET.parse(tiny_bench / "table.svg").getroot()
    drawn = [rect for rect in bars.iter(f"{SVG}rect") if rect.get("height") == "16"]
    assert len(drawn) == len(table.rows)
    assert sum(rect.get("fill") == "url(#oracle)" for rect in drawn) == 3
    lengths = [float(str(rect.get("width"))) for rect in drawn]
    assert lengths == pytest.approx([4.2 * row.score.mean for row in table.rows], abs=0.1)
    curves = ET.parse(tiny_bench / "loops.svg").getroot()
    assert len(list(curves.iter(f"{SVG}polyline"))) == 3  # all samples and two categories
    assert len(list(curves.iter(f"{SVG}circle"))) == 9  # plain, loop 1, loop 2 in each


def test_scoring_alone_never_generates(
    tiny: Path, tiny_bench: Path, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = tmp_path / "bench"
    shutil.copytree(tiny_bench, bench, ignore=shutil.ignore_patterns("run", "cache", "table*"))
    words = ["bench", "physics-iq", "--data", str(tiny), "--out", str(bench), "--score-only"]
    # No such backends exist: nothing but scoring may happen.
    words += ["--vlm", "none", "--llm", "none", "--generator", "none", "--cache", str(cache)]
    assert main([*words, "--subsets", "1;0,1,2", "--jobs", "1"]) == 0
    told = capsys.readouterr().out
    assert "best of {0,1,2}" in told
    assert (bench / "table.txt").is_file()
    assert not (bench / "run").exists()
    min((bench / "samples").iterdir()).unlink()
    assert main(words) == FAILED
    assert "1 of 6 samples are not finished" in capsys.readouterr().err


def test_other_peoples_folders(
    tiny: Path, tiny_bench: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = []
    for number, row in enumerate(("loop1-steps4-seed0", "loop2-steps4-seed0")):
        folder = tmp_path / f"model-{number}"
        folder.mkdir()
        for clip in (tiny_bench / "videos" / row).iterdir():
            shutil.copyfile(clip, folder / f"{clip.name[:4]}_anything.mp4")
        folders.append(str(folder))
    shared = ["--data", str(tiny), "--fps", "8", "--cache", str(cache), "--jobs", "1"]
    assert main(["score", *folders, *shared, "--out", str(tmp_path / "scores")]) == 0
    told = capsys.readouterr().out
    assert "6 of 198 samples" in told
    assert "NOT A NUMBER TO QUOTE" in told
    assert "is the number to quote" not in told
    assert "model-1" in told
    official = ResultTable.read(tmp_path / "scores" / "model-0.csv")
    assert official == ResultTable.read(tiny_bench / "results" / "loop1-steps4-seed0.csv")

    out = tmp_path / "ensemble"
    assert main(["ensemble", *folders, *shared, "--subsets", "2", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "best of {1,2}" in told
    assert "best of {2}" in told
    assert "reference-free" not in told
    assert (out / "table.json").is_file()


def test_an_ensemble_of_one_run_twice_is_refused(
    tiny: Path, tiny_bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_bench / "videos" / "loop1-steps4-seed0"
    copy = tmp_path / "copy" / folder.name
    shutil.copytree(folder, copy)
    assert main(["ensemble", str(folder), str(copy), "--data", str(tiny), "--fps", "8"]) == FAILED
    said = capsys.readouterr().err
    assert "copy-loop1-steps4-seed0 and videos-loop1-steps4-seed0 stand for the same run" in said


# -- packs -----------------------------------------------------------------------------------------


def test_a_pack_of_a_row_is_what_was_generated(
    tiny: Path, tiny_bench: Path, cache: Path, tmp_path: Path
) -> None:
    data = PhysicsIQ.open(tiny)
    with pytest.raises(InvalidInputError, match="takes one run, these are 2"):
        pack_bench(tiny_bench, data, tmp_path / "two", Entry(row=2), cache=cache, jobs=1)
    one = tmp_path / "one"
    plan = json.loads((tiny_bench / "bench.json").read_text())
    shutil.copytree(tiny_bench, one)
    plan["plan"]["seeds"] = [0]
    (one / "bench.json").write_text(json.dumps(plan))
    found = pack_bench(one, data, tmp_path / "pack", Entry(row=2), cache=cache, jobs=1)
    assert [finding.about for finding in found] == ["count"]  # 6 samples here, 198 there
    card = read_card((tmp_path / "pack" / "original.yaml").read_text())
    stored = ResultTable.read(tiny_bench / "results" / "loop2-steps4-seed0.csv")
    assert card["final_score_origround"] == headline(stored, Edition.ORIGINAL)
    assert card["public_info"]["resolution"] == "48x32"
    assert card["public_info"]["model_version"] == "moving-dot"
    assert card["public_info"]["bon_sampling"] == 1
    clips = sorted((tmp_path / "pack" / "runs").rglob("*.mp4"))
    assert [clip.name for clip in clips] == [f"{sample.name}.mp4" for sample in data.samples]
    sources = sorted((tiny_bench / "videos" / "loop2-steps4-seed0").iterdir())
    assert [clip.read_bytes() for clip in clips] == [path.read_bytes() for path in sources]


def test_the_oracle_and_the_other_edition_have_no_pack(
    tiny: Path, tiny_bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pack", str(tiny_bench), "--data", str(tiny), "--out", str(tmp_path / "pack")]
    assert main([*words, "--ensemble", "oracle"]) == FAILED
    assert "a bound, not a submission" in capsys.readouterr().err
    verified = evolve(PhysicsIQ.open(tiny), edition=Edition.VERIFIED)
    # Clips made for Original never meet Verified's ground truth: no score, no table, no pack.
    for act in (
        lambda: pack_bench(tiny_bench, verified, tmp_path / "pack", Entry(selector="judge")),
        lambda: score_bench(tiny_bench, verified),
        lambda: read_plan(tiny_bench, verified),
    ):
        with pytest.raises(InvalidInputError, match="nothing of one edition may enter the other"):
            act()
    assert not (tmp_path / "pack").exists()


@pytest.mark.slow
def test_a_verified_pack_of_an_ensemble(
    tiny: Path, tiny_bench: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, bench = tmp_path / "data", tmp_path / "bench"
    shutil.copytree(tiny, data)
    (data / "physics-IQ-benchmark").rename(data / "physics-IQ-benchmark-verified")
    shutil.copytree(tiny_bench, bench)
    said = json.loads((bench / "bench.json").read_text())
    (bench / "bench.json").write_text(json.dumps({**said, "edition": "verified"}))
    info = tmp_path / "info.yaml"
    info.write_text(
        "organization: Example\navailability: api\ngeneration_cost: 0\nupsample_cost: 1\n"
    )
    words = [
        "pack",
        str(bench),
        "--data",
        str(data),
        "--out",
        str(tmp_path / "pack"),
        "--jobs",
        "1",
    ]
    code = main([*words, "--ensemble", "judge", "--subset", "1,2", "--info", str(info)])
    assert code == STOPPED_EARLY
    found = {line.partition(":")[0] for line in capsys.readouterr().out.splitlines()[:-1]}
    assert found == {
        "count", "public_info.descriptions", "public_info.model_source", "terms.terms_accepted",
        "terms.accepted_on_behalf_of", "terms.accepted_at",
        *(f"warranties.{name}" for name in (
            "has_rights_to_submit", "no_ip_infringement", "permitted_by_provider_tos",
            "no_personal_data_in_content", "metadata_accurate")),
    }  # fmt: skip
    card = read_card((tmp_path / "pack" / "submission.yaml").read_text())
    assert card["public_info"]["bon_sampling"] == 2
    assert card["public_info"]["bon_sampling_method"] == "judge"
    assert card["public_info"]["organization"] == "Example"
    assert card["reported_scores"]["physiq_std"] >= 0  # over two seeds
    assert len(list((tmp_path / "pack" / "runs").iterdir())) == 2


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Entry(), "one of them"),
        (Entry(row=1, selector="judge"), "one of them"),
        (Entry(row=3), "rows 1 to 2"),
        (Entry(selector="critic"), r"there are \['judge'\]"),
    ],
)
def test_entries_that_are_not_there(
    entry: Entry, said: str, tiny: Path, tiny_bench: Path, cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        pack_bench(tiny_bench, PhysicsIQ.open(tiny), tmp_path / "p", entry, cache=cache, jobs=1)
