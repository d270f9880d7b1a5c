import numpy as np
import pytest
from attrs import evolve

from phyrefine.errors import BadOutputError
from phyrefine.refine.planning.editing import Edit, apply, from_text, read_edits
from phyrefine.refine.planning.measuring import stated, with_motion
from phyrefine.refine.planning.reading import read_plan
from phyrefine.serialize import from_json, to_json
from phyrefine.types import Plan, PlanEvent, PlanObject, Violation
from phyrefine.video.clip import Clip

PLAN = Plan("A ball falls.", events=(PlanEvent("The ball falls.", 0.0, 1.0),
                                     PlanEvent("The ball hits the floor.", 1.0, 1.1),
                                     PlanEvent("The ball rests.", 3.0, 5.0)))  # fmt: skip
HANGS = Violation("gravity", "the ball hangs", 0.2)


def whats(plan):
    return [event.what for event in plan.events]


# -- the value ---------------------------------------------------------------------------------


def test_a_plan_survives_json():
    plan = with_motion(evolve(PLAN, objects=(PlanObject("the ball"),)), moving_right())
    assert plan.objects[0].measured is not None
    assert from_json(to_json(plan), Plan) == plan


@pytest.mark.parametrize(
    ("starts", "filled"),
    [((None, None, None), (0.0, 1.67, 3.33)), ((None, 1.0), (0.0, 1.0)),
     ((0.5, None, 2.0), (0.5, 1.25, 2.0)), ((None, None, 4.0, None), (0.0, 2.0, 4.0, 4.5))],
)  # fmt: skip
def test_times_that_are_not_stated_share_the_time_between(starts, filled):
    plan = Plan(events=tuple(PlanEvent("x", start) for start in starts)).timed(5.0)
    assert tuple(event.start for event in plan.events) == filled
    ends = [event.end for event in plan.events]
    assert ends[-1] == 5.0
    assert all(end >= event.start for end, event in zip(ends, plan.events, strict=True))


def test_statements_and_what_is_left_without_some():
    plan = Plan("D.", "S.", "C.", (PlanObject("a"),), PLAN.events, "E.", ("U.",), ("L",))
    kinds = [item.kind for item in plan.statements()]
    assert kinds == ["description", "scene", "object", "event", "event", "event", "end",
                     "unchanged", "camera", "law"]  # fmt: skip
    left = plan.without(*(item.key for item in plan.statements() if item.kind != "event"))
    assert left == Plan(events=PLAN.events)


@pytest.mark.parametrize(
    ("thing", "said"),
    [(PlanObject("the ball", "", "high", "moves left"), "The ball is high and moves left."),
     (PlanObject("the ball", "rubber", "", "moving left"),
      "The ball, made of rubber, is moving left."),
     (PlanObject("the ball"), "The ball is in view."),
     (PlanObject("the ball", "", "at the left", "at rest."),
      "The ball is at the left and is at rest.")],
)  # fmt: skip
def test_objects_in_words(thing, said):
    assert thing.in_words() == said


# -- reading -----------------------------------------------------------------------------------


def test_times_are_counted_from_the_seam_whichever_clock_the_model_used():
    reply = {"events": [{"what": "b", "start": 4.5, "end": 4.0}, {"what": "a", "at": "3.2 s"}]}
    plan = read_plan(reply, seam=3.0)
    assert [(e.what, e.start, e.end) for e in plan.events] == [("a", 0.2, None), ("b", 1.0, 1.5)]
    own = read_plan({"events": [{"what": "a", "start": 0.2}, {"what": "b", "start": 1}]}, seam=3.0)
    assert [event.start for event in own.events] == [0.2, 1.0]


def test_shapes_that_models_give():
    plan = read_plan({"prediction": "It falls. It lands.", "objects": ["the ball"],
                      "unchanged": "The floor stays. The light stays."}, seam=0)  # fmt: skip
    assert whats(plan) == ["It falls.", "It lands."]
    assert plan.objects == (PlanObject("the ball"),)
    assert len(plan.unchanged) == 2
    assert whats(read_plan({"events": ["x falls", ""]}, seam=0)) == ["x falls"]


@pytest.mark.parametrize(
    "reply",
    [{}, {"events": {"at": 1}}, {"events": [3]}, {"prediction": "x", "objects": [3]},
     {"prediction": "x", "laws": 3}, {"events": [{"what": "x", "start": "later"}]},
     {"prediction": "x", "objects": [{"place": "left"}]}],
)  # fmt: skip
def test_wrong_shapes_are_told(reply):
    with pytest.raises(BadOutputError):
        read_plan(reply, seam=3.0)


