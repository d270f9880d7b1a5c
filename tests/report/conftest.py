"""Runs to show: a drawn ball that bounces well or badly, critiques, choices, costs."""

import numpy as np
import pytest
from attrs import evolve

from phyrefine import report
from phyrefine.types import (
    Attempt,
    Candidate,
    Choice,
    Critique,
    Pick,
    Prediction,
    Prompt,
    Refinement,
    Scenario,
    Status,
    Usage,
    Verdict,
    Violation,
)
from phyrefine.video.clip import Clip
from phyrefine.video.delivery import deliver
from phyrefine.video.seam import check_seam

SIZE = (60, 100)
PREFIX_SECONDS, SECONDS, FPS = 1.0, 1.5, 16.0


def ball(start, stop, *, rebound, fps=8.0, shade=0):
    """A ball dropped at time 0 over a floor; ``rebound`` is kept speed per bounce."""
    times = np.arange(round(start * fps), round(stop * fps)) / fps
    frames = np.empty((len(times), *SIZE, 3), np.uint8)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    for frame, time in zip(frames, times, strict=True):
        frame[:] = (np.linspace(225, 190, SIZE[0])[:, None, None] - (0, 8, 30)).astype(np.uint8)
        frame[50:] = (120, 96, 74)
        away = np.hypot(rows - _height(time, rebound), columns - 20 - 18 * time)
        frame[away < 6] = (200 - shade, 40 + shade, 44)
        frame[away < 3] = (235, 120, 110)
    return Clip(frames, fps)


def _height(time, rebound, gravity=90.0, drop=34.0):
    fall = (2 * drop / gravity) ** 0.5
    if time < fall:
        return 10 + gravity * time**2 / 2
    speed, since = gravity * fall * rebound, time - fall
    while speed > 4 and since > 2 * speed / gravity:
        since -= 2 * speed / gravity
        speed *= rebound
    return 44 - max(0.0, speed * since - gravity * since**2 / 2) if speed > 4 else 44


def candidate(scenario, rebound, seed=0, shade=0):
    native = ball(PREFIX_SECONDS, PREFIX_SECONDS + SECONDS, rebound=rebound, shade=shade)
    clip = deliver(native, frames=scenario.frames, fps=scenario.fps, size=scenario.size)
    seam = check_seam(scenario.prefix, clip, frames=scenario.frames, fps=scenario.fps)
    return Candidate(clip, seed=seed, steps=16, seam=seam)


def make_refinement(**changes):
    prefix = ball(0, PREFIX_SECONDS, rebound=0.8).resample(FPS)
    scenario = Scenario(
        "A red ball falls onto a wooden floor.", prefix, seconds=SECONDS, name="ball-drop"
    )
    sticks = Violation(
        "elastic bounce", "The ball stops dead on the floor.", 0.1, 1.4, "floor", 0.9, 0.8
    )
    shadow = Violation("shadows follow objects", "No shadow under the ball.", severity=0.3)
    low = Violation("energy at a bounce", "The rebound is too low.", 0.4, 0.9, "", 0.5, 0.6)
    persisting, fixed = (
        evolve(shadow, status=Status.PERSISTING),
        evolve(sticks, status=Status.FIXED),
    )
    text = "A red ball falls onto a wooden floor and bounces back up, losing some height."
    better = "A red ball falls onto a wooden floor, bounces to two thirds, again and again."
    usage = Usage(3, {"input": 5120, "output": 310}, 2.4, 1.6, 0.0123)
    attempts = (
        Attempt(
            0,
            Prompt(scenario.description),
            (candidate(scenario, 0.0),),
            Critique(text, (sticks, shadow)),
            Prompt(text),
            baseline=True,
            usage=usage,
        ),
        Attempt(
            1,
            Prompt(text, "floating, sticking"),
            (candidate(scenario, 0.5),),
            Critique(better, (low, persisting), (fixed,)),
            Prompt(better),
            verdict=Verdict(False, "any of", "prompt changed, 2 violations"),
            notes=("The rewrite was cut at a sentence: 52 of 40 words.",),
            usage=usage,
        ),
        Attempt(
            2,
            Prompt(better, "floating, sticking"),
            (candidate(scenario, 0.78), candidate(scenario, 0.8, seed=1, shade=40)),
            Critique(better, (), (evolve(low, status=Status.FIXED), fixed), looks=2),
            Prompt(better),
            verdict=Verdict(
                True,
                "same prompt",
                "the new prompt equals the one before",
                (
                    Verdict(True, "same prompt", "equal after normalizing"),
                    Verdict(False, "patience", "best score 0.74 two loops ago"),
                ),
            ),
            usage=usage,
        ),
    )
    scores = {"0.0": 0.31, "1.0": 0.58, "2.0": 0.79, "2.1": 0.83}
    whole = Refinement(
        scenario,
        attempts,
        choice=Choice(Pick(2, 1), "keep-best", "highest judge score, 0.83", scores, noise=0.04),
        stopped_by="same_prompt",
        reason="the new prompt equals the one before",
        prediction=Prediction(
            "The ball is falling and meets the floor; it rebounds lower each time.",
            ("The ball touches the floor.", "It rises to two thirds of its height."),
            ("Solid_Mechanics", "optics"),
        ),
        usage=Usage(12, {"input": 20000, "output": 1400}, 9.1, 4.8, 0.0512, 2),
    )
    return evolve(whole, **changes)


@pytest.fixture(scope="session")
def refinement():
    return make_refinement()


@pytest.fixture(scope="session")
def truth():
    return ball(PREFIX_SECONDS, PREFIX_SECONDS + SECONDS, rebound=0.8).resample(FPS)


@pytest.fixture(scope="session")
def make():
    return make_refinement


@pytest.fixture(scope="session")
def page(refinement, truth):
    return report.render(refinement, truth=truth)
