"""Nothing finished is asked or generated twice; errors are not kept."""

import threading

import pytest
from attrs import evolve
from run_helpers import Clock

from phyrefine.errors import GenerationError, OverloadedError
from phyrefine.run.budget.meter import Meter
from phyrefine.run.budget.metered import MeteredAsker, MeteredGenerator
from phyrefine.run.store.store import FolderStore, MemoryStore
from phyrefine.run.store.stored import StoredAsker, StoredGenerator
from phyrefine.testing import MovingDot, ScriptedAsker, StreamingDot
from phyrefine.types import Answer, Prompt, Question, Shot, Usage

QUESTION = Question("critique", "what is wrong?")
SHOT = Shot(Prompt("a dot"), seconds=3.0, fps=24.0, size=(16, 16))


@pytest.fixture(params=[FolderStore, MemoryStore])
def store(request, tmp_path):
    return FolderStore(tmp_path) if request.param is FolderStore else MemoryStore()


class TestAsker:
    def test_asks_once(self, store):
        model = ScriptedAsker([Answer("first", "m", Usage(1, {"input": 3}, 0.5)), "second"])
        first = StoredAsker(model, store).ask(QUESTION)
        again = StoredAsker(model, store).ask(QUESTION)
        assert again == first
        assert len(model.asked) == 1

    def test_another_question_or_sample_is_another_answer(self, store):
        asker = StoredAsker(ScriptedAsker(["first", "second", "third"]), store)
        assert asker.ask(QUESTION).text == "first"
        assert asker.ask(evolve(QUESTION, sample=1)).text == "second"
        assert asker.ask(evolve(QUESTION, text="?")).text == "third"
        assert asker.ask(QUESTION).text == "first"

    def test_another_backend_is_asked_anew(self, store):
        StoredAsker(ScriptedAsker(["one"]), store).ask(QUESTION)
        other = StoredAsker(ScriptedAsker(["two"], identity="other"), store)
        assert other.ask(QUESTION).text == "two"

    def test_errors_are_not_kept(self, store):
        asker = StoredAsker(ScriptedAsker([OverloadedError("busy"), "fine"]), store)
        with pytest.raises(OverloadedError):
            asker.ask(QUESTION)
        assert asker.recall(QUESTION) is None
        assert asker.ask(QUESTION).text == "fine"

    def test_recall_never_asks(self, store):
        model = ScriptedAsker(["fine"])
        assert StoredAsker(model, store).recall(QUESTION) is None
        StoredAsker(model, store).ask(QUESTION)
        assert StoredAsker(model, store).recall(QUESTION).text == "fine"
        assert len(model.asked) == 1

    def test_threads_that_ask_the_same_share_one_call(self, store):
        model, gate, answers = ScriptedAsker(["fine"]), threading.Event(), []

        class Slow:
            identity = "slow"

            def ask(self, question):
                gate.wait(5)
                return model.ask(question)

        asker = StoredAsker(Slow(), store)
        threads = [
            threading.Thread(target=lambda: answers.append(asker.ask(QUESTION))) for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        gate.set()
        for thread in threads:
            thread.join()
        assert len(answers) == 5
        assert len(model.asked) == 1

    def test_a_resumed_run_tallies_what_an_uninterrupted_one_would(self, store):
        said = Answer("x", "m", Usage(2, {"input": 3}, usd=0.25))
        first, second = Meter(), Meter()
        with first.tally() as paid:
            StoredAsker(MeteredAsker(ScriptedAsker([said]), first), store, first).ask(QUESTION)
        with second.tally() as found:
            StoredAsker(MeteredAsker(ScriptedAsker([]), second), store, second).ask(QUESTION)
        assert found.usage == paid.usage
        assert paid.usage.calls == 2
        assert second.usage == Usage(saved_calls=1)
        assert second.earlier == paid.usage


class TestGenerator:
    def test_generates_once(self, store):
        dot = MovingDot()
        first = StoredGenerator(dot, store).generate(SHOT)
        again = StoredGenerator(dot, store).generate(SHOT)
        assert again == first
        assert again.native == first.native
        assert len(dot.shots) == 1
        assert StoredGenerator(dot, store).generate(evolve(SHOT, seed=1)) != first

    def test_same_delivery_from_other_native_frames_is_told_apart(self, store):
        class Native:
            profile = MovingDot().profile
            identity = "native"

            def generate(self, shot):
                made = MovingDot().generate(SHOT)
                native = made.native.seconds(0, 1 + shot.seed)
                return made.with_native(native)

        clips = [StoredGenerator(Native(), store).generate(evolve(SHOT, seed=n)) for n in (0, 1)]
        back = [StoredGenerator(Native(), store).generate(evolve(SHOT, seed=n)) for n in (0, 1)]
        assert (
            [len(clip.native) for clip in back] == [len(clip.native) for clip in clips] == [8, 16]
        )

    def test_errors_are_not_kept(self, store):
        def fail(shot):
            if len(dot.shots) == 1:
                raise GenerationError("broken")

        dot = MovingDot(fail=fail)
        generator = StoredGenerator(dot, store)
        with pytest.raises(GenerationError):
            generator.generate(SHOT)
        assert generator.generate(SHOT) == MovingDot().generate(SHOT)

    def test_lost_frames_are_made_again(self, tmp_path, caplog):
        store, dot = FolderStore(tmp_path), MovingDot()
        clip = StoredGenerator(dot, store).generate(SHOT)
        store.clip_path(clip.digest).unlink()
        assert StoredGenerator(dot, store).generate(SHOT) == clip
        assert len(dot.shots) == 2
        assert "are made again" in caplog.text
        StoredGenerator(dot, store).generate(SHOT)
        assert len(dot.shots) == 2

    def test_gpu_seconds_of_a_stored_clip_are_remembered(self, store):
        clock = Clock()
        first = Meter(clock=clock)
        dot = MovingDot(fail=lambda shot: clock.passes(1.0))
        StoredGenerator(MeteredGenerator(dot, first), store, first).generate(SHOT)
        second = Meter()
        StoredGenerator(MeteredGenerator(MovingDot(), second), store, second).generate(SHOT)
        assert second.earlier == first.usage
        assert second.earlier.gpu_seconds == 1.0
        assert second.usage == Usage(saved_calls=1)


class TestStream:
    """3 s at 8 fps in chunks of 8 frames: three chunks."""

    def stopped_at(self, index, store):
        def fail(now):
            if now == index:
                raise GenerationError("killed")

        dot = StreamingDot(fail=fail)
        with pytest.raises(GenerationError):
            StoredGenerator(dot, store).generate(SHOT)
        assert dot.made == list(range(index))

    @pytest.mark.parametrize("index", [0, 1, 2])
    def test_goes_on_after_the_last_finished_chunk(self, store, index):
        self.stopped_at(index, store)
        dot = StreamingDot()
        clip = StoredGenerator(dot, store).generate(SHOT)
        assert dot.made == list(range(index, 3))
        assert clip == StreamingDot().generate(SHOT)
        assert clip.native == StreamingDot().generate(SHOT).native

    def test_when_only_the_delivery_was_lost_no_chunk_is_made(self, store):
        list(StoredGenerator(StreamingDot(), store).stream(SHOT))

        class OnlyDelivers:
            identity, profile = "streaming-dot", StreamingDot().profile
            deliver = StreamingDot().deliver

        generator = StoredGenerator(OnlyDelivers(), store)
        assert generator.generate(SHOT) == StreamingDot().generate(SHOT)

    def test_streams_stored_chunks_then_live_ones(self, store):
        self.stopped_at(2, store)
        chunks = list(StoredGenerator(StreamingDot(), store).stream(SHOT))
        assert chunks == list(StreamingDot().stream(SHOT))

    def test_a_chunk_is_kept_before_it_is_given_out(self, store):
        stream = StoredGenerator(StreamingDot(), store).stream(SHOT)
        next(stream)
        stream.close()
        dot = StreamingDot()
        next(StoredGenerator(dot, store).stream(SHOT))
        assert dot.made == []

    def test_a_shot_with_accepted_chunks(self, store):
        whole = list(StreamingDot().stream(SHOT))
        begun = evolve(SHOT, accepted=(whole[0].clip,), state=whole[0].state)
        for made in ([1, 2], []):
            dot = StreamingDot()
            assert StoredGenerator(dot, store).generate(begun) == StreamingDot().generate(SHOT)
            assert dot.made == made

    def test_tally_of_a_resumed_stream(self, tmp_path):
        def run(folder, stop_at=None):
            clock = Clock()
            meter = Meter(clock=clock)

            def work(index):
                if index == stop_at:
                    raise GenerationError("killed")
                clock.passes(2.0)

            metered = MeteredGenerator(StreamingDot(fail=work), meter)
            with meter.tally() as tally:
                StoredGenerator(metered, FolderStore(folder), meter).generate(SHOT)
            return tally.usage

        with pytest.raises(GenerationError):
            run(tmp_path / "cut", stop_at=2)
        assert run(tmp_path / "cut").gpu_seconds == 6.0
        assert run(tmp_path / "whole").gpu_seconds == 6.0
        assert run(tmp_path / "cut").gpu_seconds == 6.0
