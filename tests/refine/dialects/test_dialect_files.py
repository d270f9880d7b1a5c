import json
from pathlib import Path

import pytest
from attrs import evolve
from plans import CROWDED, FIVE, PLANS, SHORT

from phyrefine.errors import InvalidInputError
from phyrefine.refine import dialects
from phyrefine.refine.dialects import chunks, wording
from phyrefine.types import GeneratorProfile, Plan, Scenario

GOLDENS = Path(__file__).parent / "goldens"
count = wording.token_counter(None)
SETTING = dialects.Setting(5.0, 24.0)


def golden(name, plan):
    dialect = dialects.find(name)
    text = dialects.assemble(plan, dialect, SETTING)
    if name in ("per_chunk", "world"):
        spans = tuple((float(n), float(n + 1)) for n in range(5))
        text = "\n".join([text, *chunks.assembled(plan, dialect, SETTING, spans)])
    return text + "\n"


@pytest.mark.parametrize("name", dialects.names())
@pytest.mark.parametrize("plan", PLANS)
def test_golden_prompts(name, plan):
    """To make them anew after a deliberate change: python tests/refine/dialects/test_dialect_files.py"""
    assert golden(name, PLANS[plan]) == (GOLDENS / f"{plan}-{name}.txt").read_text("utf-8")


@pytest.mark.parametrize("name", dialects.names())
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_what_a_template_makes_passes_its_own_check(name, plan):
    dialect = dialects.find(name)
    profile = GeneratorProfile("g", dialect=name, prompt_words=250)
    text = dialects.assemble(plan, dialect, SETTING)
    assert dialects.check(text, plan, dialect, profile, count) == []


@pytest.mark.parametrize("name", dialects.names())
def test_every_example_is_of_its_dialects_form(name):
    dialect = dialects.find(name)
    stamps = "[0.0" in dialect.example
    found = dialects.check(dialect.example, Plan(), dialect, GeneratorProfile("g"), count,
                           stamps=stamps)  # fmt: skip
    assert {problem.fault for problem in found} <= {"invented"}  # an empty plan has no things
    assert dialect.source


def test_frame_ranges_are_at_the_models_rate():
    structured = dialects.find("structured")
    slow = json.loads(dialects.assemble(FIVE, structured, dialects.Setting(5.0, 16.0)))
    assert [item["frames"] for item in slow["predicted_timeline"]][:2] == ["0-19", "19-32"]
    fast = json.loads(dialects.assemble(FIVE, structured, SETTING))
    assert fast["predicted_timeline"][0]["frames"] == "0-29"


def test_least_important_is_dropped_first_and_what_was_broken_last():
    caption = dialects.find("caption")
    ranked = dialects.ranking(CROWDED, caption, needs_motion=False)
    assert [item.kind for item in ranked][:5] == ["camera", "scene", "unchanged", "unchanged",
                                                  "unchanged"]  # fmt: skip
    assert ranked[-1].text.startswith("The blue block touches the glass")  # it was broken
    left, dropped = dialects.fit(
        CROWDED, ranked,
        lambda plan: len(dialects.assemble(plan, caption, SETTING).split()) <= 40,
    )  # fmt: skip
    assert 0 < len(dropped) < len(ranked)
    assert left.description == CROWDED.description
    assert any(event.broken for event in left.events)
    blind = dialects.ranking(CROWDED, caption, needs_motion=True)
    assert "object" in [item.kind for item in blind][-5:]  # motion at the seam outlasts events


def test_one_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\nsummary = "s"\nsource = "me"\nkind = "prose"\ninstruction = "Shout."\n'
        'template = "{{ plan.description | upper }}{% for e in plan.events %} {{ e.what }}'
        '{% endfor %}"\nexample = "A BALL."\nsays = ["description", "event"]\nwords = 30\n'
    )
    mine = dialects.find(path)
    assert dialects.assemble(SHORT, mine, SETTING).startswith("A RED BALL FALLS")
    assert mine.limits(GeneratorProfile("g", prompt_words=50)) == (30, None)
    assert mine.limits(GeneratorProfile("g", prompt_words=20, prompt_tokens=40)) == (20, 40)


