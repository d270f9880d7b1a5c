from phyrefine.refine.violations import likeness, track
from phyrefine.types import Status, Violation

sticks = Violation("Bounce", "the ball sticks to the floor at once", where="floor")
sticks_again = Violation("Bounce", "the ball is stuck to the floor", where="floor")
vanishes = Violation("Permanence", "the cup vanishes behind the curtain", where="right")


def test_one_fault_told_twice_is_alike_and_two_faults_are_not():
    assert likeness(sticks, sticks_again) > likeness(sticks, vanishes)
    assert likeness(sticks, sticks) == 1.0


def test_track_tells_fixed_persisting_and_new():
    now, fixed = track([sticks_again, vanishes], [sticks])
    assert [found.status for found in now] == [Status.PERSISTING, Status.NEW]
    assert fixed == ()
    now, fixed = track([vanishes], [sticks])
    assert [found.status for found in now] == [Status.NEW]
    assert [(found.what, found.status) for found in fixed] == [(sticks.what, Status.FIXED)]


def test_each_earlier_fault_is_matched_once():
    now, fixed = track([sticks, sticks_again], [sticks])
    assert sorted(found.status for found in now) == [Status.NEW, Status.PERSISTING]
    assert now[0].status is Status.PERSISTING  # the better match wins
    assert fixed == ()


def test_nothing_before_is_all_new_and_nothing_now_is_all_fixed():
    assert [found.status for found in track([sticks], [])[0]] == [Status.NEW]
    assert track([], [sticks])[1][0].status is Status.FIXED
