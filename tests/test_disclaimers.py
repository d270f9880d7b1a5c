"""Toy backends and random weights say so, and the embedded judge grades only what it can follow."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("pymunk")

from phyrefine import Refinement, Scenario, SelfRefiner, report
from phyrefine.cli import main
from phyrefine.cli.demo import KINDS
from phyrefine.cli.demo_scenes import make_sample
from phyrefine.errors import RefusedError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.run.sessions.disclaimers import disclaimers_of
from phyrefine.select.scorers.judge import Judge, JudgeEnsemble
from phyrefine.serialize import from_json, to_json
from phyrefine.testing import MovingDot, ScriptedAsker
from phyrefine.video.clip import Clip, join
from phyrefine.world.eye import WorldVLM
from phyrefine.world.own_scenes import is_own


def filmed(size=(60, 80), seconds=3.0, fps=8.0):
    """Something like a film of a real place: structure everywhere, noise, a moving patch."""
    rng = np.random.default_rng(1)
    count = round(seconds * fps)
    place = rng.integers(40, 200, (1, *size, 3))
    frames = (place + rng.normal(0, 3, (count, *size, 3))).clip(0, 255).astype(np.uint8)
    for index in range(count):
        frames[index, 20:28, 3 + index : 11 + index] = 250
    return Clip(frames, fps)


@pytest.mark.slow
def test_own_scenes_are_known_and_other_films_are_not():
    assert all(is_own(make_sample(kind, 1_000_000).scenario.prefix) for kind in KINDS)
    assert not is_own(filmed())
    assert not is_own(None)
    smooth = make_sample("drop", 1_000_000).scenario.prefix
    assert not is_own(smooth.resize(64, 36, mode="stretch"))  # another shape


@pytest.mark.slow
def test_a_run_with_toys_says_so_everywhere(tmp_path, capsys):
    video = filmed().write(tmp_path / "real.mkv")
    words = ["run", str(video), "-d", "A box moves.", "--seconds", "1", "--loops", "1", "--out",
             str(tmp_path / "run")]  # fmt: skip
    main(words)
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("NOTE: The embedded backends cannot judge this clip") == 1
    assert "--vlm gemini --llm openai" in said
    assert "of 10" not in said  # no grade
    page = (tmp_path / "run" / "report.html").read_text()
    assert "The embedded backends cannot judge this clip" in page
    (kept,) = (tmp_path / "run").glob("scenarios/*/refinement.json")
    assert "cannot judge" in json.loads(kept.read_text())["disclaimers"][0]


@pytest.mark.slow
def test_numbers_are_explained_and_true_scores_shown():
    sample = make_sample("drop", 1_000_000)
    refined = SelfRefiner("world", "world", "world", convergence=MaxLoops(1)).refine(
        sample.scenario
    )
    page = report.render(refined, truth=sample.take1, true_scores={"0.0": 81.25})
    assert "true score 81.25 of 100" in page
    assert "What the words and numbers mean" in page
    assert 'title="Weighted severity: ' in page
    assert "true score 81" not in report.render(refined)


@pytest.mark.slow
def test_in_their_own_scenes_nothing_is_said():
    sample = make_sample("drop", 1_000_000)
    refined = SelfRefiner("world", "world", "world", convergence=MaxLoops(1)).refine(
        sample.scenario
    )
    assert refined.disclaimers == ()
    assert "cannot judge" not in report.render(refined)
    told = to_json(refined)
    del told["disclaimers"]  # a record of an earlier version
    clips = {clip.digest: clip for attempt in refined.attempts for candidate in attempt.candidates
             for clip in (candidate.clip, candidate.clip.native)}  # fmt: skip
    clips[sample.scenario.prefix.digest] = sample.scenario.prefix
    assert from_json(told, Refinement, fetch=clips.get).disclaimers == ()


def test_the_judge_grades_only_what_it_can_follow():
    judge = Judge(WorldVLM())
    sample = make_sample("drop", 1_000_000)
    scene, truth = sample.scenario, sample.take1
    assert judge.score(scene, truth) > 5
    still = Clip(np.repeat(truth.frames[:1], len(truth), axis=0), truth.fps)
    nothing = Scenario("A wall.", Clip(still.frames[:24], 8.0))
    empty = Clip(np.full_like(still.frames, 120), 8.0)
    with pytest.raises(RefusedError, match="nothing that moves can be followed"):
        judge.score(Scenario("A wall.", empty), empty)
    with pytest.raises(RefusedError, match="texture everywhere"):
        judge.score(Scenario("A box.", filmed()), filmed(seconds=2.0))
    elsewhere = Clip(255 - truth.frames, truth.fps)
    with pytest.raises(RefusedError, match="jumps at the seam"):
        judge.score(scene, elsewhere)
    assert nothing.prefix is not None
    assert len(join((truth, elsewhere))) == 2 * len(truth)


def test_random_weights_say_so():
    pytest.importorskip("diffusers")
    from phyrefine.backends.diffusers import DiffusersVideoGenerator
    from phyrefine.backends.diffusers.tiny import tiny_cogvideox

    generator = DiffusersVideoGenerator(tiny_cogvideox())
    (said,) = disclaimers_of([generator, generator], Scenario("A ball."))
    assert "random weights to rehearse with" in said


def test_models_inside_selectors_and_wrappers_are_asked():
    scene = Scenario("A box.", filmed())
    judged = JudgeEnsemble(Judge(WorldVLM()))
    assert len(disclaimers_of([MovingDot(), ScriptedAsker(["x"]), judged, WorldVLM()], scene)) == 1
    assert disclaimers_of([MovingDot(), ScriptedAsker(["x"])], scene) == ()
