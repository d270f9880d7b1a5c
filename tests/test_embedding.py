"""One refiner inside a program: threads, asyncio, stopping, limits, listeners, logging."""

import asyncio
import gc
import logging
import threading
import weakref

import pytest
from test_refiner import SCENE, Watcher, Writer

from phyrefine import Scenario, SelfRefiner
from phyrefine.errors import (
    BackendTimeoutError,
    InvalidInputError,
    RefusedError,
    WrongReplyError,
)
from phyrefine.refine.convergence import MaxLoops
from phyrefine.refine.stages import Method
from phyrefine.testing import MovingDot, ScriptedAsker

SCENES = [Scenario(f"Dot {number}.", SCENE.prefix, seconds=0.5) for number in range(4)]


def build(vlm=None, llm=None, generator=None, **settings):
    settings = {"convergence": MaxLoops(2), "ensemble": "last", **settings}
    parts = (vlm or Watcher(), llm or Writer(), generator or MovingDot())
    return SelfRefiner(*parts, **settings)


class Crowd:
    """Counts how many calls are in progress at once, and lets them meet."""

    def __init__(self, expected=2):
        self.now, self.most, self.expected = 0, 0, expected
        self.changed = threading.Condition()

    def __enter__(self):
        with self.changed:
            self.now += 1
            self.most = max(self.most, self.now)
            self.changed.notify_all()
            # Long enough for another thread that may come to come.
            self.changed.wait_for(lambda: self.most >= self.expected, timeout=0.05)

    def __exit__(self, *_):
        with self.changed:
            self.now -= 1


def in_threads(work, items):
    results = [None] * len(items)

    def run(index):
        try:
            results[index] = work(items[index])
        except Exception as error:  # noqa: BLE001 - the test looks at it
            results[index] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(items))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


class TestLimits:
    def generator(self, crowd, name="dot"):
        def wait(shot):
            with crowd:
                pass

        return MovingDot(fail=wait, identity=name)

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["object", "function", "bound method"])
    def test_one_generator_makes_one_clip_at_a_time_across_scenarios(self, kind):
        crowd = Crowd()
        dot = self.generator(crowd)
        given = {"object": dot, "function": lambda shot: dot.generate(shot),
                 "bound method": dot.generate}[kind]  # fmt: skip
        build(generator=given).refine_many(SCENES, workers=4)
        assert crowd.most == 1
        assert len(dot.shots) >= 2 * len(SCENES)

    @pytest.mark.slow
    def test_across_threads_and_refiners(self):
        crowd = Crowd()
        dot = self.generator(crowd)
        one, two = build(generator=dot), build(generator=dot)
        in_threads(lambda job: job[0].refine(job[1]), [(one, SCENES[0]), (one, SCENES[1]),
                                                       (two, SCENES[2]), (two, SCENES[3])])  # fmt: skip
        assert crowd.most == 1

    def test_a_list_is_a_pool_with_one_clip_a_device(self):
        crowd = Crowd()
        devices = [self.generator(crowd), self.generator(crowd)]
        done = build(generator=devices).refine_many(SCENES)
        assert crowd.most == 2
        assert all(device.shots for device in devices)
        assert [refined.stopped_by for refined in done] == ["loop_limit"] * 4
        with pytest.raises(InvalidInputError, match="same identity"):
            build(generator=[MovingDot(), MovingDot(identity="other")])
        with pytest.raises(InvalidInputError, match="none"):
            SelfRefiner(Watcher(), Writer(), [])

    @pytest.mark.slow
    def test_one_limit_of_calls_holds_for_each_model(self):
        crowd = Crowd(expected=3)

        class Slow(Watcher):
            def ask(self, question):
                with crowd:
                    return super().ask(question)

        build(Slow(), max_concurrency=2).refine_many(SCENES, workers=4)
        assert crowd.most == 2

    def test_calls_that_take_too_long(self):
        hang = threading.Event()
        hung = Watcher()

        def vlm(question):
            hang.wait(20)
            return hung.ask(question)

        with pytest.raises(BackendTimeoutError, match=r"no result within 0\.05 s"):
            build(vlm, call_timeout=0.05).refine(SCENE)
        generator = MovingDot(fail=lambda shot: hang.wait(20))
        with pytest.raises(BackendTimeoutError, match="moving-dot gave no result"):
            build(generator=generator, clip_timeout=0.05).refine(SCENE)
        hang.set()
        assert build(call_timeout=30.0, clip_timeout=30.0).refine(SCENE).stopped_by == "loop_limit"
        with pytest.raises(InvalidInputError, match="call_timeout"):
            build(call_timeout=0)


