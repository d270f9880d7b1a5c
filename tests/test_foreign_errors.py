"""Backends of the user's own raise what they like; what is finished is never lost."""

import logging

import pytest
from test_refiner import SCENE, Watcher, Writer

from phyrefine import Scenario, SelfRefiner
from phyrefine.cli import main
from phyrefine.errors import BackendError, GenerationError, GeneratorMemoryError, PhyrefineError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.refine.loop import Loop
from phyrefine.run.fallback import WithFallback
from phyrefine.testing import MovingDot


def fails_from(count, error):
    """Called with anything; raises from the ``count``-th call on."""
    calls = []

    def check(*_):
        calls.append(1)
        if len(calls) >= count:
            raise error

    return check


class BadWriter(Writer):
    identity = "bad writer"

    def __init__(self, count, error):
        self.check = fails_from(count, error)

    def ask(self, question):
        self.check()
        return super().ask(question)


# Calls until attempts 0 and 1 are whole and attempt 2 fails, and what is there then.
PARTS = {
    "VLM Watcher": (lambda e: {"vlm": Watcher(fail_at=4, error=e)}, "critique", 3, BackendError),
    "LLM BadWriter": (lambda e: {"llm": BadWriter(3, e)}, "compose", 3, BackendError),
    "video generator MovingDot": (
        lambda e: {"generator": MovingDot(fail=fails_from(3, e))}, "seed 0", 2, GenerationError,
    ),
}  # fmt: skip


def build(part, error, **settings):
    parts = {"vlm": Watcher(), "llm": Writer(), "generator": MovingDot()}
    settings = {"ensemble": "last", "convergence": MaxLoops(3), **settings}
    return SelfRefiner(**{**parts, **PARTS[part][0](error)}, **settings)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("error", [ValueError("bug"), KeyError("frames"), RuntimeError("")])
def test_refine_keeps_what_is_finished(part, error, caplog):
    _, where, finished, _ = PARTS[part]
    with caplog.at_level(logging.ERROR):
        refined = build(part, error).refine(SCENE)
    assert refined.stopped_by == "error"
    assert len(refined.attempts) == finished
    assert refined.video is refined.attempts[-1].clip
    for told in (part, where, type(error).__name__, str(error), "(In attempt 2 of dot.)"):
        assert told in refined.reason
    assert caplog.records[-1].exc_info[1].__cause__ is error  # the user's own traceback is logged


@pytest.mark.parametrize("part", PARTS)
def test_iterate_gives_what_is_finished_and_raises(part):
    error, made = ValueError("bug"), []
    with pytest.raises(PARTS[part][3], match=part) as caught:
        made.extend(build(part, error).iterate(SCENE))
    assert len(made) == PARTS[part][2]
    assert caught.value.__cause__ is error
    assert caught.value.__notes__ == ["(In attempt 2 of dot.)"]


@pytest.mark.parametrize("part", PARTS)
def test_many_keep_what_is_finished(part):
    (refined,) = build(part, ValueError("bug")).refine_many([SCENE])
    assert (refined.stopped_by, len(refined.attempts)) == ("error", PARTS[part][2])
    assert part in refined.reason


def test_nothing_finished_is_an_error_of_ours():
    broken = MovingDot(fail=fails_from(1, RuntimeError("CUDA out of memory. Tried 9 GiB")))
    with pytest.raises(GeneratorMemoryError, match="Tried 9 GiB") as caught:
        SelfRefiner(Watcher(), Writer(), broken).refine(SCENE)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert caught.value.__notes__ == ["(In the first attempt of dot.)"]


def test_fixed_and_run_again_nothing_is_made_twice(tmp_path):
    build("video generator MovingDot", ValueError("bug"), run_dir=tmp_path).refine(SCENE)
    generator = MovingDot()
    settings = {"ensemble": "last", "convergence": MaxLoops(3), "run_dir": tmp_path}
    refined = SelfRefiner(Watcher(), Writer(), generator, **settings).refine(SCENE)
    assert (refined.stopped_by, len(refined.attempts)) == ("loop_limit", 4)
    assert len(generator.shots) == 2


