"""The yardsticks of the model card measure what they say."""

import math

import numpy as np
import pytest

from phyrefine.world.truth.captions.captions import all_cues
from phyrefine.world.truth.physics.rendering import masks, render
from phyrefine.world.truth.scenes import sample_scene, simulate
from phyrefine.world.truth.training.evaluate import (
    SIZE,
    backdrop,
    ball_colours,
    measure,
    objects_kept,
    overlap,
    presence,
    prompts_of,
    rebound_height,
    summarise,
)


@pytest.fixture(scope="module")
def drop():
    scene = next(
        scene
        for seed in range(1_000_000, 1_000_050)
        if (scene := sample_scene("drop", seed)).params["material"] == "rubber"
    )
    trajectory = simulate(scene, fps=8)
    return scene, trajectory, render(trajectory, SIZE)


def test_presence_finds_the_ball(drop):
    _, trajectory, video = drop
    found = presence(video, backdrop(trajectory))
    assert overlap(found, masks(trajectory, SIZE)["ball"]) > 0.8


def test_truth_scores_best_and_a_still_clip_poorly(drop):
    scene, trajectory, video = drop
    background, truth = backdrop(trajectory), video[24:]
    best = measure(scene, truth, truth, background)
    assert best.spatial_iou == best.spatiotemporal_iou == best.permanence == best.objects == 1.0
    assert best.rebound == best.rebound_truth
    still = measure(scene, np.repeat(video[23:24], 40, axis=0), truth, background)
    assert still.spatial_iou < 0.4
    assert still.rebound < 2.0
    gone = measure(scene, np.repeat(background, 40, axis=0), truth, background)
    assert gone.spatial_iou == gone.permanence == gone.objects == 0.0


def test_objects_must_be_there_once_and_in_their_colour(drop):
    scene, trajectory, video = drop
    background, truth = backdrop(trajectory), video[24:]
    assert objects_kept(scene, truth, truth, background) == 1.0
    swapped = np.ascontiguousarray(truth[..., ::-1])
    assert objects_kept(scene, swapped, truth, background[..., ::-1]) == 0.0
    ball = masks(trajectory, SIZE)["ball"][24:]
    doubled = truth.copy()
    for frame in range(len(truth)):
        there = np.roll(ball[frame], 24 if ball[frame][:, 32:].sum() == 0 else -24, axis=1)
        doubled[frame][there] = truth[frame][ball[frame]]
    assert objects_kept(scene, doubled, truth, background) == 0.0


def test_what_rolls_out_of_the_frame_is_not_lost(drop):
    scene, trajectory, video = drop
    background, truth = backdrop(trajectory), video[24:]
    rolling, vanishing = (np.repeat(background, 40, axis=0) for _ in range(2))
    colour = np.rint(255 * ball_colours(scene)[0]).astype(np.uint8)
    for frame in range(40):
        rolling[frame, 34:42, min(2 * frame, 64) : 2 * frame + 8] = colour
    vanishing[:20] = rolling[:20]
    assert objects_kept(scene, rolling, truth, background) == 0.0
    assert objects_kept(scene, rolling, truth, background, may_leave=True) == 1.0
    assert objects_kept(scene, vanishing, truth, background, may_leave=True) == 0.0


def test_rebound_is_measured_in_pixels(drop):
    scene, trajectory, video = drop
    rest = 0.35 + scene.number("radius")
    expected = 16 * scene.number("restitution") ** 2 * (scene.number("height") - rest)
    found = presence(video[24:], backdrop(trajectory))
    assert rebound_height(found) == pytest.approx(expected, abs=2.5)


def test_empty_masks_do_not_count_as_a_match():
    empty = np.zeros((2, 3, 3), bool)
    assert math.isnan(overlap(empty, empty))
    assert overlap(empty, ~empty) == 0.0


def test_prompts_go_from_plain_to_wrong(drop):
    scene = drop[0]
    prompts = prompts_of(simulate(scene, fps=48), np.random.default_rng(0))
    assert prompts["all cues"].startswith(prompts["plain"])
    assert len(prompts["cues by second"]) == 5
    assert "bounce" in prompts["cues by second"][0]
    assert "rest" not in prompts["cues by second"][0]
    assert prompts["filler"].startswith(prompts["plain"])
    assert prompts["wrong"] != all_cues(scene)
    assert "does not bounce" in prompts["wrong"]


def test_summaries_leave_out_what_does_not_apply(drop):
    scene, trajectory, video = drop
    figures = measure(scene, video[24:], video[24:], backdrop(trajectory))
    means = summarise([figures, figures])
    assert means["clips"] == 2
    assert means["rebound_error"] == 0.0
