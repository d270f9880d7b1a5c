"""From video files to the official result tables and scores, for both versions."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from phyrefine.errors import InvalidInputError, VideoError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.layout import Edition
from phyrefine.physics_iq.scoring import truth
from phyrefine.physics_iq.scoring.evaluate import Evaluator
from phyrefine.physics_iq.scoring.evaluation import Evaluation
from phyrefine.physics_iq.scoring.original import original_score
from phyrefine.physics_iq.scoring.results import ResultTable
from phyrefine.physics_iq.scoring.truth import GroundTruth
from phyrefine.physics_iq.scoring.verified import verified_score

DATA = Path(__file__).parents[2] / "data"
ORIGINAL, VERIFIED = DATA / "physics_iq", DATA / "physics_iq_verified"
slow = pytest.mark.slow


def evaluate(
    root: Path, folder: Path, cache: Path, *, fps: int = 30, check: bool = True, **options: bool
) -> Evaluation:
    real = GroundTruth(PhysicsIQ.open(root), fps)
    return Evaluator(real, cache=cache, jobs=1, **options).evaluate(folder, check=check)


def assert_same_tables(ours: ResultTable, official: ResultTable) -> None:
    assert ours.scenes == official.scenes
    assert set(ours.columns) == set(official.columns)
    for name, cells in official.columns.items():
        tolerance = 2e-8 if "mse" in name else 1e-12
        for mine, theirs in zip(ours.columns[name], cells, strict=True):
            assert mine == pytest.approx(theirs, abs=tolerance, rel=0), name


BASE = [
    pytest.param("base", "near_real", 30, marks=slow),
    pytest.param("base", "wrong_gravity", 30, marks=slow),
    pytest.param("base", "static", 30, marks=slow),
    pytest.param("base", "shuffled", 30, marks=slow),
    pytest.param("base", "drift", 30, marks=slow),
    pytest.param("edge/static", "static", 30),
    pytest.param("edge/static", "near_real", 30, marks=slow),
    pytest.param("edge/odd", "near_real", 30, marks=slow),
    pytest.param("edge/odd", "near_real_131x75", 30, marks=slow),
    pytest.param("edge/moving", "near_real", 30, marks=slow),
    pytest.param("edge/moving", "near_real_224x128", 30, marks=slow),
    pytest.param("edge/moving", "near_real_176x144", 30, marks=slow),
    pytest.param("edge/moving", "near_real_151", 30, marks=slow),
    pytest.param("edge/moving", "near_real_tag709", 30, marks=slow),
    pytest.param("edge/moving", "near_real_8fps", 8),
    pytest.param("edge/moving", "near_real_16fps", 16, marks=slow),
    pytest.param("edge/moving", "near_real_24fps", 24, marks=slow),
]


@pytest.mark.parametrize(("place", "model", "fps"), BASE)
def test_original_tables_are_reproduced(place: str, model: str, fps: int, cache: Path) -> None:
    folder = ORIGINAL / place
    check = model != "near_real_151"
    ours = evaluate(folder, folder / "generated" / model, cache, fps=fps, check=check)
    stored = gzip.decompress((folder / "results" / f"{model}.csv.gz").read_bytes()).decode()
    assert_same_tables(ours.table, ResultTable.parse(stored))
    expected = json.loads((folder / "results" / f"{model}.json").read_text())
    score = original_score(ours.table)
    assert score.score == expected["official_score"]
    assert score.physical_variance == expected["official_physical_variance"]
    assert score.unclipped == pytest.approx(expected["parts"]["score_unclipped"], abs=1e-9)
    assert 100 * verified_score(ours.table).score == pytest.approx(
        expected["parts"]["verified"], abs=1e-6
    )
    assert ours.provenance.edition is Edition.ORIGINAL
    assert ours.provenance.official


RUNS = [
    pytest.param("verified", "near_real-bpp-run_01", 30, marks=slow),
    pytest.param("verified", "near_real-bpp-run_01-24fps", 24),
    pytest.param("verified", "near_real-bpp-run_01-96x60", 30, marks=slow),
    pytest.param("verified", "near_real-bpp-run_02", 30, marks=slow),
    pytest.param("verified", "near_real-bpp-run_03", 30, marks=slow),
    pytest.param("verified", "near_real-bpp-run_04", 30, marks=slow),
    pytest.param("verified", "wrong_gravity-op-run_01", 30, marks=slow),
    pytest.param("verified", "static-op-run_01", 30, marks=slow),
    pytest.param("verified", "drift-op-run_01", 30, marks=slow),
    pytest.param("original", "near_real-bpp-run_01", 30, marks=slow),
    pytest.param("original", "wrong_gravity-op-run_01", 30, marks=slow),
    pytest.param("original", "static-op-run_01", 30, marks=slow),
]


@pytest.mark.slow
@pytest.mark.parametrize(("edition", "run", "fps"), RUNS)
def test_tables_of_the_newer_package_are_reproduced(
    edition: str, run: str, fps: int, cache: Path
) -> None:
    root = VERIFIED / "data" / Edition(edition).folder
    ours = evaluate(root, VERIFIED / "data" / "generated" / run, cache, fps=fps)
    stored = VERIFIED / "out" / edition
    official = lzma.decompress((stored / f"{run}.csv.xz").read_bytes()).decode()
    assert_same_tables(ours.table, ResultTable.parse(official))
    expected = json.loads((stored / f"{run}_metrics.json").read_text())
    assert verified_score(ours.table).score == pytest.approx(expected["final_score_view"], abs=1e-9)
    assert original_score(ours.table).score == expected["final_score_origround"]


def test_too_few_frames_are_an_error(cache: Path) -> None:
    folder = ORIGINAL / "edge/moving"
    clips = folder / "generated/near_real_149"
    with pytest.raises(InvalidInputError, match=r"must last 5 s.*4\.96"):
        evaluate(folder, clips, cache)
    with pytest.raises(VideoError, match="holds 149 frames and 150 are scored"):
        evaluate(folder, clips, cache, check=False)


def test_a_second_run_reads_only_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from phyrefine.physics_iq.scoring import evaluate as module

    folder = ORIGINAL / "edge/static"
    first = evaluate(folder, folder / "generated/static", tmp_path)
    opened: list[Path] = []
    decode = module.decode

    def noting(path: Path, limit: int | None = None) -> object:
        opened.append(path)
        return decode(path, limit)

    monkeypatch.setattr(module, "decode", noting)
    assert evaluate(folder, folder / "generated/static", tmp_path) == first
    assert opened == []
    evaluate(folder, folder / "generated/near_real", tmp_path)
    assert {path.parent.name for path in opened} == {"near_real"}
    assert len(opened) == 3


def test_the_same_names_with_other_clips_are_scored_anew(cache: Path, tmp_path: Path) -> None:
    folder = ORIGINAL / "edge/moving"
    run = tmp_path / "run"
    shutil.copytree(folder / "generated/near_real", run)
    first = evaluate(folder, run, cache)
    name = min(path.name for path in run.iterdir())
    other = min((folder / "generated/near_real_224x128").iterdir())
    shutil.copyfile(other, run / name)
    assert evaluate(folder, run, cache).table != first.table


@pytest.mark.slow
def test_without_a_cache_and_packed_the_result_is_the_same(cache: Path, tmp_path: Path) -> None:
    folder = ORIGINAL / "edge/static"
    run = folder / "generated/static"
    truth = GroundTruth(PhysicsIQ.open(folder), 30)
    plain = Evaluator(truth, jobs=2).evaluate(run)
    packed = Evaluator(truth, cache=tmp_path, packed=True, jobs=2).evaluate(run)
    assert plain == packed == evaluate(folder, run, cache)


def test_lossless_masks_are_labelled(cache: Path) -> None:
    folder = ORIGINAL / "edge/moving"
    run = folder / "generated/near_real_8fps"
    ours = evaluate(folder, run, cache, fps=8, lossless=True)
    assert not ours.provenance.official
    official = evaluate(folder, run, cache, fps=8)
    assert original_score(ours.table).score != original_score(official.table).score


def test_one_view_alone_equals_its_row(cache: Path) -> None:
    folder = ORIGINAL / "edge/moving"
    truth = GroundTruth(PhysicsIQ.open(folder), 8)
    evaluator = Evaluator(truth, cache=cache, jobs=1)
    sample = truth.dataset.samples[1]
    run = folder / "generated/near_real_8fps"
    view = evaluator.view(sample, next(run.glob(f"{sample.number:04d}_*")))
    table = evaluate(folder, run, cache, fps=8).table
    assert view.cells().items() <= {k: v[0] for k, v in table.columns.items()}.items()


# -- a damaged cache -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(tiny: Path, tiny_bench: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache after one view of the tiny data set was scored; copy it."""
    folder = tmp_path_factory.mktemp("kept")
    one_view(tiny, tiny_bench, folder)
    return folder