def test_scorers_policies_and_selectors_of_the_users():
    class Broken:
        name = "broken"

        def decide(self, history):
            raise ZeroDivisionError("no loops")

        def score(self, scenario, clip):
            raise ZeroDivisionError("no pixels")

        def choose(self, scenario, attempts):
            raise ZeroDivisionError("no candidates")

    def refine(**settings):
        return SelfRefiner(Watcher(), Writer(), MovingDot(), **settings).refine(SCENE)

    scored = refine(scorers=[Broken()], ensemble="last")
    assert "ZeroDivisionError: no pixels" in scored.reason
    assert len(scored.attempts) == 1
    decided = refine(convergence=Broken(), ensemble="last")
    assert "ZeroDivisionError: no loops" in decided.reason
    assert decided.attempts
    chosen = refine(ensemble=Broken(), convergence=MaxLoops(1))
    assert chosen.stopped_by == "loop_limit"
    assert "the Broken could not choose: ZeroDivisionError: no candidates" in chosen.choice.reason


def test_the_bare_loop_gives_the_clip_before_it_raises():
    loop = Loop(Watcher(fail_at=2, error=ValueError("bug")), Writer(), MovingDot(), MaxLoops(2))
    attempts = loop.iterate(SCENE)
    assert next(attempts).critique is None
    with pytest.raises(ValueError, match="bug"):
        next(attempts)


def test_leaving_is_no_fault():
    with pytest.raises(SystemExit):
        build("VLM Watcher", SystemExit(3)).refine(SCENE)


@pytest.mark.parametrize("run_dir", [None, "run"])
def test_ctrl_c_returns_what_is_finished(run_dir, tmp_path):
    folder = None if run_dir is None else tmp_path / run_dir
    refined = build("VLM Watcher", KeyboardInterrupt(), run_dir=folder).refine(SCENE)
    assert refined.stopped_by == "interrupted"
    assert refined.reason == "Stopped by the user with 3 attempts finished."
    assert len(refined.attempts) == 3
    assert refined.video is not None
    with pytest.raises(KeyboardInterrupt):  # nothing is finished: the program may end
        SelfRefiner(Watcher(1, KeyboardInterrupt()), Writer(), MovingDot()).refine(SCENE)


def test_ctrl_c_in_many_returns_those_finished():
    scenes = [Scenario(text, SCENE.prefix, seconds=0.5) for text in ("One dot.", "Two dots.")]
    vlm = Watcher(fail_at=7, error=KeyboardInterrupt())
    one, two = SelfRefiner(
        vlm, Writer(), MovingDot(), convergence=MaxLoops(2), ensemble="last"
    ).refine_many(scenes)
    assert (one.stopped_by, two.stopped_by) == ("loop_limit", "interrupted")
    assert [attempt.index for attempt in two.attempts] == [0, 1]
    assert two.attempts[-1].critique is None  # its clip was finished


def test_a_bug_is_not_covered_up_by_a_second_model():
    second = Watcher()
    both = WithFallback(Watcher(fail_at=1, error=ValueError("bug")), second)
    with pytest.raises(BackendError, match="ValueError: bug"):
        list(SelfRefiner(both, Writer(), MovingDot()).iterate(SCENE))
    assert not second.stages


def test_secrets_stay_out_of_the_message(monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "a-key-without-shape")
    error = ValueError("401 for a-key-without-shape")
    assert "a-key" not in build("VLM Watcher", error).refine(SCENE).reason


def test_the_command_line_tells_it_in_one_line(monkeypatch, capsys):
    error = PhyrefineError("The VLM Mine failed")
    error.add_note("(In attempt 2.)")

    def raises(*_, **__):
        raise error

    monkeypatch.setattr("phyrefine.cli.build", lambda *_, **__: raises)
    assert main([]) == 1
    assert capsys.readouterr().err == "PhyrefineError: The VLM Mine failed (In attempt 2.)\n"
