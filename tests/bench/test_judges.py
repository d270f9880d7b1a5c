"""The table of judges: what they see, in whose words they are asked, how replies are read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bench_helpers import Rater

from phyrefine import Scenario
from phyrefine.bench.benchmark import Item
from phyrefine.bench.judges import parsers
from phyrefine.bench.judges.row_judge import RowJudge
from phyrefine.bench.judges.table import (
    COSMOS,
    GENERAL,
    JUDGES,
    PHYJUDGE,
    PHYRUBRIC,
    VIDEOPHY2,
    VIDEOSCORE2,
    find,
)
from phyrefine.bench.judges.view import fitted, view
from phyrefine.bench.judges.wording import law_names, wording_of
from phyrefine.errors import BadOutputError, InvalidInputError
from phyrefine.video.clip import Clip

ITEM = Item("ball", 'A ball says "stop" {now} and falls.', laws=("gravity",))


def clip(frames: int = 80, fps: float = 16.0, size: tuple[int, int] = (32, 48)) -> Clip:
    """Frames that carry their own number."""
    made = np.zeros((frames, *size, 3), np.uint8)
    made[...] = np.arange(frames, dtype=np.uint8)[:, None, None, None]
    return Clip(made, fps)


def numbers(seen: Clip) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in seen.frames]


# -- what is seen ------------------------------------------------------------------------------


def test_a_number_of_frames_is_spread_from_the_first_to_the_last() -> None:
    seen = view(PHYRUBRIC, clip())
    assert len(seen) == 16
    assert numbers(seen)[0] == 0
    assert numbers(seen)[-1] == 79
    assert set(np.diff(numbers(seen))) == {5, 6}
    assert seen.duration == pytest.approx(5.0)
    assert len(view(PHYRUBRIC, clip(9))) == 9


def test_a_rate_is_kept_by_time_and_capped_by_frames() -> None:
    assert numbers(view(PHYJUDGE, clip())) == list(range(0, 80, 8))
    assert view(PHYJUDGE, clip()).fps == 2.0
    long = view(PHYJUDGE, clip(256, fps=2.0))
    assert len(long) == 64
    assert view(COSMOS, clip(16, fps=8.0)).fps == 8.0  # no frame is shown twice


def test_frames_shrink_to_their_number_of_pixels() -> None:
    seen = view(PHYRUBRIC, clip(4, size=(720, 1280)))
    assert seen.height * seen.width <= 448 * 448
    assert seen.width / seen.height == pytest.approx(1280 / 720, rel=0.02)
    assert view(VIDEOPHY2, clip(4, size=(720, 1280))).size == (720, 1280)


def test_a_vlm_is_told_to_show_all_of_it() -> None:
    spec, notes = fitted(PHYJUDGE, "openai:m?base_url=http://x/v1")
    assert notes == ()
    options = dict(pair.split("=") for pair in spec.partition("&")[2].split("&"))
    assert options == {"fps": "2", "max_frames": "64", "side": "none", "max_tokens": "128",
                       "temperature": "0"}  # fmt: skip
    spec, notes = fitted(PHYRUBRIC, "openai:m?fps=1&base_url=http://x/v1")
    assert notes == ("fps=1 as you asked; PhyRubric-Judge wants 24",)
    assert "fps=1" in spec
    spec, notes = fitted(PHYRUBRIC, "bench_helpers:rater")
    assert spec == "bench_helpers:rater"
    assert len(notes) == 1
    assert "no option max_frames: see to it that it shows 16 frames" in notes[0]


# -- in whose words ----------------------------------------------------------------------------


def test_every_row_has_wording_marks_and_sources() -> None:
    for name, row in JUDGES.items():
        assert row.name == name
        wording = wording_of(row)
        assert not wording.published
        assert row.traps
        assert row.verified
        for question in row.questions:
            law = "gravity" if question.each_law else None
            text = wording.text(question.key, ITEM.description, law)
            assert "{{" not in text.replace(ITEM.description, "")
            if "prompt" in text.lower():
                assert ITEM.description in text
        for score in row.joint:
            assert score in row.marks
    with pytest.raises(InvalidInputError, match="Did you mean 'phyrubric'"):
        find("phyrubrick")


def test_published_words_come_from_the_users_file(tmp_path: Path) -> None:
    code = tmp_path / "template.py"
    code.write_text(
        'import os\nos.abort()\nPROMPT_SA = ("Intro.\\n" "Human: <|video|>\\n"\n'
        '  "Human: Shows it \\"{caption}\\"?\\n" "AI: ")\n'
        'PROMPT_PHYSICS = "Human: <|video|>\\nHuman: Lawful?\\nAI: "\nOTHER = 3\n'
    )
    wording = wording_of(VIDEOPHY2, code)
    assert wording.published
    assert wording.text("sa", "A ball.") == 'Shows it "A ball."?'
    assert wording.text("pc", "A ball.") == "Lawful?"
    assert wording.digest != wording_of(VIDEOPHY2).digest

    told = {
        "system_prompt": "Be strict.",
        "physical_template": 'Law {law}: {criteria}\n{questions_block}\n{{"{law}": 3}}',
        "eval_prompts": dict.fromkeys(("SA", "PTV", "persistence"), "{prompt} {questions_block}"),
    }
    for name, text in (("t.json", json.dumps(told)), ("t.yaml", json.dumps(told))):
        (tmp_path / name).write_text(text)
        wording = wording_of(PHYJUDGE, tmp_path / name)
        assert wording.system == "Be strict."
        said = wording.text("law", "A ball.", "gravity")
        assert said.startswith("Law gravity: Things without support fall")
        assert said.endswith('{"gravity": 3}')
        assert wording.text("SA", "A ball.").startswith("A ball. q1: ")

    (tmp_path / "query.txt").write_text("Rate $t2v_prompt from 1 to 5.")
    assert wording_of(VIDEOSCORE2, tmp_path / "query.txt").text("all", "A {ball}.") == (
        "Rate A {ball}. from 1 to 5."
    )


@pytest.mark.parametrize(
    ("row", "name", "text", "said"),
    [
        (VIDEOPHY2, "t.py", "PROMPT_SA = 'x'", "no text under PROMPT_PHYSICS"),
        (VIDEOPHY2, "t.py", "def (", "cannot be read"),
        (VIDEOPHY2, "t.txt", "words", "this judge has several questions"),
        (PHYJUDGE, "t.json", "{}", "no text under eval_prompts.SA"),
        (GENERAL, "t.txt", "words", "has no published template"),
        (COSMOS, "nowhere.yaml", None, "cannot be read"),
    ],
)
def test_templates_that_cannot_be_used(
    row: object, name: str, text: str | None, said: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInputError, match=said):
        wording_of(row, tmp_path / name)  # type: ignore[arg-type]


def test_an_unknown_place_in_a_template_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("Rate {mood}.")
    wording = wording_of(VIDEOSCORE2, tmp_path / "t.txt")
    with pytest.raises(InvalidInputError, match="a place 'mood' that is not known"):
        wording.text("all", "A ball.")


# -- how replies are read ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("4", 4), (" 5.\n", 5), ("Score: 2", 2), ("I give it 3 out of 5.", 3), ("3/5", 3),
        ("four", 4), ("The rating is **4**.", 4), ("The ball sinks.\n\n2", 2),
        ("It slips twice, so I rate it a 3.", 3), ("My score: 4/5", 4), ("**Answer:** 2", 2), ("<think>1 or 5?</think>2", 2), ("3.5", 3.5),
    ],
)  # fmt: skip
def test_ratings_that_are_clear(text: str, score: float) -> None:
    assert parsers.read(VIDEOPHY2, ("pc",), text) == {"pc": score}


@pytest.mark.parametrize(
    "text",
    [
        "none",
        "someone moves",
        "0",
        "6",
        "10",
        "2 or 3",
        "Between 1 and 5.",
        "",
        "1.5.2",
        "-1",
        "There are 3 balls.",
        "x7^2k",
        "A score between 1 and 5.",
        "A rating of 2 to 3.",
        "2 seconds",
        "The score is 2 at first and the score is 4 later.",
    ],
)
def test_ratings_that_could_be_another_number_are_no_score(text: str) -> None:
    with pytest.raises(BadOutputError):
        parsers.read(VIDEOPHY2, ("pc",), text)


def test_keys_labels_and_what_cannot_be_assessed() -> None:
    assert parsers.read(PHYJUDGE, ("sa",), '{"SA": 3}') == {"sa": 3}
    assert parsers.read(PHYJUDGE, ("pc",), '```json\n{"gravity": 2}\n```', "gravity") == {"pc": 2}
    with pytest.raises(BadOutputError, match='no "gravity"'):
        parsers.read(PHYJUDGE, ("pc",), '{"inertia": 2}', "gravity")
    text = (
        "visual quality: 5 at first sight.\nSo:\nvisual quality: 4;\ntext-to-video alignment: 3, "
        "physical/common-sense consistency: 2"
    )
    assert parsers.read(VIDEOSCORE2, ("vq", "sa", "pc"), text) == {"vq": 4, "sa": 3, "pc": 2}
    with pytest.raises(BadOutputError, match="physical/common-sense"):
        parsers.read(
            VIDEOSCORE2, ("vq", "sa", "pc"), "visual quality: 4, text-to-video alignment: 3"
        )
    shown = '{"sa_score": 2, "pc_assessable": true, "pc_score": 4, "reason": "r"}'
    assert parsers.read(PHYRUBRIC, ("sa", "pc"), shown) == {"sa": 2, "pc": 4, "assessable": True}
    hidden = '{"sa_score": 1, "pc_assessable": false, "pc_score": null, "reason": "r"}'
    assert parsers.read(PHYRUBRIC, ("sa", "pc"), hidden) == {"sa": 1, "assessable": False}
    with pytest.raises(BadOutputError, match="should be true or false"):
        parsers.read(PHYRUBRIC, ("sa", "pc"), '{"sa_score": 1, "pc_score": 3}')


# -- a judge asked -----------------------------------------------------------------------------


def test_a_judge_asks_its_questions_about_its_own_frames() -> None:
    rater = Rater(["3", "5"])
    judge = RowJudge.of(rater, VIDEOPHY2, label="openai:x")
    ratings = judge.rate(ITEM, clip())
    assert ratings.scores == {"sa": 3, "pc": 5}
    first, second = rater.asked
    assert ITEM.description in first.text
    assert ITEM.description not in second.text
    assert len(first.clips[0]) == 32
    assert first.stage == "judge"
    assert judge.name == "VideoPhy-2-AutoEval (openai:x; phyrefine's wording)"
    assert judge.score(Scenario("A ball."), clip()) == 5


def test_laws_that_apply_are_asked_one_by_one() -> None:
    rater = Rater(['{"SA": 4}', '{"PTV": 4}', '{"persistence": 4}', '{"gravity": 2}',
                   '{"collision": 5}'])  # fmt: skip
    judge = RowJudge.of(rater, PHYJUDGE, laws=("collision",))
    ratings = judge.rate(ITEM, clip())
    assert ratings.laws == {"gravity": 2, "collision": 5}
    assert ratings.scores["pc"] == 3.5
    assert judge.applying(Item("x", "x", laws=("Flow dynamics of water", "the shadow"))) == (
        "collision", "flow_dynamics", "shadow",
    )  # fmt: skip
    assert len(law_names()) == 13
    none = RowJudge.of(Rater(['{"SA": 4}', '{"PTV": 4}', '{"persistence": 4}']), PHYJUDGE)
    assert "pc" not in none.rate(Item("x", "x"), clip()).scores


def test_an_unreadable_reply_is_asked_for_once_more_in_the_same_words() -> None:
    rater = Rater(["none", "4", "none", "nothing"])
    ratings = RowJudge.of(rater, VIDEOPHY2).rate(ITEM, clip())
    assert ratings.scores == {"sa": 4}
    assert len(rater.asked) == 4
    assert rater.asked[0].text == rater.asked[1].text
    assert [question.sample for question in rater.asked] == [0, 1, 0, 1]
    assert len(ratings.problems) == 3
    assert "'nothing'" in ratings.problems[-1]


def test_repeats_are_independent_and_their_spread_is_kept() -> None:
    rater = Rater(["2", "4"])
    ratings = RowJudge.of(rater, COSMOS, repeats=2).rate(ITEM, clip())
    assert ratings.scores == {"pc": 3}
    assert ratings.spread == {"pc": pytest.approx(2**0.5)}
    assert len({question.sample for question in rater.asked}) == 2


def test_only_our_own_question_asks_for_a_schema() -> None:
    rater = Rater(['{"reason": "r", "sa": 4, "pc": 3}'])
    RowJudge.of(rater, GENERAL).rate(ITEM, clip())
    assert set(rater.asked[0].schema["properties"]) == {"reason", "sa", "pc"}
    trained = Rater(["4"])
    RowJudge.of(trained, COSMOS).rate(ITEM, clip())
    assert trained.asked[0].schema is None