# -- editing -----------------------------------------------------------------------------------


def test_edits_move_change_add_and_remove():
    edits = (Edit(1, start=0.2, end=1.2), Edit(2, "The ball strikes the floor."),
             Edit(None, "The ball bounces.", 1.2, 2.0), Edit(3, remove=True))  # fmt: skip
    plan, changes = apply(PLAN, edits, (HANGS,))
    assert whats(plan) == ["The ball falls.", "The ball strikes the floor.", "The ball bounces."]
    assert [event.broken for event in plan.events] == [1, 1, 1]
    assert (plan.events[0].start, plan.events[0].end) == (0.2, 1.2)
    assert [change.split(" ")[0] for change in changes] == ["moved", "changed", "added", "removed"]
    assert plan.avoid == ("the ball hangs",)


def test_an_edit_of_what_is_not_there_is_told_and_left_out():
    plan, changes = apply(PLAN, (Edit(9, "x"),), ())
    assert plan.events == PLAN.events
    assert "no such event" in changes[0]


def test_without_edits_the_nearest_statement_is_stressed():
    hit = Violation("contact", "the ball sinks through the floor", 1.0)
    plan, _ = apply(PLAN, (), (hit,))
    assert [event.broken for event in plan.events] == [0, 1, 0]


def test_a_new_statement_takes_its_place_in_time():
    plan, _ = apply(PLAN, (Edit(None, "The ball squashes.", 1.05, 1.1),), ())
    assert whats(plan)[2] == "The ball squashes."
    untimed = evolve(PLAN, events=tuple(evolve(e, start=None, end=None) for e in PLAN.events))
    assert whats(apply(untimed, (Edit(None, "Last."),), ())[0])[-1] == "Last."


def test_a_corrected_story_keeps_the_times_of_what_it_keeps():
    told = "The ball never hangs in the air. The ball falls. The ball hits the floor."
    plan, changes = from_text(PLAN, told, (HANGS,))
    assert whats(plan) == ["The ball never hangs in the air.", "The ball falls.",
                           "The ball hits the floor."]  # fmt: skip
    assert (plan.events[0].start, plan.events[0].end) == (0.0, 1.0)  # of what it stresses
    assert plan.events[2].start == 1.0
    assert plan.events[0].broken > plan.events[2].broken
    assert changes[-1] == 'removed "The ball rests."'


def test_edits_are_read_strictly():
    assert read_edits(None, seam=0) is None
    (edit,) = read_edits([{"event": "2", "start": 4.0, "end": None, "what": ""}], seam=3.0)
    assert edit == Edit(2, "", 1.0, None)
    assert read_edits([{"action": "Remove", "event": 1}], seam=0)[0].remove
    for wrong in ({"event": 1}, [3], [{"event": None, "what": ""}], [{"event": "first"}]):
        with pytest.raises(BadOutputError):
            read_edits(wrong, seam=0)


# -- measuring ---------------------------------------------------------------------------------


def moving_right(speed=2, row=10):
    frames = np.full((24, 64, 96, 3), 90, np.uint8)
    for index, frame in enumerate(frames):
        left = 10 + speed * index
        frame[row : row + 8, left : left + 8] = (250, 40, 40)
    return Clip(frames, 24.0)


def test_measured_motion_goes_to_the_object_it_fits():
    plan = Plan(
        objects=(
            PlanObject("the lamp", place="low at the right", motion="at rest"),
            PlanObject("the ball", place="high in the middle", motion="moving right"),
        )
    )
    measured = with_motion(plan, moving_right())
    assert measured.objects[0].measured is None
    motion = measured.objects[1].measured
    assert motion.vx == pytest.approx(2 * 24 / 96, rel=0.1)
    assert measured.objects[1].motion == "moving right"
    assert "0.50 picture widths" in stated(measured, needed=True).objects[1].motion
    assert stated(measured, needed=False).objects == measured.objects


def test_things_without_a_name_are_called_by_their_place():
    measured = with_motion(Plan(), moving_right())
    assert measured.objects[0].name == "the object at the upper middle"
    assert stated(measured, needed=False).objects == ()
    assert with_motion(Plan(), None) == Plan()
