import pytest
from attrs import evolve

from phyrefine.report.axis import marks, nice_step
from phyrefine.report.charts import selector_scores, violation_columns
from phyrefine.report.figures import lead_seconds, timeline, titles
from phyrefine.types import Critique, Status, Violation


def one_lane(make, refinement, *violations):
    attempt = evolve(refinement.attempts[0], critique=Critique("", violations))
    return timeline(make(attempts=(attempt,), choice=None)).lanes[0]


def test_time_runs_evenly_from_the_prefix_to_the_end(refinement):
    line = timeline(refinement)
    assert (line.lead, line.end) == (1.0, 1.5)
    seam = line.left + (line.width - 8 - line.left) * 1.0 / 2.5
    assert line.seam == pytest.approx(seam)
    zero = next(tick for tick in line.ticks if tick.label == "0")
    assert zero.at == pytest.approx(line.seam)
    assert [tick.label for tick in line.ticks][:2] == ["−1", "−0.5"]


def test_a_violation_spans_its_seconds(make, refinement):
    lane = one_lane(make, refinement, Violation("law", "what", 0.25, 1.25))
    line = timeline(refinement)
    scale = (line.width - 8 - line.left) / 2.5
    assert lane.bars[0].x == pytest.approx(line.seam + 0.25 * scale)
    assert lane.bars[0].width == pytest.approx(scale)


def test_without_times_it_spans_all_and_with_a_start_only_it_is_a_mark(make, refinement):
    lane = one_lane(make, refinement, Violation("a", "b"), Violation("c", "d", 0.0))
    whole, point = lane.bars
    assert (whole.timed, point.timed) == (False, True)
    assert whole.width == pytest.approx(timeline(refinement).width - 8 - whole.x)
    assert point.width < 10


def test_bars_stay_inside_the_plot(make, refinement):
    lane = one_lane(make, refinement, Violation("a", "b", -9.0, 99.0), Violation("c", "d", 99.0))
    line = timeline(refinement)
    for bar in lane.bars:
        assert line.left <= bar.x
        assert bar.x + bar.width <= line.width - 8 + 1e-6


def test_bars_that_overlap_in_time_get_rows_of_their_own(make, refinement):
    lane = one_lane(
        make,
        refinement,
        Violation("a", "", 0.0, 1.0),
        Violation("b", "", 0.5, 1.3),
        Violation("c", "", 1.2, 1.5),
    )
    rows = {bar.violation.law: bar.y for bar in lane.bars}
    assert rows["a"] == rows["c"] != rows["b"]
    assert lane.height >= rows["b"] - rows["a"] + 10


def test_chains_with_their_own_steps_are_told_apart(refinement):
    plain, *loops = refinement.attempts
    other = [evolve(a, candidates=(evolve(a.candidates[0], steps=32),)) for a in loops]
    names = titles((plain, *loops, *other))
    assert names == ("Plain description", "Loop 1 @16", "Loop 2 @16", "Loop 1 @32", "Loop 2 @32")
    assert titles(refinement.attempts) == ("Plain description", "Loop 1", "Loop 2")


def test_fixed_violations_are_on_the_line(refinement):
    statuses = [bar.violation.status for bar in timeline(refinement).lanes[2].bars]
    assert statuses == [Status.FIXED, Status.FIXED]


def test_an_image_has_no_lead(make, refinement):
    prefix = refinement.scenario.prefix
    image = evolve(prefix, frames=prefix.frames[:1])
    assert lead_seconds(make(scenario=evolve(refinement.scenario, prefix=image))) == 0
    assert lead_seconds(make(scenario=evolve(refinement.scenario, prefix=None))) == 0


def test_columns_stack_to_the_counts(refinement):
    chart = violation_columns(refinement.attempts)
    assert [column.total for column in chart.columns] == [2, 2, 0]
    unit = chart.columns[0].segments[0].height / 2
    for column in chart.columns:
        assert sum(part.height for part in column.segments) == pytest.approx(unit * column.total)
    persisting, new = chart.columns[1].segments
    assert (persisting.status, new.status) == (Status.PERSISTING, Status.NEW)
    assert persisting.y == pytest.approx(new.y + new.height)


def test_an_attempt_without_a_critique_is_not_called_clean(refinement):
    unjudged = evolve(refinement.attempts[0], critique=None)
    assert not violation_columns([unjudged]).columns[0].judged


def test_higher_scores_stand_higher_and_the_winner_is_marked(refinement):
    chart = selector_scores(refinement)
    assert [dot.chosen for dot in chart.dots] == [False] * 3 + [True]
    by_score = sorted(chart.dots, key=lambda dot: dot.score)
    assert [dot.y for dot in by_score] == sorted((dot.y for dot in chart.dots), reverse=True)
    tick = {mark.label: mark.at for mark in chart.ticks}
    per_unit = (tick["0.4"] - tick["0.8"]) / 0.4
    assert chart.noise == pytest.approx(0.04 * per_unit)


def test_a_selector_without_scores_has_no_chart(make, refinement):
    assert selector_scores(make(choice=evolve(refinement.choice, scores={}))) is None
    assert selector_scores(make(choice=None)) is None
    flat = evolve(refinement.choice, scores={"0.0": 0.5, "1.0": 0.5}, noise=None)
    assert len({dot.y for dot in selector_scores(make(choice=flat)).dots}) == 1


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 5, 10]), (-1.5, 2.5, [-1, 0, 1, 2]), (0.31, 0.42, [0.35, 0.4])],
)
def test_marks_are_round_numbers(low, high, expected):
    assert marks(low, high, 4) == pytest.approx(expected)
    assert nice_step(high - low, 4) > 0


def test_the_plan_is_a_time_line_that_shows_what_changed():
    from attrs import evolve

    from phyrefine.report import html
    from phyrefine.testing import moving_clip
    from phyrefine.types import (
        Attempt,
        Candidate,
        Critique,
        Plan,
        PlanEvent,
        Prompt,
        Refinement,
        Scenario,
    )

    scene = Scenario("A ball.", seconds=4.0, size=(16, 16))
    plan = Plan("A ball.", events=(PlanEvent("It falls <b>.", 0.0, 1.0), PlanEvent("It rests.")))
    later = evolve(plan, events=(evolve(plan.events[0], start=0.5, broken=1), plan.events[1]))
    clip = Candidate(moving_clip(8, (16, 16)))
    attempts = (
        Attempt(1, Prompt("p", plan=plan), (clip,), critique=Critique("c", changes=("moved it",))),
        Attempt(2, Prompt("q", plan=later, chunks=("one", "two")), (clip,)),
    )
    refinement = Refinement(scene, attempts)
    first, second = timeline(refinement).lanes
    assert [(bar.changed, bar.timed, bar.broken) for bar in first.plan] == [
        (False, True, 0), (False, False, 0)]  # fmt: skip
    assert [bar.changed for bar in second.plan] == [True, False]
    assert first.plan[0].x < second.plan[0].x
    assert second.y > first.plan[-1].y
    page = html.render(refinement)
    assert "planned 0.5 to 1 s · changed · was broken: It falls &lt;b&gt;." in page
    assert "moved it" in page
    assert "A prompt for each of 2 chunks" in page
    assert "Plan: 2 events" in page
