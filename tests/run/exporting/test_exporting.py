"""A finished run as a table, a data set and a bundle: whole, checked, without secrets."""

import csv
import hashlib
import json
import shutil
import zipfile

import pytest
from attrs import evolve
from test_refiner import SCENE, Watcher, Writer

from phyrefine import Candidates, SelfRefiner
from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.run.exporting.bundle import write_bundle
from phyrefine.run.exporting.dataset import write_dataset
from phyrefine.run.exporting.rows import records_in, table_rows
from phyrefine.run.exporting.tables import write_csv, write_parquet
from phyrefine.testing import MovingDot
from phyrefine.video.clip import Clip

SECRET = "sk-exported0123456789abcdef"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of two scenarios, two loops, two seeds."""
    folder = tmp_path_factory.mktemp("exporting") / "run"
    with SelfRefiner(
        Watcher(), Writer(), MovingDot(), convergence=MaxLoops(1), ensemble="consensus",
        candidates=Candidates(seeds=(0, 1)), run_dir=folder,
    ) as refiner:  # fmt: skip
        refiner.refine_many([SCENE, evolve(SCENE, name="other", description="Ünlike, a dot.")])
    return folder


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


def test_rows_say_everything_of_every_clip(run):
    rows = table_rows(records_in(run))
    assert len(rows) == 2 * 2 * 2
    assert len({tuple(row) for row in rows}) == 1  # the same columns in every row
    assert sum(row["chosen"] for row in rows) == 2
    assert all((run / row["file"]).exists() for row in rows)
    judged = [row for row in rows if row["candidate"] == 0]
    assert all(json.loads(row["found"])[0]["what"] == "it stops" for row in judged)
    assert all(row["found"] is None for row in rows if row["candidate"] == 1)
    # Nothing is decoded, so that it works where the pixels are gone.
    shutil.rmtree(run / "store")
    assert table_rows(records_in(run)) == rows
    one = run / rows[0]["file"]
    assert {row["scenario_id"] for row in table_rows(records_in(one.parents[1]))} == {
        rows[0]["scenario_id"]
    }


@pytest.mark.slow
def test_csv_and_parquet_hold_the_same(run, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = table_rows(records_in(run))
    text = write_csv(rows, tmp_path / "t.csv").read_text("utf-8")
    read = list(csv.DictReader(text.splitlines()))
    assert [one["description"] for one in read] == [row["description"] for row in rows]
    assert [one["steps"] for one in read] == [""] * len(rows)  # unknown is empty
    table = parquet.read_table(write_parquet(rows, tmp_path / "t.parquet"))
    assert table.to_pylist() == rows
    types = {name: str(table.schema.field(name).type) for name in ("steps", "score", "found")}
    assert types == {"steps": "int64", "score": "double", "found": "string"}
    with pytest.raises(InvalidInputError, match="is a folder"):
        write_csv(rows, tmp_path)


def test_a_bundle_lists_what_it_holds_and_leaves_out_what_is_not_ours(run, tmp_path):
    (run / ".env").write_text(f"KEY={SECRET}")
    (run / "notes.txt").write_text("mine")
    (run / "tracking-wandb.json").write_text("{}")
    bundle = write_bundle(run, tmp_path / "b.zip")
    assert bundle.left_out == ("notes.txt",)
    with zipfile.ZipFile(bundle.path) as read:
        held = {name.partition("/")[2]: read.read(name) for name in read.namelist()}
    manifest = json.loads(held.pop("MANIFEST.json"))
    sums = dict(line.split("  ")[::-1] for line in held.pop("SHA256SUMS").decode().splitlines())
    assert manifest["kind"] == "run"
    assert {entry["path"] for entry in manifest["files"]} == held.keys() == sums.keys()
    for entry in manifest["files"]:
        data = held[entry["path"]]
        assert entry["bytes"] == len(data)
        assert entry["sha256"] == sums[entry["path"]] == hashlib.sha256(data).hexdigest()
    assert sum(name.endswith(".mp4") for name in held) == 8
    assert not any(name.startswith("store/") or ".lock" in name for name in held)
    before = bundle.path.read_bytes()
    assert write_bundle(run, tmp_path / "b.zip").path.read_bytes() == before


def test_a_bundle_with_its_store_goes_on_where_the_run_ended(run, tmp_path):
    write_bundle(run, tmp_path / "b.zip", store=True)
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:
        bundle.extractall(tmp_path / "there")
    dot = MovingDot()
    SelfRefiner(
        Watcher(), Writer(), dot, convergence=MaxLoops(1), ensemble="consensus",
        candidates=Candidates(seeds=(0, 1)), run_dir=tmp_path / "there" / "run",
    ).refine(SCENE)  # fmt: skip
    assert dot.shots == []


def test_no_secret_leaves(run, tmp_path, monkeypatch):
    """A key that became known only after the run was written."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path = next(run.glob("scenarios/dot-*/refinement.json"))
    path.write_text(path.read_text().replace("A dot moves.", f"A dot moves. {SECRET}"))
    with (run / "events.jsonl").open("a") as journal:
        journal.write(json.dumps({"event": "call", "error": f"key pa55word-of-mine {SECRET}"}))
    monkeypatch.setenv("SERVICE_API_KEY", "pa55word-of-mine")
    records = records_in(run)
    write_dataset(records, tmp_path / "set")
    write_csv(table_rows(records), tmp_path / "t.csv")
    table = parquet.read_table(write_parquet(table_rows(records), tmp_path / "t.parquet"))
    write_bundle(run, tmp_path / "b.zip", store=True)
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:
        inside = b"".join(bundle.read(name) for name in bundle.namelist())
    told = [inside, str(table.to_pylist()).encode(), (tmp_path / "t.csv").read_bytes()]
    told += [item.read_bytes() for item in (tmp_path / "set").rglob("*") if item.is_file()]
    for data in told:
        assert SECRET.encode() not in data
        assert b"pa55word-of-mine" not in data
    assert b"[hidden]" in inside


