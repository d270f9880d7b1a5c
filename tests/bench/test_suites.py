"""What benchmarks read of downloads in their shapes, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench_helpers import CAPTIONS, phygenbench, videophy2, write_json

from phyrefine.bench import registry
from phyrefine.bench.benchmark import Prompts, Wanted, slug
from phyrefine.bench.data.prompt_set import PromptSet
from phyrefine.errors import InvalidInputError
from phyrefine.testing import moving_clip


def read(name: str, data: Path, **wanted: object) -> Prompts:
    suite = registry.find(name)
    assert suite.read is not None
    return suite.read(suite, data, Wanted(**wanted))  # type: ignore[arg-type]


def test_every_benchmark_loads_and_says_what_was_not_verified() -> None:
    for name in registry.names():
        suite = registry.find(name)
        assert suite.name == name
        assert suite.verified
        assert suite.sources
        assert (suite.read is None) == (suite.command is not None)


def test_videophy2_uses_each_prompt_once_and_tells_of_empty_rows(tmp_path: Path) -> None:
    found = read("videophy-2", videophy2(tmp_path))
    assert tuple(item.description for item in found.items) == CAPTIONS
    assert found.total == 3
    assert found.notes == (
        "Rows without a prompt, left out: 2.",
        "Rows that repeat a prompt, each used once: 3.",
    )
    assert [item.category for item in found.items] == ["activity", *2 * ["object_interactions"]]
    assert found.items[1].name == "0002_a-cup-full-of-tea-tips-over"


def test_subsets_limits_and_fields(tmp_path: Path) -> None:
    data = videophy2(tmp_path)
    hard = read("videophy-2", data, subset="hard")
    assert [item.description for item in hard.items] == [CAPTIONS[0]]
    assert (len(hard.items), hard.total) == (1, 3)
    few = read("videophy-2", data, limit=2)
    assert few.notes[-1] == "Only the first 2 of 3 prompts."
    long = read("videophy-2", data, fields={"prompt": "upsampled_caption"})
    assert [item.description for item in long.items] == ["Long 0.", "Long 1.", "Long 2."]
    with pytest.raises(InvalidInputError, match=r"no subset 'easy'\. Subsets: hard"):
        read("videophy-2", data, subset="easy")
    with pytest.raises(InvalidInputError, match="no field 'text': caption, video_url"):
        read("videophy-2", data, fields={"prompt": "text"})
    with pytest.raises(InvalidInputError, match="takes prompt, id, category, laws, clip"):
        read("videophy-2", data, fields={"words": "caption"})


def test_phygenbench_has_the_names_its_authors_want(tmp_path: Path) -> None:
    found = read("phygenbench", phygenbench(tmp_path))
    assert [item.name for item in found.items] == ["output_video_1", "output_video_2"]
    assert [item.category for item in found.items] == ["Force", "Light"]
    assert found.items[0].laws == ("Due to gravity it falls",)
    last = read("phygenbench", tmp_path / "PhyGenBench" / "prompts.json")
    assert last.items == found.items


def test_physfixbench_asks_for_a_field_it_does_not_know(tmp_path: Path) -> None:
    row = {"record_id": "r7", "error_family": "contact", "words": "A hand lifts a cup."}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "physfixbench_physion300.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "videos").mkdir()
    moving_clip(8).write(tmp_path / "videos" / "r7.mp4")
    with pytest.raises(InvalidInputError, match="--field prompt=NAME") as told:
        read("physfixbench", tmp_path)
    assert "record_id, error_family, words" in str(told.value)
    (item,) = read("physfixbench", tmp_path, fields={"prompt": "words"}).items
    assert (item.name, item.category) == ("r7", "contact")
    assert item.clip == tmp_path / "videos" / "r7.mp4"


def test_physion_eval_and_phyground_shapes(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "all_metadata_with_caption.json", [
        {"id": 1, "filename": "x.mp4", "has_glitches": 1, "caption": "A man pours tea.",
         "Glitch_Category": "fluid"},
        {"id": 2, "filename": "y.mp4", "has_glitches": 0, "caption": "A man pours tea."},
    ])  # fmt: skip
    (item,) = read("physion-eval", tmp_path / "a").items
    assert (item.description, item.category) == ("A man pours tea.", "fluid")
    write_json(tmp_path / "b" / "prompts" / "phyground.json", [
        {"id": 1, "prompt": "A ball falls.", "physical_laws": ["gravity", "collision"],
         "id_stem": "ball_1"}
    ])  # fmt: skip
    (item,) = read("phyground", tmp_path / "b").items
    assert (item.name, item.laws) == ("ball_1", ("gravity", "collision"))


@pytest.fixture
def morpheus(tmp_path: Path) -> Path:
    for experiment, name in (("falling", "v1"), ("falling", "v2"), ("pendulum", "v1")):
        place = tmp_path / "data" / experiment / name
        place.mkdir(parents=True)
        moving_clip(8).write(place / "cropped_video.mp4")
        (place / "info.json").write_text(json.dumps({"experiment": experiment}))
    return tmp_path / "data"


def test_folders_take_prompts_by_clip_or_by_folder(morpheus: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"3 clips have no prompt, .*prompts\.csv"):
        read("morpheus", morpheus)
    (morpheus / "prompts.csv").write_text("id,prompt\nfalling,A ball falls.\npendulum,It swings.\n")
    found = read("morpheus", morpheus)
    assert [item.name for item in found.items] == ["falling__v1", "falling__v2", "pendulum__v1"]
    assert [item.category for item in found.items] == ["falling", "falling", "pendulum"]
    (one,) = read("morpheus", morpheus, subset="pendulum").items
    assert one.description == "It swings."
    with pytest.raises(InvalidInputError, match="no clips in a folder 'optics'"):
        read("morpheus", morpheus, subset="optics")


def test_folders_condition_on_the_first_frame_or_on_three_seconds(morpheus: Path) -> None:
    for path in morpheus.rglob("info.json"):
        path.write_text(json.dumps({"caption": "A ball falls."}))
    found = read("morpheus", morpheus)
    data = PromptSet(registry.find("morpheus"), found, 2.0)
    assert data.missing_inputs(mode="i2v", fps=8) == []
    image = data.scenario(found.items[0], mode="i2v", fps=8, size=(32, 32))
    assert len(image.prefix) == 1
    assert image.seconds == 2
    video = data.scenario(found.items[0], mode="v2v", fps=8, size=(32, 32))
    assert len(video.prefix) == 8
    assert data.scenario(found.items[0], mode="t2v", fps=8, size=(32, 32)).prefix is None
    found.items[1].source.write_bytes(b"half a file")
    (problem,) = data.missing_inputs(mode="i2v", fps=8)
    assert problem.startswith("falling__v2: ")


def test_prompts_alone_condition_nothing(tmp_path: Path) -> None:
    found = read("videophy-2", videophy2(tmp_path))
    data = PromptSet(registry.find("videophy-2"), found, 5.0)
    with pytest.raises(InvalidInputError, match="use --mode t2v"):
        data.scenario(found.items[0], mode="i2v", fps=8, size=(32, 32))
    assert len(data.missing_inputs(mode="i2v", fps=8)) == 3
    assert data.missing_inputs(mode="t2v", fps=8) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.csv", "", "holds no rows"),
        ("x.csv", "caption\nA dot.\nA cup.,1,2\n", "row 2 has more cells than there are columns"),
        ("x.json", "{", "cannot be read"),
        ("x.json", "[" * 5000, "cannot be read: Brackets are nested too deeply"),
        ("x.json", '"words"', "should hold a list of objects, not str"),
        ("x.json", "[1]", "each row should be an object, not 1"),
        ("x.parquet", "PAR1", "is Parquet. Write it as CSV first"),
        ("x.txt", "words", "is none of .csv"),
        ("x.csv", "words\nfirst\n", "--field prompt=NAME"),
    ],
)
def test_files_that_are_no_tables_of_prompts(
    name: str, text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInputError, match=said):
        read("videophy-2", tmp_path / name)


def test_downloads_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no file or folder"):
        read("videophy-2", tmp_path / "nowhere")
    with pytest.raises(InvalidInputError, match="holds none of videophy2_test"):
        read("videophy-2", tmp_path)
    with pytest.raises(InvalidInputError, match="holds no clips"):
        read("morpheus", tmp_path)


def test_prompts_by_id_and_texts_alone(tmp_path: Path) -> None:
    by_id = write_json(
        tmp_path / "a.json", {"one": "A ball falls.", "two": {"prompt": "It rolls."}}
    )
    found = read("videophy-2", by_id)
    assert [item.description for item in found.items] == ["A ball falls.", "It rolls."]
    texts = write_json(tmp_path / "b.json", {"prompts": [{"prompt": "A ball falls."}], "v": 1})
    assert len(read("videophy-2", texts).items) == 1


def test_two_clips_never_get_one_name(tmp_path: Path) -> None:
    rows = [{"record_id": "r7", "prompt": "One."}, {"record_id": "r7", "prompt": "Two."}]
    write_json(tmp_path / "x.json", rows)
    with pytest.raises(InvalidInputError, match="Rows 1 and 2 of PhysFixBench"):
        read("physfixbench", tmp_path / "x.json")


def test_names_of_files_are_plain() -> None:
    assert slug("Ein Ball, rot; fällt/hin") == "ein-ball-rot-f-llt-hin"
    assert slug("???") == "prompt"
    assert len(slug("word " * 50)) <= 60
