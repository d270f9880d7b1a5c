"""A finished run under another policy: no backend is asked."""

import pytest
from attrs import evolve, frozen

from phyrefine.run import FolderStore, read_refinement, replay
from phyrefine.run.results import write_refinement
from phyrefine.testing import moving_clip
from phyrefine.types import (
    Attempt,
    Candidate,
    Choice,
    Pick,
    Prompt,
    Refinement,
    Scenario,
    Verdict,
)


@frozen
class StopAfter:
    loops: int

    def decide(self, history):
        assert all(attempt.verdict is None for attempt in history)
        assert not any(attempt.baseline for attempt in history)
        stop = len(history) >= self.loops
        return Verdict(stop, "loops", f"{len(history)} of {self.loops}")


def attempt(index, clips=1):
    made = tuple(Candidate(moving_clip(8), seed) for seed in range(clips))
    old = Verdict(index == 3, "old", "old") if index else None
    return Attempt(index, Prompt(str(index)), made, baseline=index == 0, verdict=old)


SCORES = {"0.0": 0.5, "1.0": 0.7, "1.1": 0.9, "2.0": 0.1, "3.0": 1.0}
DONE = Refinement(
    Scenario("a dot", seconds=1),
    (attempt(0), attempt(1, clips=2), attempt(2), attempt(3)),
    Choice(Pick(3), "judge", "highest", SCORES),
    reason="old",
)


def test_a_stricter_policy_cuts():
    cut = replay(DONE, StopAfter(2))
    assert [one.index for one in cut.attempts] == [0, 1, 2]
    assert [verdict.reason for verdict in cut.verdicts] == ["1 of 2", "2 of 2"]
    assert cut.stopped_by == "loops"
    assert cut.reason == "loops: 2 of 2"


def test_the_choice_is_the_best_of_what_is_left():
    cut = replay(DONE, StopAfter(2))
    assert cut.choice.pick == Pick(1, 1)
    assert cut.choice.selector == "judge"
    assert cut.choice.scores == {"0.0": 0.5, "1.0": 0.7, "1.1": 0.9, "2.0": 0.1}


def test_without_scores_the_last_is_taken_and_says_so():
    cut = replay(evolve(DONE, choice=Choice(Pick(3), "judge", "highest")), StopAfter(1))
    assert (cut.choice.pick, cut.choice.selector) == (Pick(1), "last")


def test_a_choice_among_what_is_left_stays():
    first = evolve(DONE, choice=Choice(Pick(0), "judge", "highest", SCORES))
    assert replay(first, StopAfter(1)).choice == evolve(
        first.choice, scores={"0.0": 0.5, "1.0": 0.7, "1.1": 0.9}
    )


def test_the_same_policy_changes_nothing_but_the_verdicts():
    same = replay(DONE, StopAfter(3))
    assert len(same.attempts) == 4
    assert same.choice == DONE.choice
    assert same.stopped_by == "loops"


def test_a_more_patient_policy_says_that_it_would_go_on():
    longer = replay(DONE, StopAfter(9))
    assert longer.attempts[-1].index == 3
    assert longer.stopped_by == "unfinished"
    assert "4 recorded attempts" in longer.reason


def test_a_run_without_attempts():
    empty = evolve(DONE, attempts=(), choice=None)
    assert replay(empty, StopAfter(1)).choice is None


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_from_a_folder(tmp_path, kind):
    folder = tmp_path / "scenarios" / "a"
    write_refinement(folder, DONE, FolderStore(tmp_path / "store"))
    assert replay(kind(folder), StopAfter(2)) == replay(read_refinement(folder), StopAfter(2))


def test_chains_of_their_own_are_cut_one_by_one():
    both = evolve(
        DONE,
        attempts=(attempt(0), attempt(1), attempt(2), attempt(1, clips=2), attempt(2)),
        choice=Choice(Pick(3, 1), "judge", "highest", {"2.0": 0.8, "3.1": 0.9, "4.0": 0.1}),
    )
    cut = replay(both, StopAfter(1))
    assert [one.index for one in cut.attempts] == [0, 1, 1]
    assert cut.choice.pick == Pick(2, 1)
    assert cut.choice.scores == {"2.1": 0.9}
    assert cut.best.candidates == both.best.candidates
    assert cut.stopped_by == "loops"