class TestThreads:
    @pytest.mark.slow
    def test_one_refiner_with_a_run_folder_serves_several_threads(self, tmp_path):
        refiner = build(run_dir=tmp_path)
        suspended = refiner.iterate(SCENE)
        next(suspended)
        done = in_threads(refiner.refine, SCENES)
        assert [refined.stopped_by for refined in done] == ["loop_limit"] * 4
        suspended.close()
        assert len(list(tmp_path.glob("scenarios/*/refinement.json"))) == 4
        again = build(vlm=Watcher(1, ValueError("asked again")), run_dir=tmp_path)
        assert [r.video for r in again.refine_many(SCENES)] == [r.video for r in done]

    def test_in_memory_nothing_is_paid_for_twice_while_the_object_lives(self):
        vlm, dot = Watcher(), MovingDot()
        refiner = build(vlm, generator=dot)
        first = refiner.refine(SCENE)
        calls = len(vlm.stages), len(dot.shots)
        again = refiner.refine(SCENE)
        assert (len(vlm.stages), len(dot.shots)) == calls
        assert again.video == first.video
        refiner.close()
        refiner.refine(SCENE)
        assert len(dot.shots) == 2 * calls[1]

    def test_a_context_manager_closes_what_it_made(self, monkeypatch):
        closed = []

        class Closing(Watcher):
            def close(self):
                closed.append(self)

        made = Closing()
        monkeypatch.setattr("phyrefine.registry.make", lambda role, spec, **_: made)
        own = Closing()
        with build("made") as refiner:
            assert refiner.vlm is made
        with build(own):
            pass
        assert closed == [made]

    @pytest.mark.slow
    def test_nothing_keeps_a_refiner_alive(self):
        refiner = build()
        refiner.refine(SCENE)
        gone = weakref.ref(refiner)
        del refiner
        gc.collect()
        assert gone() is None


class TestStopping:
    @pytest.mark.parametrize("folder", [False, True])
    def test_cancel_returns_what_is_finished(self, folder, tmp_path):
        dot = MovingDot()
        refiner = build(generator=dot, run_dir=tmp_path if folder else None)
        dot.fail = lambda shot: refiner.cancel() if len(dot.shots) == 2 else None
        refined = refiner.refine(SCENE)
        assert refined.stopped_by == "interrupted"
        assert [attempt.index for attempt in refined.attempts] == [0, 1]
        assert "was not asked any more" in refined.choice.reason
        assert refined.video is not None
        assert refiner.refine(SCENE).stopped_by == "loop_limit"  # and it goes on

    def test_cancel_before_anything_is_finished_gives_an_empty_refinement(self):
        vlm = Watcher()
        refiner = build(vlm)
        vlm.ask = lambda question, ask=vlm.ask: (refiner.cancel(), ask(question))[1]
        refined = refiner.refine(SCENE)
        assert (refined.stopped_by, refined.attempts) == ("interrupted", ())

    def test_cancel_ends_an_iteration(self):
        refiner = build()
        seen = []
        for attempt in refiner.iterate(SCENE):
            seen.append(attempt.index)
            refiner.cancel()
        assert seen == [0]

    def test_a_generator_that_can_stop_within_a_clip_is_told(self):
        class Stoppable(MovingDot):
            cancel = threading.Event()

            def generate(self, shot):
                if self.shots:
                    refiner.cancel()
                    assert self.cancel.is_set()
                    raise RuntimeError("stopped within the clip")
                return super().generate(shot)

        generator = Stoppable()
        refiner = build(generator=generator)
        refined = refiner.refine(SCENE)
        assert (refined.stopped_by, len(refined.attempts)) == ("interrupted", 1)
        assert not generator.cancel.is_set()


class TestAsync:
    def test_arefine_and_aiterate(self):
        async def serve():
            refiner = build()
            one, two = await asyncio.gather(*(refiner.arefine(s) for s in SCENES[:2]))
            indices = [attempt.index async for attempt in refiner.aiterate(SCENES[2])]
            return one.stopped_by, two.stopped_by, indices

        assert asyncio.run(serve()) == ("loop_limit", "loop_limit", [0, 1, 2])

    def test_a_cancelled_task_stops_its_run_and_no_other(self):
        dot, begun, go_on = MovingDot(), threading.Event(), threading.Event()

        def wait(shot):
            if "Dot 0" in shot.prompt.text:
                begun.set()
                go_on.wait(20)

        dot.fail = wait
        heard = []

        def listener(event, details):
            if event == "refined":
                heard.append((details["scenario_id"], details["refinement"].stopped_by))

        async def serve():
            refiner = build(generator=dot, listeners=[listener])
            doomed = asyncio.create_task(refiner.arefine(SCENES[0]))
            await asyncio.to_thread(begun.wait, 20)
            other = asyncio.create_task(refiner.arefine(SCENES[1]))
            doomed.cancel()
            with pytest.raises(asyncio.CancelledError):
                await doomed
            go_on.set()
            done = await other
            for _ in range(200):
                if len(heard) == 2:
                    break
                await asyncio.sleep(0.02)
            return done

        assert asyncio.run(serve()).stopped_by == "loop_limit"
        assert sorted(stopped for _, stopped in heard) == ["interrupted", "loop_limit"]
        assert sum("Dot 0" in shot.prompt.text for shot in dot.shots) == 1

    def test_leaving_the_iteration_early_stops_it(self):
        dot = MovingDot()

        async def serve():
            refiner = build(generator=dot, convergence=MaxLoops(9))
            attempts = refiner.aiterate(SCENES[0])
            async for _ in attempts:
                break
            await attempts.aclose()

        asyncio.run(serve())
        assert len(dot.shots) == 1

    def test_errors_come_through(self):
        async def serve():
            await build(Watcher(1, ValueError("bug"))).arefine(SCENE)

        with pytest.raises(Exception, match="ValueError: bug"):
            asyncio.run(serve())


