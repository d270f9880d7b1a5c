"""What a model may see of a download, and what is found missing before any work."""

from __future__ import annotations

import shutil
from pathlib import Path

import attrs
import av
import pytest

from phyrefine.errors import InvalidInputError, VideoError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.decoding import probe
from phyrefine.physics_iq.data.descriptions import read_descriptions
from phyrefine.physics_iq.data.layout import Edition, Sample
from phyrefine.physics_iq.scoring.truth import GroundTruth
from phyrefine.testing import moving_clip
from phyrefine.video.clip import Clip

HEAD = "scenario,description,category,generated_video_name\n"
ROW = "0001_perspective-left_take-1_trimmed-x.mp4,A ball.,Optics,0001_perspective-left_trimmed-x.mp4\n"


def take2(row: str = ROW) -> str:
    """The row of the second take."""
    number = int(row[:4])
    return row.replace(f"{number:04d}", f"{number + 198:04d}").replace("take-1", "take-2")


def copied(tiny: Path, folder: Path) -> Path:
    shutil.copytree(tiny, folder, dirs_exist_ok=True)
    return folder


def snapshot(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_scenarios_of_both_modes_and_nothing_is_written(tiny: Path) -> None:
    before = snapshot(tiny)
    data = PhysicsIQ.open(tiny)
    assert data.edition is Edition.ORIGINAL
    assert [sample.number for sample in data.samples] == [1, 2, 3, 4, 5, 6]
    videos = list(data.scenarios(mode="v2v", fps=8, size=(32, 48)))
    images = list(data.scenarios(mode="i2v", fps=8, size=(32, 48)))
    for (sample, video), (_, image) in zip(videos, images, strict=True):
        assert video.name == image.name == sample.name
        assert (video.seconds, video.fps, video.size) == (5, 8, (32, 48))
        assert video.prefix is not None
        assert image.prefix is not None
        assert len(video.prefix) == 24
        assert len(image.prefix) == 1
        # The switch frame is the conditioning clip's last, up to JPEG and H.264.
        difference = abs(video.prefix.frames[-1].astype(int) - image.prefix.frames[0].astype(int))
        assert difference.mean() < 3
    assert snapshot(tiny) == before


def test_the_category_stays_behind(tiny: Path) -> None:
    for sample, scenario in PhysicsIQ.open(tiny).scenarios(fps=8, size=(32, 48)):
        assert sample.category
        assert sample.category not in repr(attrs.asdict(scenario, recurse=False))


def test_text_mode_is_refused(tiny: Path) -> None:
    data = PhysicsIQ.open(tiny)
    with pytest.raises(InvalidInputError, match="v2v or i2v"):
        data.scenario(data.samples[0], mode="t2v")


def test_the_folder_itself_or_its_parent(tiny: Path) -> None:
    inside = PhysicsIQ.open(tiny / "physics-IQ-benchmark")
    assert inside.samples == PhysicsIQ.open(tiny).samples
    assert inside.root == PhysicsIQ.open(tiny, edition="original").root


def test_editions_are_never_guessed_against_the_name(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="must not be mixed"):
        PhysicsIQ.open(tiny / "physics-IQ-benchmark", edition="verified")
    both = copied(tiny, tmp_path)
    shutil.copytree(both / "physics-IQ-benchmark", both / "physics-IQ-benchmark-verified")
    with pytest.raises(InvalidInputError, match="both versions"):
        PhysicsIQ.open(both)
    assert PhysicsIQ.open(both, edition="verified").edition is Edition.VERIFIED
    (tmp_path / "other").mkdir()
    with pytest.raises(InvalidInputError, match="neither version"):
        PhysicsIQ.open(tmp_path / "other")
    with pytest.raises(InvalidInputError, match="No such folder"):
        PhysicsIQ.open(tmp_path / "nowhere")


def test_descriptions_with_a_byte_order_mark_and_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "descriptions.csv"
    second = ROW.replace("0001", "0002").replace("left", "center")
    path.write_text("\ufeff" + HEAD + take2(second) + take2() + second + ROW, encoding="utf-8")
    assert read_descriptions(path) == (
        Sample(1, "trimmed-x", "perspective-left", "A ball.", "Optics"),
        Sample(2, "trimmed-x", "perspective-center", "A ball.", "Optics"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "lacks the columns"),
        (HEAD, "lacks the columns"),
        (HEAD + ROW + ROW, "0001 twice"),
        (HEAD + take2(), "no take-1 rows"),
        (HEAD + ROW.replace("take-1", "take-2"), "0001 is not one of take 2"),
        (HEAD + ROW.replace("0001", "0199"), "0199 is not one of take 1"),
        (HEAD + ROW + take2().replace("trimmed-x", "trimmed-y"), "0199 names another scene"),
        (HEAD + ROW + take2().replace("-left", "-right"), "0199 names another scene or view"),
        (HEAD + ROW + take2() + ROW.replace("0001", "0002"), "lacks id 0200"),
        (HEAD + ROW + take2() + take2().replace("0199", "0200"), "lacks id 0002"),
        (HEAD + ROW.replace("A ball.", " "), "line 2: 'description' is empty"),
        (HEAD + ROW.replace("A ball.", "A ball, a box."), "more cells than the header"),
        (HEAD + ROW.replace("A ball.", '"A ball'), "unexpected end of data"),
        (HEAD + ROW.replace("perspective-left", "left"), "is not '<4-digit id>"),
        (HEAD + ROW.replace("0001", "1"), "is not '<4-digit id>"),
    ],
)
def test_broken_descriptions(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "descriptions.csv"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=said):
        read_descriptions(path)