def one_view(tiny: Path, bench: Path, cache: Path, *, loop: int = 1) -> Evaluation:
    truth = GroundTruth(PhysicsIQ.open(tiny), 8)
    run = bench / "videos" / f"loop{loop}-steps4-seed0"
    return Evaluator(truth, cache=cache, jobs=1).evaluate(run, samples=truth.dataset.samples[:1])


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def scramble(path: Path) -> None:
    path.write_bytes(bytes(byte ^ 0x5A for byte in path.read_bytes()))


def flip_last(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def other_json(path: Path) -> None:
    path.write_text('{"size": [1, 2]}')


@pytest.mark.slow
def test_several_folders_are_measured_under_one_bar(
    tiny: Path, tiny_bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = GroundTruth(PhysicsIQ.open(tiny), 8)
    folders = {seed: tiny_bench / f"videos/loop1-steps4-seed{seed}" for seed in (0, 1)}
    together = Evaluator(real, cache=tmp_path, jobs=2, progress=True).measure_runs(folders)
    bars = capsys.readouterr().err
    assert "12/12" in bars
    assert "6/6" not in bars
    alone = Evaluator(real, cache=tmp_path / "other", jobs=1)
    assert together == {seed: alone.measure(folder) for seed, folder in folders.items()}


def test_real_files_are_opened_again_only_when_they_have_changed(
    tiny: Path, tiny_bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, cache, videos = tmp_path / "data", tmp_path / "cache", tiny_bench / "videos"
    shutil.copytree(tiny, data)
    opened: list[Path] = []
    problem = truth.file_problem

    def look(path: Path, seconds: float) -> str | None:
        opened.append(path)
        return problem(path, seconds)

    monkeypatch.setattr(truth, "file_problem", look)
    for run in ("loop1-steps4-seed0", "loop1-steps4-seed1"):
        evaluate(data, videos / run, cache, fps=8)
    assert len(opened) == len(set(opened)) == 24
    damaged = [next(data.rglob(f"000{number}_video-masks*")) for number in (3, 4)]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-400])
    for _ in range(2):  # what is wrong is never remembered as right
        with pytest.raises(InvalidInputError) as said:
            evaluate(data, videos / "loop1-steps4-seed1", cache, fps=8)
        assert all(path.name in str(said.value) for path in damaged)
        assert not re.search(r"\.[.,]", str(said.value).replace("...", ""))


@pytest.mark.parametrize(
    ("files", "damage"),
    [
        (files, damage)
        for files in ("values/*.json", "clips/*/entry.json", "clips/*/frames.*", "clips/*/masks.*")
        for damage in (Path.unlink, cut, scramble, flip_last, other_json)
        if (files, damage) != ("values/*.json", Path.unlink)  # no damage
    ],
)
def test_a_damaged_cache_is_made_anew(
    files: str,
    damage: Callable[[Path], None],
    kept: Path,
    tiny: Path,
    tiny_bench: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(kept, cache)
    expected = one_view(tiny, tiny_bench, cache)
    if files.startswith("clips"):
        shutil.rmtree(cache / "values")  # or the entries are not read
    damaged = list(cache.glob(files))
    # Both takes; or that all is whole, the size, the takes' variance and the generated clip's pairs.
    assert len(damaged) == (2 if files.startswith("clips") else 4)
    assert not caplog.records
    for path in damaged:
        damage(path)
    assert one_view(tiny, tiny_bench, cache) == expected
    assert [record.levelname for record in caplog.records] == ["WARNING"] * len(damaged)
    assert all("is damaged" in record.message for record in caplog.records)
    caplog.clear()
    assert one_view(tiny, tiny_bench, cache) == expected
    assert not caplog.records


def test_damage_met_halfway_through_a_new_clip_is_made_good(
    kept: Path, tiny: Path, tiny_bench: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(kept, cache)
    for frames in cache.glob("clips/*/frames.bin"):
        flip_last(frames)
    found = one_view(tiny, tiny_bench, cache, loop=2)
    assert len(caplog.records) == 2
    assert found == one_view(tiny, tiny_bench, tmp_path / "other", loop=2)


def test_preparing_makes_damage_good(
    kept: Path, tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(kept, cache)
    shutil.rmtree(cache / "values")
    frames = next(cache.glob("clips/*/frames.bin"))
    whole = frames.read_bytes()
    scramble(frames)
    truth = GroundTruth(PhysicsIQ.open(tiny), 8)
    Evaluator(truth, cache=cache, jobs=1).prepare(truth.dataset.samples[:1])
    assert "is damaged" in caplog.text
    assert frames.read_bytes() == whole


# -- digests ---------------------------------------------------------------------------------------


def test_real_files_are_read_for_their_digest_once(
    tiny: Path, tiny_bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from phyrefine.physics_iq.scoring import evaluate as module

    seen: Counter[Path] = Counter()
    file_digest = module.file_digest

    def counting(path: Path) -> str:
        seen[path] += 1
        return file_digest(path)

    monkeypatch.setattr(module, "file_digest", counting)
    data = tmp_path / "data"
    shutil.copytree(tiny, data)
    truth = GroundTruth(PhysicsIQ.open(data), 8)
    evaluator = Evaluator(truth, cache=tmp_path / "cache", jobs=2)
    rows = [tiny_bench / "videos" / f"loop{loop}-steps4-seed0" for loop in (1, 2)]
    samples = truth.dataset.samples[:2]
    for row in rows:
        evaluator.evaluate(row, samples=samples)
    real = {path: count for path, count in seen.items() if data in path.parents}
    assert len(real) == 2 * 2 * 2  # samples, takes, video and mask
    assert set(real.values()) == {1}
    changed = truth.testing(samples[0], 1)
    shutil.copyfile(truth.testing(samples[1], 1), changed)
    evaluator.evaluate(rows[0], samples=samples)
    assert seen[changed] == 2
    assert sum(seen[path] for path in real) == len(real) + 1


@pytest.mark.parametrize("kind", ["take", "mask"])
def test_a_real_file_that_is_gone_is_named(
    kind: str, tiny: Path, tiny_bench: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny, data)
    truth = GroundTruth(PhysicsIQ.open(data), 8)
    sample = truth.dataset.samples[0]
    lost = truth.testing(sample, 2) if kind == "take" else truth.mask(sample, 1)
    assert lost is not None
    lost.unlink()
    clips = tiny_bench / "videos" / "loop1-steps4-seed0"
    with pytest.raises(VideoError, match=f"No such video: {lost}"):
        Evaluator(truth, jobs=1).measure(clips, samples=[sample], check=False)
