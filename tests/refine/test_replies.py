import pytest

from phyrefine.errors import BadOutputError
from phyrefine.refine import json_text, replies
from phyrefine.types import Violation


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        'Sure!\n```json\n{"a": 1}\n```\nHope it helps.',
        "Here it is: {'a': 1} as asked",
        '{"a": 1,}',
        '\ufeff{"a": 1}',
        '<think>maybe {}</think>{"a": 1}',
        '[{"a": 1}]',
        '{"a":\x00 1}',
    ],
)
def test_reads_objects_however_they_are_wrapped(text):
    assert json_text.read_object(text) == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        'First {"score": 3}, then better: {"score": 7}',
        '{"score": 3}\n{"score": 7}',
        'Use {braces} and {"other": 1}. {"score": 7} Is {that} fine? {"comment": "yes"}',
        'A set {1, 2} of balls {x: y} {"score": 7}',
        '```json\n{"score": 7}\n```\nwhere {score} is from 0 to 10',
        '{"draft": {"score": 1}} {"score": 7, "why": "it says \\"}\\" and {"}',
        "thoughts with {braces} </think> {'score': 7,}",
    ],
)
def test_of_several_objects_the_last_that_fits_counts(text):
    assert replies.read_score(text) == 7


@pytest.mark.parametrize("text", ["", "no json", "[1, 2]", "{broken", "null"])
def test_refuses_what_holds_no_object(text):
    with pytest.raises(BadOutputError) as caught:
        json_text.read_object(text)
    assert caught.value.raw == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3.0), ("3.2 s", 3.2), ("7/10", 7.0), (None, None), ("", None), ("unknown", None),
     (float("nan"), None), ("-1.5", -1.5), (0, 0.0)],
)  # fmt: skip
def test_numbers(value, expected):
    assert json_text.number(value, "x") == expected


def parts(seen):
    return seen.corrected, seen.violations, seen.moving


def test_a_word_is_no_number():
    with pytest.raises(BadOutputError, match='"start" should be a number'):
        json_text.number("later", "start")


def critique(**changes):
    violation = {"law": "Bounce", "what": "the ball sticks", "start": 3.5, "end": 4,
                 "where": "floor", "severity": 0.9, "confidence": 0.8}  # fmt: skip
    violation.update(changes)
    import json

    return json.dumps({"observed": "o", "moving": True, "violations": [violation],
                       "corrected": "The ball  bounces."})  # fmt: skip


def test_critique_times_count_from_the_seam():
    corrected, found, moving = parts(replies.read_critique(critique(), seam=3.0))
    assert corrected == "The ball bounces."
    assert moving is True
    assert found == (Violation("Bounce", "the ball sticks", 0.5, 1.0, "floor", 0.9, 0.8),)


def test_times_before_the_seam_are_the_seam_and_swapped_times_are_put_right():
    _, (found,), _ = parts(replies.read_critique(critique(start=5, end=2), seam=3.0))
    assert (found.start, found.end) == (0.0, 2.0)


@pytest.mark.parametrize(
    ("said", "meant"), [("high", 0.75), ("7/10", 0.7), (8, 0.8), (1, 1.0), (None, 0.5), (10, 1.0)]
)
def test_severity_is_coerced_where_unambiguous(said, meant):
    _, (found,), _ = parts(replies.read_critique(critique(severity=said), seam=0))
    assert found.severity == meant


@pytest.mark.parametrize("said", [11, -1, "terrible"])
def test_severity_out_of_range_is_refused(said):
    with pytest.raises(BadOutputError, match="severity"):
        replies.read_critique(critique(severity=said), seam=0)


@pytest.mark.parametrize(
    "reply",
    [
        '{"corrected": "x"}',
        '{"violations": {}, "corrected": "x"}',
        '{"violations": [], "corrected": ""}',
        '{"violations": [3], "corrected": "x"}',
        '{"violations": [{"law": "x"}], "corrected": "x"}',
    ],
)
def test_critiques_of_the_wrong_shape(reply):
    with pytest.raises(BadOutputError):
        replies.read_critique(reply, seam=0)


def test_violations_may_be_bare_sentences_and_are_capped():
    text = '{"violations": %s, "corrected": "x", "moving": false}' % (["it floats"] * 50)
    _, found, moving = parts(replies.read_critique(text, seam=0))
    assert len(found) == replies.MAX_VIOLATIONS
    assert found[0] == Violation("", "it floats")
    assert moving is False


def test_prediction():
    read = replies.read_prediction(
        '{"scene": "A ball.", "domains": ["Optics"], "events": [{"at": 1, "what": "falls"}, "rests"],'
        ' "prediction": "It falls."}'
    )
    assert read.text == "A ball. It falls."
    assert read.events == ("falls", "rests")
    assert read.domains == ("optics",)
    with pytest.raises(BadOutputError, match="events"):
        replies.read_prediction('{"prediction": "x", "events": {"at": 1}}')
    with pytest.raises(BadOutputError, match='"prediction"'):
        replies.read_prediction('{"scene": "x"}')


def test_prompts_from_json_and_from_bare_text():
    assert replies.read_prompt('{"prompt": " A ball. ", "negative": "hands"}') == (
        "A ball.",
        "hands",
    )
    assert replies.read_prompt("A ball falls.") == ("A ball falls.", "")
    assert replies.read_prompt('{"scene": "a"}') == ('{"scene": "a"}', "")
    assert replies.read_prompt('{"prompt": {"scene": "a"}}') == ('{"scene": "a"}', "")
    with pytest.raises(BadOutputError):
        replies.read_prompt('{"prompt": "cut of')


@pytest.mark.parametrize(
    ("said", "meant"), [("A", "A"), ("video b", "B"), ("Tie", "tie"), ("both", "tie")]
)
def test_winners(said, meant):
    assert replies.read_winner(f'{{"winner": "{said}"}}') == meant


def test_bad_winners_and_scores():
    with pytest.raises(BadOutputError):
        replies.read_winner('{"winner": "C"}')
    for score in ("11", "-1", "null", '"x"'):
        with pytest.raises(BadOutputError):
            replies.read_score(f'{{"score": {score}}}')
    assert replies.read_score('{"score": "7.5 / 10"}') == 7.5
    assert replies.read_score('{"score": 0}') == 0
    assert replies.read_score('{"score": 10}') == 10


def test_runaway_replies_are_cut():
    assert len(json_text.clean_text("a" * 100_000)) == json_text.MAX_CHARACTERS
