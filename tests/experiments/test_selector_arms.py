"""The library's rules as arms, on clips in which a square moves."""

import numpy as np
from attrs import evolve
from made_up import case, pool, row

from benchmarks.world import __main__ as command
from benchmarks.world.arms import ARMS
from benchmarks.world.arms.registry import PoolView
from benchmarks.world.arms.selectors import RULES
from benchmarks.world.evaluating import without_truth
from phyrefine.video.clip import Clip


def square(speed, start=8):
    frames = np.full((10, 48, 64, 3), 90, np.uint8)
    for t in range(10):
        left = int(start + speed * t)
        frames[t, 20:28, left : left + 8] = 240
    return Clip(frames, 8.0)


def asked(*clips):
    rows = [evolve(row(0), seed=seed, clip=clip) for seed, clip in enumerate(clips)]
    view = PoolView("all_cues", pool().said, {"all_cues": rows, "plain": rows})
    return case(without_truth(view), budget=len(clips))


def test_the_guards_control_draws_among_what_moves():
    said = ARMS["random inside the guard"].act(asked(square(3), square(0), square(3, 12)))
    assert said.numbers == (0, 2)
    assert said.cost.clips == 3


def test_adaptive_n_counts_the_clips_it_took():
    near = [square(3, start) for start in (8, 9, 10, 11)]
    said = ARMS["adaptive consensus"].act(asked(*near, *[square(3, s) for s in range(12, 20)]))
    assert 4 <= said.cost.clips <= 12
    assert said.numbers[0] < said.cost.clips
    alike = ARMS["adaptive consensus"].act(asked(*[square(0, s) for s in range(8, 14)]))
    assert alike.cost.clips == 6  # nothing moves: no opinion, so no reason to stop


def test_every_rule_is_an_arm_of_its_name():
    for name in ("consensus+judge", "consensus>judge", "kinematics"):
        assert name in RULES
        said = ARMS[name].act(asked(square(3), square(3, 10), square(3, 12), square(0)))
        assert said.numbers != (3,)
        assert len(said.scores) == 4


def test_jobs_for_other_processes_are_found_by_name_there():
    # `python -m benchmarks.world` is __main__, which a new process does not import again.
    assert (
        command.render_job.__module__
        == command.evaluate.__module__
        == "benchmarks.world.evaluating"
    )