def test_a_data_set_has_a_video_for_every_row(run, tmp_path):
    out = write_dataset(records_in(run), tmp_path / "set")
    rows = [json.loads(line) for line in (out / "metadata.jsonl").read_text().splitlines()]
    assert len(rows) == 8
    assert {path.name for path in (out / "videos").iterdir()} == {
        row["file_name"].removeprefix("videos/") for row in rows
    }
    assert len(Clip.read(out / rows[0]["file_name"])) == 8
    assert "8 clips of 2 scenarios, 2 of them chosen" in (out / "README.md").read_text()
    with pytest.raises(InvalidInputError, match="is there already"):
        write_dataset(records_in(run), out)


def test_videos_that_are_gone_are_made_from_the_store(run, tmp_path):
    for video in run.glob("scenarios/*/videos/*"):
        video.unlink()
    out = write_dataset(records_in(run), tmp_path / "set")
    assert len(list((out / "videos").glob("*.mp4"))) == 8
    shutil.rmtree(run / "store")
    with pytest.raises(StoreError, match="is gone, and so are its frames"):
        write_dataset(records_in(run), tmp_path / "other")


def test_the_library_datasets_loads_it(run, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    out = write_dataset(records_in(run), tmp_path / "set")
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))["train"]
    loaded = loaded.cast_column("video", datasets.Video(decode=False))
    assert len(loaded) == 8
    assert sum(loaded["chosen"]) == 2
    assert all(row["video"]["path"].endswith(".mp4") for row in loaded)


def test_nothing_finished_is_nothing_to_export(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(StoreError, match="no finished scenario yet"):
        records_in(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(StoreError, match="is no run folder"):
        write_bundle(tmp_path, tmp_path / "b.zip")