@pytest.mark.parametrize("kept", range(1, len(ROW) - 2, 7))
def test_a_table_that_is_cut_anywhere_in_a_row_is_refused(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "descriptions.csv"
    path.write_text(HEAD + ROW.replace("0001", "0002") + ROW[:kept])
    with pytest.raises(InvalidInputError, match=r"descriptions\.csv, line 3: .*Fetch"):
        read_descriptions(path)


def test_what_is_missing_or_damaged_is_found_before_any_work(tiny: Path, tmp_path: Path) -> None:
    data = PhysicsIQ.open(copied(tiny, tmp_path))
    assert data.missing_inputs(fps=8) == []
    assert data.missing_inputs(mode="i2v") == []
    truth = GroundTruth(data, 8)
    assert truth.problems() == []
    one, two, three = data.samples[:3]
    data.conditioning(one, 8).unlink()
    data.switch_frame(two).write_bytes(b"")
    truth.testing(two, 2).unlink()  # a missing take
    shutil.copyfile(data.conditioning(three, 8), truth.testing(three, 1))  # 3 s, not 5
    mask = truth.mask(one, 1)
    assert mask is not None
    mask.write_bytes(mask.read_bytes()[:200])
    assert len(data.missing_inputs(fps=8)) == 1
    assert "is empty" in data.missing_inputs(mode="i2v")[0]
    found = "\n".join(truth.problems())
    assert f"No such video: {truth.testing(two, 2)}" in found
    assert "lasts 3.000 s, not 5 s" in found
    assert f"{mask} is not a readable video" in found
    assert len(truth.problems()) == 3
    with pytest.raises(VideoError, match="No conditioning clip of 0001"):
        data.scenario(one, fps=8)


def test_verified_masks_are_never_quietly_made(tiny: Path, tmp_path: Path) -> None:
    root = copied(tiny, tmp_path)
    (root / "physics-IQ-benchmark").rename(root / "physics-IQ-benchmark-verified")
    data = PhysicsIQ.open(root)
    with pytest.raises(InvalidInputError, match="edited by hand"):
        GroundTruth(data, 15).problems()
    allowed = GroundTruth(data, 15, allow_made_masks=True)
    assert allowed.mask(data.samples[0], 1) is None


def test_inputs_that_are_cut_short_are_found(tiny: Path, tmp_path: Path) -> None:
    data = PhysicsIQ.open(copied(tiny, tmp_path))
    one, two = data.samples[:2]
    clip = data.conditioning(one, 8)
    Clip.read(clip).seconds(0, 1).write(clip)
    assert data.missing_inputs(fps=8) == [f"{clip} lasts 1.000 s, not 3 s: fetch it again."]
    image = data.switch_frame(two)
    half = image.stat().st_size // 2
    image.write_bytes(image.read_bytes()[:half])
    assert data.missing_inputs(mode="i2v") == [
        f"{image} is cut off ({half} bytes): fetch it again."
    ]


def test_the_programs_repository_is_called_as_the_data_in_it(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "physics-IQ-benchmark"
    copied(tiny, clone)
    assert PhysicsIQ.open(clone).root == clone / "physics-IQ-benchmark"
    verified = clone / "physics-IQ-benchmark-verified"
    shutil.copytree(clone / "physics-IQ-benchmark", verified)
    assert PhysicsIQ.open(clone, edition="verified").root == verified
    with pytest.raises(InvalidInputError, match="both versions"):
        PhysicsIQ.open(clone)
    monkeypatch.chdir(verified)
    assert PhysicsIQ.open(".").edition is Edition.VERIFIED


def test_descriptions_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.csv"
    latin.write_bytes(f"{HEAD}{ROW}".replace("A ball", "Un été").encode("latin-1"))
    short = tmp_path / "short.csv"
    short.write_text(f"{HEAD}{ROW}\n,\n")
    for path in (tmp_path / "nowhere.csv", tmp_path, latin):
        with pytest.raises(InvalidInputError, match=r"Cannot read the descriptions .*UTF-8"):
            read_descriptions(path)
    with pytest.raises(InvalidInputError, match="line 4: the row ends before 'category'"):
        read_descriptions(short)


def test_a_rate_may_be_a_whole_float_only(tiny: Path) -> None:
    truth = GroundTruth(PhysicsIQ.open(tiny), 8.0)
    assert (truth.frames, truth.problems()) == (40, [])
    for wrong in (23.976, 0):
        with pytest.raises(InvalidInputError, match="whole rates"):
            GroundTruth(PhysicsIQ.open(tiny), wrong)


def test_what_scoring_lacks_is_known_without_opening(tiny: Path, tmp_path: Path) -> None:
    data = PhysicsIQ.open(copied(tiny, tmp_path))
    truth = GroundTruth(data, 8)
    assert truth.absent() == []
    lost, empty = truth.testing(data.samples[0], 2), truth.mask(data.samples[1], 1)
    assert empty is not None
    lost.unlink()
    empty.write_bytes(b"")
    assert truth.absent() == [str(lost), str(empty)]
    verified = attrs.evolve(data, edition=Edition.VERIFIED)
    with pytest.raises(InvalidInputError, match="edited by hand"):
        GroundTruth(verified, 12).absent()


def test_files_of_the_first_release_are_named(tiny: Path, tmp_path: Path) -> None:
    """Its test clips and masks last 8 s, with the conditioning part in front."""
    data = PhysicsIQ.open(copied(tiny, tmp_path))
    truth = GroundTruth(data, 8)
    clip, mask = truth.testing(data.samples[0], 1), truth.mask(data.samples[1], 2)
    assert mask is not None
    for path, frames in ((clip, 64), (mask, 42)):
        moving_clip(frames, (32, 48), 8).write(path)
    eight, longer = truth.problems()
    assert (
        f"{clip} lasts 8.000 s, not 5 s (the benchmark's first release had files of 8 s)" in eight
    )
    assert longer == f"{mask} lasts 5.250 s, not 5 s: fetch it again."


@pytest.mark.parametrize("kept", [0.6, 0.99])
def test_a_download_that_stopped_is_found_with_its_header_in_front(
    kept: float, tiny: Path, tmp_path: Path
) -> None:
    data = PhysicsIQ.open(copied(tiny, tmp_path))
    truth = GroundTruth(data, 8)
    clip = tmp_path / "whole.mp4"
    remux(truth.testing(data.samples[0], 1), clip)
    assert probe(clip).seconds == 5
    whole = clip.read_bytes()
    part = whole[: int(kept * len(whole))]
    paths = truth.testing(data.samples[0], 1), data.conditioning(data.samples[1], 8)
    for path in paths:
        path.write_bytes(part)
    said = f"is cut off: it has {len(part)} bytes of at least {len(whole)}"
    assert truth.problems() == [f"{paths[0]} {said}. Fetch or generate it again."]
    assert said in data.missing_inputs(fps=8)[0]
    for path in paths:  # room reserved, not yet filled
        path.write_bytes(part + bytes(len(whole) - len(part)))
    found = truth.problems() + data.missing_inputs(fps=8)
    assert ["ends in zeros" in item for item in found] == [True, True]


def remux(source: Path, target: Path) -> None:
    """Copy a clip so that its header lies in front of the samples."""
    with (
        av.open(str(source)) as old,
        av.open(str(target), "w", options={"movflags": "faststart"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