class TestWrongReplies:
    @pytest.mark.parametrize("said", [None, 42, b"bytes", ["list"], "", "  ", object()])
    @pytest.mark.parametrize("role", ["vlm", "llm"])
    def test_what_is_no_text_is_an_error_on_the_first_call(self, role, said):
        dot = MovingDot()
        with pytest.raises(WrongReplyError, match=r"returned .* in the (predict|compose) stage"):
            build(**{role: lambda question: said}, generator=dot).refine(SCENE)
        assert dot.shots == []

    @pytest.mark.parametrize(
        ("vlm", "stage"),
        [
            (lambda question: "The ball should fall faster.", "critique"),
            (lambda question: {"answer": "It falls."}, "predict"),
            (lambda question: '{"violations": 3}', "predict"),
            (lambda question: "42", "predict"),
        ],
    )
    def test_a_reply_of_the_wrong_form_says_what_was_expected(self, vlm, stage):
        with pytest.raises(
            WrongReplyError, match=rf"{stage} stage .*Expected: .*like \{{"
        ) as caught:
            build(vlm).refine(SCENE)
        finished = caught.value.refinement
        assert finished.stopped_by == "unusable_replies"
        assert len(finished.attempts) == (1 if stage == "critique" else 0)

    def test_an_object_is_held_to_it_too(self):
        class Silent:
            identity = "silent"

            def ask(self, question):
                return "text, where an Answer belongs"

        with pytest.raises(WrongReplyError, match="text, where an Answer belongs"):
            build(Silent()).refine(SCENE)

    def test_plain_text_is_fine_where_a_stage_can_use_it(self):
        whole = Watcher()

        def vlm(question):
            if question.stage == "predict":
                return "The dot keeps moving to the right at the same speed."
            return whole.ask(question)

        said = "A white dot glides to the right."
        plain = Method(plan=False)
        refined = build(vlm, lambda question: said, method=plain).refine(SCENE)
        assert refined.prediction.text.startswith("The dot keeps moving")
        assert refined.attempts[1].prompt.text == said
        planned = build(vlm, lambda question: said).refine(SCENE)
        assert planned.prediction.text.startswith("The dot keeps moving")

    def test_a_good_model_may_slip_later(self):
        whole, calls = Watcher(), []

        def vlm(question):
            calls.append(question.stage)
            return "Sorry?" if len(calls) > 2 else whole.ask(question)

        refined = build(vlm).refine(SCENE)
        assert refined.stopped_by == "loop_limit"
        assert refined.attempts[1].critique is None

    def test_a_rewriter_that_gives_nothing_has_not_converged(self):
        writer = ScriptedAsker(['{"prompt": "It glides on.", "negative": ""}', RefusedError("no")])
        refined = SelfRefiner(
            Watcher(), writer, MovingDot(), ensemble="last", method=Method(plan=False)
        ).refine(SCENE)
        assert refined.stopped_by == "unusable_replies"


class TestListenersAndLogs:
    def test_a_function_hears_events_that_say_where_they_belong(self):
        heard = []
        refiner = build(listeners=[lambda event, details: heard.append((event, dict(details)))])
        refiner.refine_many(SCENES[:2], workers=2)
        kinds = [event for event, _ in heard]
        assert kinds.count("started") == kinds.count("refined") == kinds.count("chosen") == 2
        assert kinds.count("attempt") == 6
        ids = {details["scenario_id"] for _, details in heard}
        assert len(ids) == 2
        for event, details in heard:
            assert details["scenario"] in ids  # unnamed scenarios go by their id
            assert (event in ("call", "attempt")) == ("position" in details)
        for found in ids:
            own = [d["position"] for e, d in heard if e == "attempt" and d["scenario_id"] == found]
            assert own == [0, 1, 2]

    def test_something_else_is_no_listener(self):
        with pytest.raises(InvalidInputError, match="no listener"):
            build(listeners=[3])

    def test_the_log_tells_what_a_run_does(self, caplog):
        with caplog.at_level(logging.INFO, "phyrefine"):
            build().refine(SCENE)
        lines = [record.message for record in caplog.records]
        assert lines[0] == "dot: begins"
        assert lines[1].startswith("dot: the plain description gave 1 clip, 1 violations")
        assert lines[-1] == "dot: ended by loop_limit (max_loops: loop 2 of 2)"
        assert len(lines) == 6
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "phyrefine"):
            build().refine(SCENE)
        assert sum("call took" in record.message for record in caplog.records) >= 8