@pytest.mark.parametrize(
    ("text", "said"),
    [("name = ", "not a TOML file"), ('name = "x"', "does not fit"),
     (('name = "x"\nsummary = ""\nsource = "y"\nkind = "song"\ninstruction = "i"\n'
      'template = "t"\nexample = "e"'), "does not fit"),
     (('name = "x"\nsummary = ""\nsource = "y"\nkind = "prose"\ninstruction = "i"\n'
      'template = "t"\nexample = "e"\nverses = 3'), "verses")],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_told(tmp_path, text, said):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=said):
        dialects.find(path)


def test_a_wrong_name_and_a_wrong_template(tmp_path):
    with pytest.raises(InvalidInputError, match="Did you mean 'caption'"):
        dialects.find("captain")
    with pytest.raises(InvalidInputError, match="No dialect file"):
        dialects.find(tmp_path / "none.toml")
    for template in (
        "{{ plan.verses }}",
        "{% for %}",
        "{{ plan.__class__.__mro__[1].__subclasses__() }}",
    ):
        broken = evolve(dialects.find("prose"), template=template)
        with pytest.raises(InvalidInputError, match="cannot be used"):
            dialects.assemble(SHORT, broken, SETTING)


# -- chunks ------------------------------------------------------------------------------------


def test_borders_of_chunks():
    whole = Scenario("A ball.", seconds=5.0, size=(8, 8))
    assert dialects.borders(GeneratorProfile("g"), whole) == ((0.0, 5.0),)
    second = GeneratorProfile("g", fps=8.0, chunk_frames=8)
    assert dialects.borders(second, whole)[-1] == (4.0, 5.0)
    assert len(dialects.borders(second, whole)) == 5
    assert dialects.borders(second, evolve(whole, seconds=2.5)) == ((0, 1), (1, 2), (2, 2.5))


def test_a_prefix_that_ends_within_a_chunk_leaves_the_rest_of_it():
    from phyrefine.testing import moving_clip

    profile = GeneratorProfile("m", fps=24.0, chunk_frames=24, chunks_from_prefix=True,
                               context_frames=72)  # fmt: skip
    scene = Scenario("A ball.", moving_clip(60, fps=24.0), seconds=2.0)
    assert dialects.borders(profile, scene) == ((0.0, 0.5), (0.5, 1.5), (1.5, 2.0))
    long = evolve(scene, prefix=moving_clip(80, fps=24.0))
    assert dialects.borders(profile, long) == ((0.0, 1.0), (1.0, 2.0))


def test_a_timed_text_is_cut_at_the_borders():
    text = ("A ball over a floor. [0.0-0.6] The ball falls. [0.6 - 1.8 s] The ball bounces. "
            "[4.5-5.0] The ball rests.")  # fmt: skip
    spans = tuple((float(n), float(n + 1)) for n in range(5))
    cut = dialects.cut(text, SHORT, dialects.find("world"), spans)
    assert cut[0] == "A ball over a floor. The ball falls. The ball bounces."
    assert cut[1] == "A ball over a floor. The ball bounces."
    assert cut[2] == cut[1]  # nothing new is said to happen: it goes on
    assert cut[4] == "A ball over a floor. The ball rests."
    assert chunks.unstamped(text) == (
        "A ball over a floor. The ball falls. The ball bounces. The ball rests."
    )


def test_chunks_hand_over_to_the_next():
    spans = ((0.0, 2.0), (2.0, 5.0))
    first, second = chunks.assembled(FIVE, dialects.find("per_chunk"), SETTING, spans)
    assert "rolls down the ramp" in first
    assert first.endswith("Right after this: the steel ball strikes the first domino.")
    assert "strikes the first domino" in second
    assert "rolls down the ramp and gains" not in second
    assert "Right after this" not in second
    assert FIVE.description in first
    assert FIVE.description in second
    assert FIVE.end in second
    assert FIVE.end not in first


def test_accepted_chunks_keep_their_prompts():
    from phyrefine.types import Prompt

    old, new = Prompt("o", chunks=("a", "b", "c")), Prompt("n", chunks=("x", "y", "z"))
    assert dialects.keep_accepted(old, new, 2).chunks == ("a", "b", "z")
    assert dialects.keep_accepted(old, new, 0) == new
    assert dialects.keep_accepted(Prompt("o"), new, 2) == new


if __name__ == "__main__":
    for plan_name, plan in PLANS.items():
        for dialect_name in dialects.names():
            (GOLDENS / f"{plan_name}-{dialect_name}.txt").write_text(golden(dialect_name, plan))
