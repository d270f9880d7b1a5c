"""Packs and their checks: every stored card, run folder and prompts file gets the same findings."""

from __future__ import annotations

import csv
import json
import math
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from phyrefine.errors import InvalidInputError, VideoError
from phyrefine.physics_iq.data.decoding import probe
from phyrefine.physics_iq.data.layout import Edition
from phyrefine.physics_iq.scoring.evaluation import Evaluation, Provenance
from phyrefine.physics_iq.scoring.results import ResultTable
from phyrefine.physics_iq.submission.card import (
    GENERATION,
    OPTIONAL,
    UPSAMPLING,
    check_card,
    valid_run_id,
)
from phyrefine.physics_iq.submission.card_files import read_card
from phyrefine.physics_iq.submission.checking import (
    ClipFacts,
    _prober,
    check_descriptions,
    check_pack,
    check_run,
)
from phyrefine.physics_iq.submission.making import Selection, cut_clip, require_clean, write_pack
from phyrefine.video.clip import Clip

VERIFIED = Path(__file__).parents[2] / "data" / "physics_iq_verified"
STORED: dict[str, Any] = json.loads((VERIFIED / "submission.json").read_text())


def test_stored_cards() -> None:
    for case in STORED["cards"]:
        found = [finding.about for finding in check_card(read_card(case["yaml"]))]
        assert found == case["errors"], case["name"]


def test_stored_run_ids() -> None:
    for run_id, valid in STORED["run_ids"]:
        assert valid_run_id(run_id) is valid, run_id


@pytest.mark.parametrize("case", STORED["runs"], ids=lambda case: case["name"])
def test_stored_run_folders(case: dict[str, Any]) -> None:
    usual = {key: STORED["usual"][key] for key in ("fps", "width", "height", "duration")}
    names = {f"{i:04d}_v.mp4" for i in range(1, 199)} - set(case["missing"]) | set(case["extra"])

    def facts(name: str) -> ClipFacts:
        said = {**usual, **case["every"], **case["odd"].get(name, {})}
        if "probe_error" in said:
            raise VideoError(said["probe_error"])
        return ClipFacts(said["duration"], said["width"], said["height"], said["fps"])

    info = {"fps": case["card_fps"], "resolution": case["card_resolution"]}
    found = [finding.about for finding in check_run(sorted(names), facts, info)]
    if isinstance(case["errors"], dict):  # the official check crashes; ours says why
        assert found == ["public_info.resolution"]
    else:
        assert sorted(found) == sorted(case["errors"])


@pytest.mark.parametrize("case", STORED["descriptions"], ids=lambda case: case["name"])
def test_stored_prompt_files(case: dict[str, Any]) -> None:
    found = [finding.about for finding in check_descriptions(case["csv"], case["files"])]
    if isinstance(case["errors"], dict):
        assert found == ["other"]
    else:
        assert found == case["errors"]


def moving(frames: int, fps: int = 8) -> Clip:
    pixels = np.zeros((frames, 32, 48, 3), np.uint8)
    for index in range(frames):
        pixels[index, 8:16, index % 40 : index % 40 + 8] = 200
    return Clip(pixels, fps)


@pytest.mark.parametrize("frames", [40, 47])
def test_clips_are_cut_to_five_seconds(frames: int, tmp_path: Path) -> None:
    source = moving(frames).write(tmp_path / "source.mp4")
    cut_clip(source, tmp_path / "cut.mp4", 8)
    seconds = probe(tmp_path / "cut.mp4").seconds
    assert seconds is not None
    assert math.isclose(seconds, 5.0, abs_tol=0.001)
    assert len(Clip.read(tmp_path / "cut.mp4")) == 40


def test_short_and_foreign_clips_are_not_cut(tmp_path: Path) -> None:
    source = moving(39).write(tmp_path / "source.mp4")
    with pytest.raises(VideoError, match="39 frames"):
        cut_clip(source, tmp_path / "cut.mp4", 8)
    with pytest.raises(VideoError, match="not 24"):
        cut_clip(source, tmp_path / "cut.mp4", 24)


def evaluation(edition: Edition, **options: bool) -> Evaluation:
    table = ResultTable.read(VERIFIED / "csv" / "cases" / "run_01.csv")
    return Evaluation(table, Provenance(edition, 8, samples=198, **options))


def pack(
    folder: Path, clip: Path, evaluations: list[Evaluation], selection: Selection
) -> list[str]:
    prompts = folder.parent / "prompts.csv"
    prompts.write_text("scenario,description,generated_video_name\ns,d,0001_a.mp4\n")
    findings = write_pack(
        folder,
        {"run_01": {"0001_a.mp4": clip}},
        evaluations,
        descriptions=prompts,
        prompts={"run_01": {"0001_a.mp4": "the prompt used"}},
        public_info={"resolution": "48x32", "model": "m"},
        selection=selection,
    )
    return [finding.about for finding in findings]


