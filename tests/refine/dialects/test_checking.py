import json
from collections import Counter

import pytest
from attrs import evolve
from plans import CROWDED, FAULTS, FIVE, PLANS, SHORT, rewrite, seeded

from phyrefine.refine import dialects
from phyrefine.refine.dialects import wording
from phyrefine.types import GeneratorProfile, Plan, PlanEvent

CAPTION = dialects.find("caption")
PROFILE = GeneratorProfile("any", dialect="caption", prompt_words=200)
count = wording.token_counter(None)


def faults(text, plan, dialect=CAPTION, profile=PROFILE, **settings):
    return [p.fault for p in dialects.check(text, plan, dialect, profile, count, **settings)]


@pytest.mark.slow
def test_two_hundred_seeded_rewrites():
    """False alarms on right rewrites and misses of seeded faults, both at most 5 %."""
    plans = list(PLANS.values())
    alarms = [
        (seed, found)
        for seed in range(100)
        if (found := faults(" ".join(rewrite(plans[seed % 3], seed)), plans[seed % 3]))
    ]
    misses = Counter()
    for seed in range(100):
        fault = FAULTS[seed % 5]
        plan = plans[seed // 5 % 3]
        if not faults(seeded(plan, seed, fault), plan):
            misses[fault] += 1
    assert len(alarms) <= 5, alarms
    assert sum(misses.values()) <= 5, misses


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("lost contact", "lost"), ("flipped direction", "flipped"), ("invented hand", "invented"),
     ("leaked law", "leak"), ("over-long", "length")],
)  # fmt: skip
def test_each_fault_is_called_by_its_name(fault, kind):
    named = [kind in faults(seeded(FIVE, seed, fault), FIVE) for seed in range(10)]
    # An invented direction is as good a name for a flip as the flip itself.
    if kind == "flipped":
        named = [
            {"flipped", "invented", "lost"} & set(faults(seeded(FIVE, seed, fault), FIVE))
            for seed in range(10)
        ]
    assert sum(map(bool, named)) >= 9


def test_a_statement_that_was_dropped_knowingly_is_not_missed():
    text = " ".join(rewrite(SHORT, 0)).replace("The floor stays bare and level.", "")
    assert "lost" in faults(text, SHORT)
    assert faults(text, SHORT, must=evolve(SHORT, unchanged=())) == []


def test_numbers_of_the_plan_may_stand_and_others_not():
    plan = Plan("Two coins lie on a table.", events=(PlanEvent("Both coins spin for 3 s.", 0, 3),))
    assert faults("Two coins lie on a table. Both coins spin for 3 s.", plan) == []
    assert faults("Two coins lie on a table. Both coins spin for 4 s.", plan) == ["invented"]
    assert "invented" in faults("Five coins lie on a table. Both coins spin for 3 s.", plan)


def test_say_what_is_seen():
    text = " ".join(rewrite(SHORT, 0))
    assert faults(f"{text} The red ball never vanishes.", SHORT) == ["negated"]
    told = evolve(SHORT, unchanged=(*SHORT.unchanged, "The red ball never vanishes."))
    assert faults(f"{text} The red ball never vanishes.", told) == []


def test_right_and_down_that_are_no_directions():
    plan = Plan("A ball rolls left.", events=(PlanEvent("The ball slows down right away."),))
    assert faults("A ball rolls left. The ball slows down right away.", plan) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [("", "form"), ("```A red ball```", "form"), ('{"goal": "x"}', "form"),
     ("[0.0-1.0] The red ball falls.", "form")],
)  # fmt: skip
def test_forms_of_prose(text, kind):
    assert faults(text, SHORT) == [kind]


def test_structured_prompts_are_checked_by_their_values():
    structured = dialects.find("structured")
    profile = GeneratorProfile("c", dialect="structured")
    setting = dialects.Setting(5.0, 24.0)
    text = dialects.assemble(CROWDED, structured, setting)
    assert faults(text, CROWDED, structured, profile) == []
    without = json.loads(text)
    del without["camera"]
    assert faults(json.dumps(without), CROWDED, structured, profile) == ["form"]
    lost = json.loads(text)
    lost["predicted_timeline"] = lost["predicted_timeline"][:1]
    assert "lost" in faults(json.dumps(lost), CROWDED, structured, profile)
    assert faults("[1]", CROWDED, structured, profile) == ["form"]
    assert faults('{"goal": ', CROWDED, structured, profile) == ["form"]


def test_timed_prompts_need_spans():
    timed = dialects.find("timed")
    setting = dialects.Setting(5.0)
    text = dialects.assemble(FIVE, timed, setting)
    assert faults(text, FIVE, timed) == []
    assert faults(" ".join(rewrite(FIVE, 0)), FIVE, timed) == ["form"]
