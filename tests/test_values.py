import json

import pytest
from attrs import evolve

from phyrefine._json import parse_json
from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.serialize import canonical, from_json, to_json
from phyrefine.testing import moving_clip
from phyrefine.types import (
    Attempt,
    Candidate,
    Candidates,
    Choice,
    Critique,
    FrameGrid,
    Mode,
    Pick,
    Prompt,
    Refinement,
    Scenario,
    Shot,
    Usage,
    Verdict,
    Violation,
)

CLIP = moving_clip(24, (32, 32), 24.0)


def refinement():
    native = moving_clip(8)
    attempt = Attempt(
        1, Prompt("p", notes=("cut",)), (Candidate(native.resample(24).with_native(native)),),
        Critique("c", (Violation("law", "what", 0.5, None),)), Prompt("q"),
        verdict=Verdict(True, "r", "why", (Verdict(False, "s", "t"),)),
        usage=Usage(2, {"input": 5}, 1.5, 0.5, None),
    )  # fmt: skip
    return Refinement(Scenario("D", CLIP), (attempt,), Choice(Pick(0), "last", "why"))


def test_modes_and_defaults_come_from_the_prefix():
    assert Scenario("d", CLIP).mode is Mode.VIDEO
    assert Scenario("d", CLIP).fps == 24
    assert Scenario("d", CLIP).size == (32, 32)
    image = Scenario("d", moving_clip(1, fps=30.0))
    assert (image.mode, image.fps) == (Mode.IMAGE, 24.0)
    text = Scenario("d")
    assert (text.mode, text.size, text.frames) == (Mode.TEXT, None, 120)
    assert Scenario("d", CLIP, seconds=2.5, fps=30).frames == 75


@pytest.mark.parametrize("bad", [{"description": ""}, {"seconds": 0}, {"fps": -1}])
def test_senseless_scenarios(bad):
    with pytest.raises(ValueError):  # noqa: PT011 - attrs words it
        Scenario(**{"description": "d", **bad})


def test_usage_adds_up_and_unknown_stays_unknown():
    one = Usage(1, {"input": 3}, 1.0, 0.5, 0.25)
    two = Usage(2, {"input": 1, "output": 2}, 0.5, 0.0, 0.5, 1)
    assert one + two == Usage(3, {"input": 4, "output": 2}, 1.5, 0.5, 0.75, 1)
    assert (one + evolve(two, usd=None)).usd is None
    assert (Usage() + one) == one


def test_grids():
    grid = FrameGrid(8, 1, most=49)
    assert [grid.up(n) for n in (1, 2, 9, 10, 49, 80)] == [1, 9, 9, 17, 49, 49]
    assert FrameGrid(4, 1, least=5).up(1) == 5
    assert FrameGrid().up(7) == 7


def test_candidates_need_something():
    with pytest.raises(InvalidInputError):
        Candidates(seeds=())


def test_severity_is_weighed_by_confidence():
    found = Critique("", (Violation("a", "b", severity=0.5, confidence=0.5), Violation("a", "c")))
    assert found.severity == pytest.approx(0.5)
    assert not found.clean
    with pytest.raises(ValueError):  # noqa: PT011
        Violation("a", "b", severity=1.5)


def test_notes_do_not_make_prompts_differ():
    assert Prompt("a", notes=("x",)) == Prompt("a")
    assert Prompt("a b").words == 2
    assert str(Prompt("a b")) == "a b"


def test_json_round_trip_with_clips_apart():
    kept = {}

    def keep(clip):  # as a store does: a clip and what it was made from
        kept[clip.digest] = clip
        if clip.native is not None:
            kept[clip.native.digest] = clip.native

    value = to_json(refinement(), keep=keep)
    text = json.dumps(value)
    assert "frames" in text
    assert len(text) < 4000
    back = from_json(json.loads(text), Refinement, fetch=kept.get)
    assert back == refinement()
    assert back.attempts[0].clip.native == moving_clip(8)
    assert back.attempts[0].prompt.notes == ("cut",)


def test_unknown_keys_and_wrong_types_are_told_by_path():
    value = to_json(Shot(Prompt("a")))
    with pytest.raises(InvalidInputError, match=r"extra fields found .*color"):
        from_json({**value, "color": 1}, Shot)
    with pytest.raises(InvalidInputError, match="seconds"):
        from_json({**value, "seconds": "long"}, Shot)


def test_a_lost_clip_is_a_store_error():
    value = to_json(Candidate(CLIP))
    with pytest.raises(StoreError, match=CLIP.digest):
        from_json(value, Candidate)


def test_json_that_python_cannot_hold_is_no_json():
    for text in ("[" * 100_000, b"[" * 100_000, '{"a":' * 100_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(text)
    assert parse_json('["a"]') == ["a"]


def test_canonical_json_is_one_text_for_one_value():
    assert canonical({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))