def test_a_pack_is_written_and_checked(tmp_path: Path) -> None:
    clip = moving(40).write(tmp_path / "clip.mp4")
    found = pack(tmp_path / "pack", clip, [evaluation(Edition.VERIFIED)], Selection("judge"))
    # One clip stands for 198 here, and a person has yet to accept the terms.
    assert {"count", "terms.terms_accepted", "warranties.metadata_accurate"} <= set(found)
    assert not [about for about in found if about.startswith("reported_scores")]
    card = read_card((tmp_path / "pack" / "submission.yaml").read_text())
    assert card["reported_scores"]["physiq_mean"] == pytest.approx(56.17)
    info = card["public_info"]
    assert info["fps"] == 8
    assert info["bon_sampling_method"] == "judge"
    for name in (*UPSAMPLING, *GENERATION, *OPTIONAL):  # to be filled in
        assert info[name] is None or name == "bon_sampling_method"
    rows = csv.DictReader((tmp_path / "pack/descriptions.csv").read_text().splitlines())
    assert [(row["description"], row["original_description"]) for row in rows] == [
        ("the prompt used", "d")
    ]
    assert (tmp_path / "pack/runs/run_01/0001_a.mp4").is_file()
    with pytest.raises(InvalidInputError, match="exists"):
        pack(tmp_path / "pack", clip, [evaluation(Edition.VERIFIED)], Selection())


def test_what_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    clip = moving(40).write(tmp_path / "clip.mp4")
    folder = tmp_path / "pack"
    pack(folder, clip, [evaluation(Edition.VERIFIED)], Selection())
    card = (folder / "submission.yaml").read_text()

    def found() -> list[str]:
        return [finding.about for finding in check_pack(folder)]

    whole = found()
    for unread in (b"\xff\xfe", b"a: [", b"- a", b"date: 2026-13-45"):
        (folder / "submission.yaml").write_bytes(unread)
        assert {"other:submission.yaml", "public_info.model", "count"} <= set(found())
    for without in ("a: 1\n", "public_info: none\n"):
        (folder / "submission.yaml").write_text(without)
        assert {"public_info.model", "terms.terms_accepted", "count"} <= set(found())
    (folder / "submission.yaml").write_text(card)

    prompts = (folder / "descriptions.csv").read_bytes()
    (folder / "descriptions.csv").write_bytes(b"scenario\xff")
    assert "other:descriptions.csv" in found()
    (folder / "descriptions.csv").unlink()
    assert found() == [*whole[:-1], "other:descriptions.csv", whole[-1]]
    (folder / "descriptions.csv").write_bytes(prompts)

    shutil.rmtree(folder / "runs" / "run_01")
    assert found() == [*whole[:-1], "other:runs"]
    shutil.rmtree(folder / "runs")
    assert found() == [*whole[:-1], "other:runs"]
    (folder / "submission.yaml").unlink()
    with pytest.raises(InvalidInputError, match="holds neither"):
        check_pack(folder)


def test_a_rate_is_the_streams_and_not_the_mean_of_rounded_time_stamps(tmp_path: Path) -> None:
    path, second = tmp_path / "0001_a.mp4", Fraction(1, 1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.time_base = stream.codec_context.time_base = second
        for index, pixels in enumerate(moving(120).frames):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = round(index / 24 / second), second
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert probe(path).fps != 24
    assert _prober(tmp_path)(path.name).fps == 24


def test_nothing_measured_on_one_edition_enters_the_other(tmp_path: Path) -> None:
    clip = moving(40).write(tmp_path / "clip.mp4")
    tuned = Selection("best of 4", used=frozenset({Edition.ORIGINAL}))
    with pytest.raises(InvalidInputError, match="used scores of Physics-IQ original"):
        pack(tmp_path / "a", clip, [evaluation(Edition.VERIFIED)], tuned)
    both = [evaluation(Edition.VERIFIED), evaluation(Edition.ORIGINAL)]
    with pytest.raises(InvalidInputError, match="do not match"):
        pack(tmp_path / "b", clip, both, Selection())
    with pytest.raises(InvalidInputError, match="bound, not a submission"):
        require_clean(Selection("oracle", oracle=True), Edition.ORIGINAL)
    with pytest.raises(InvalidInputError, match="not measured as the official"):
        pack(tmp_path / "c", clip, [evaluation(Edition.VERIFIED, lossless=True)], Selection())
    assert not (tmp_path / "a").exists()
