"""Candidates of one prompt in one call: stored, counted, cut, halved and told clip by clip."""

import logging
import signal
import subprocess
import sys
import time

import pytest
from attrs import evolve
from run_helpers import Clock

from phyrefine import SelfRefiner
from phyrefine.errors import (
    BackendTimeoutError,
    BlockedError,
    BudgetExceededError,
    GenerationError,
    GeneratorLostError,
    GeneratorMemoryError,
    InvalidInputError,
)
from phyrefine.protocols import batch_size_for
from phyrefine.refine.convergence import MaxLoops
from phyrefine.refine.each_clip import generate_each
from phyrefine.run.budget.meter import Meter
from phyrefine.run.calls.timeouts import TimedGenerator
from phyrefine.run.cluster.recipe import Recipe
from phyrefine.run.cluster.worker import Failed, Made, Order, Worker
from phyrefine.run.journal import read_journal
from phyrefine.run.search.drafting import Draft, DraftGenerator
from phyrefine.run.sessions.rewording import RewordingGenerator
from phyrefine.run.store.store import FolderStore, MemoryStore
from phyrefine.run.wrappers import wrap_generator
from phyrefine.testing import MovingDot, ScriptedAsker, StreamingDot, moving_clip
from phyrefine.types import Budget, Candidates, Prompt, Scenario, Shot, Usage, Verdict

SHOTS = [Shot(Prompt("a dot"), seconds=3.0, fps=8.0, size=(16, 16), seed=seed) for seed in range(4)]
SCENE = Scenario("A dot moves on.", moving_clip(24), seconds=2.0, name="dot")


class Ears:
    def __init__(self):
        self.heard = []

    def on_event(self, event, details):
        if event == "call":
            self.heard.append(dict(details))


def alone(kind=MovingDot):
    return [kind().generate(shot) for shot in SHOTS]


def wrapped(dot, store=None, meter=None, **settings):
    return wrap_generator(dot, store=store or MemoryStore(), meter=meter or Meter(), **settings)


@pytest.fixture(params=[MovingDot, StreamingDot], ids=["whole", "stream"])
def dot(request):
    return request.param(batch_size=4)


def refiner(dot, folder=None, **settings):
    given = {"candidates": Candidates(seeds=(0, 1, 2, 3)), "baseline": False, "run_dir": folder}
    return SelfRefiner("world", "world", dot, convergence=MaxLoops(1), **{**given, **settings})


# -- what goes together ------------------------------------------------------------------------


def test_missing_clips_share_a_call_and_stored_ones_cost_none(dot, tmp_path):
    store = FolderStore(tmp_path)
    wrapped(dot, store).generate(SHOTS[1])
    dot.calls.clear()
    clips = list(wrapped(dot, store).generate_each(SHOTS))
    assert dot.calls == [3]
    assert clips == alone(type(dot))
    assert list(wrapped(dot, store).generate_each(SHOTS)) == clips
    assert dot.calls == [3]


def test_batches_are_no_larger_than_the_generator_takes(dot):
    dot.batch_size = 3
    assert list(generate_each(wrapped(dot), SHOTS)) == alone(type(dot))
    assert dot.calls == [3, 1]
    bare = evolve(dot)
    assert list(generate_each(bare, SHOTS)) == alone(type(dot))
    assert bare.calls == [3, 1]


def test_the_same_seed_twice_is_made_once():
    dot = MovingDot(batch_size=4)
    clips = list(wrapped(dot).generate_each([SHOTS[0], SHOTS[0], SHOTS[1]]))
    assert dot.calls == [2]
    assert clips[0] == clips[1] != clips[2]


def test_generators_that_offer_nothing_make_one_clip_at_a_time():
    class Plain:
        profile = MovingDot().profile
        identity = "plain"
        generate = MovingDot().generate

    assert batch_size_for(wrapped(Plain()).backend, SHOTS[0]) == 1
    assert list(wrapped(Plain()).generate_each(SHOTS)) == alone()
    assert list(generate_each(Plain(), SHOTS)) == alone()


def test_a_size_without_a_method_is_refused():
    class Torn(StreamingDot):
        stream_many = None

    with pytest.raises(InvalidInputError, match=r"takes 4 shots .* has no stream_many"):
        list(wrapped(Torn(batch_size=4)).generate_each(SHOTS))


def test_another_number_of_results_is_refused():
    class Short(MovingDot):
        def generate_many(self, shots):
            return super().generate_many(shots)[1:]

    with pytest.raises(GenerationError, match="gave 3 results for 4 shots"):
        list(wrapped(Short(batch_size=4)).generate_each(SHOTS))


def test_a_pool_takes_what_all_of_its_devices_take():
    pool = [MovingDot(batch_size=4), MovingDot(batch_size=2)]
    assert list(wrapped(pool).generate_each(SHOTS)) == alone()
    assert sorted(pool[0].calls + pool[1].calls) == [2, 2]


# -- the loop ----------------------------------------------------------------------------------


def test_a_run_makes_the_same_clips_and_says_how(dot, tmp_path):
    ears = Ears()
    attempt = refiner(dot, tmp_path, listeners=[ears]).refine(SCENE).attempts[0]
    single = refiner(type(dot)()).refine(SCENE).attempts[0]
    assert dot.calls == [4]
    assert [one.clip for one in attempt.candidates] == [one.clip for one in single.candidates]
    assert attempt.notes == (
        *single.notes,
        "clips of seeds 0, 1, 2, 3 were made 4 at a time",
    )
    made = [call for call in ears.heard if call["stage"] == "generate" and call["usage"].clips]
    assert {call["together"] for call in made} == {4}
    # Found again, it is told again.
    again = refiner(evolve(dot), tmp_path).refine(SCENE).attempts[0]
    assert again.notes == attempt.notes
    assert again.usage.clips == attempt.usage.clips


class EnoughAt:
    """Wants two clips in any case, and has enough at three."""

    least = 2

    def __init__(self):
        self.asked = []

    def decide(self, pool):
        self.asked.append(len(pool.entries))
        return Verdict(self.asked[-1] >= 3, "test", "three")


def test_what_may_be_one_too_many_is_made_alone():
    dot, enough = MovingDot(batch_size=4), EnoughAt()
    attempt = refiner(dot, enough=enough).refine(SCENE).attempts[0]
    assert len(attempt.candidates) == 3
    assert dot.calls == [2, 1]
    assert enough.asked == [1, 2, 3]
    enough = EnoughAt()
    enough.least = 1
    dot = MovingDot(batch_size=4)
    assert len(refiner(dot, enough=enough).refine(SCENE).attempts[0].candidates) == 3
    assert dot.calls == [1, 1, 1]


# -- budgets and usage -------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["clips", "calls"])
def test_a_budget_with_room_for_two_of_four_makes_two(dot, limit):
    store = MemoryStore()
    clips = wrapped(dot, store, Meter(Budget(**{limit: 2}))).generate_each(SHOTS)
    assert [next(clips), next(clips)] == alone(type(dot))[:2]
    with pytest.raises(BudgetExceededError, match=f"2 of 2 {limit}"):
        next(clips)
    assert dot.calls == [2]
    assert list(wrapped(dot, store).generate_each(SHOTS)) == alone(type(dot))
    assert dot.calls == [2, 2]


def test_where_a_clip_s_price_is_unknown_the_first_is_made_alone():
    dot = StreamingDot(batch_size=4)
    clips = wrapped(dot, meter=Meter(Budget(chunks=9))).generate_each(SHOTS)
    for _ in range(3):  # of three chunks each
        next(clips)
    with pytest.raises(BudgetExceededError, match="9 of 9 chunks"):
        next(clips)
    assert dot.calls == [1, 2]


def test_room_is_counted_as_single_clips_would_use_it():
    meter = Meter(Budget(gpu_seconds=10.0, wall_seconds=1e9))
    assert meter.room(8) == 1
    meter.add("generate", Usage(calls=2, clips=2, chunks=2, seconds=6.0, gpu_seconds=6.0))
    assert meter.room(8) == 2  # the second begins at 9 s
    meter.add("generate", Usage(calls=2, clips=2, chunks=2, seconds=6.0, gpu_seconds=6.0))
    assert meter.room(8) == 1
    assert Meter(Budget(tokens=5)).room(8) == Meter().room(8) == 8


def test_seconds_are_shared_and_every_clip_is_told(dot, tmp_path):
    clock, ears, store = Clock(), Ears(), FolderStore(tmp_path)
    meter = Meter(clock=clock)

    class Slow(type(dot)):
        def generate_many(self, shots):
            clock.passes(8.0)
            return super().generate_many(shots)

        def stream_many(self, shots):
            for chunks in super().stream_many(shots):
                clock.passes(4.0)
                yield chunks

    slowly = Slow(batch_size=4)
    list(wrapped(slowly, store, meter, listeners=[ears]).generate_each(SHOTS))
    total = meter.stages["generate"]
    whole = 8.0 if isinstance(slowly, MovingDot) else 12.0
    assert (total.calls, total.clips) == (4, pytest.approx(4))
    assert total.seconds == total.gpu_seconds == pytest.approx(whole)
    assert {call["together"] for call in ears.heard} == {4}
    assert sum(call["usage"].seconds for call in ears.heard) == pytest.approx(whole)
    # One clip, found again later, costs its share.
    later = Meter()
    wrapped(slowly, store, later).generate(SHOTS[2])
    assert later.earlier.seconds == pytest.approx(whole / 4)
    assert (later.earlier.calls, later.earlier.clips) == (1, pytest.approx(1))


# -- what goes wrong ---------------------------------------------------------------------------


class Tight:
    """Mixed into a fake: holds ``room`` clips at once."""

    room = 2

    def generate_many(self, shots):
        self.check(shots)
        return super().generate_many(shots)

    def stream_many(self, shots):
        self.check(shots)
        yield from super().stream_many(shots)

    def check(self, shots):
        if len(shots) > self.room:
            self.calls.append(-len(shots))
            raise GeneratorMemoryError(f"{len(shots)} do not fit")


class TightDot(Tight, MovingDot):
    pass


class TightStream(Tight, StreamingDot):
    pass


@pytest.mark.parametrize("kind", [TightDot, TightStream])
def test_out_of_memory_halves_the_batch_and_is_told(kind, tmp_path, caplog):
    dot = kind(batch_size=4)
    with caplog.at_level(logging.WARNING, "phyrefine"):
        attempt = refiner(dot, tmp_path).refine(SCENE).attempts[0]
    assert dot.calls == [-4, 2, 2]
    assert attempt.notes[-1] == (
        "clips of seeds 0, 1, 2, 3 were made 2 at a time, not 4: the device ran out of memory"
    )
    assert "4 clips do not fit into memory at once; going on with 2. 4 do not fit" in caplog.text
    single = refiner(kind.__mro__[2]()).refine(SCENE).attempts[0]
    assert [one.clip for one in attempt.candidates] == [one.clip for one in single.candidates]
    told = [
        event for event in read_journal(tmp_path / "events.jsonl") if event["event"] == "attempt"
    ]
    assert told[0]["attempt"]["notes"][-1] == attempt.notes[-1]


def test_the_reduced_size_holds_for_all_scenarios_of_a_run():
    dot = TightDot(batch_size=4)
    refiner(dot).refine_many([SCENE, evolve(SCENE, description="Another.", name="two")])
    assert sorted(dot.calls) == [-4, 2, 2, 2, 2]


@pytest.mark.parametrize("kind", [TightDot, TightStream])
def test_a_generator_that_cannot_batch_at_all_ends_at_single_clips(kind):
    dot = kind(batch_size=4)
    dot.room = 1
    assert list(wrapped(dot).generate_each(SHOTS)) == alone(kind.__mro__[2])
    assert dot.calls == [-4, -2, 1, 1, 1, 1]


def test_a_generator_that_halves_by_itself_is_told_of_too():
    class Halves(MovingDot):
        def generate_many(self, shots):
            self.batch_size = 2
            return super().generate_many(shots)

    generator = wrapped(Halves(batch_size=4))
    clips = list(generator.generate_each(SHOTS))
    how = generator.made_together(clips[0])
    assert (how.clips, how.reduced_from) == (2, 4)


def test_a_batch_that_fails_costs_no_clip_of_another():
    def fail(shot):
        if shot.seed == 2:
            raise GenerationError("no")

    store, dot = MemoryStore(), MovingDot(fail=fail, batch_size=2)
    clips = wrapped(dot, store).generate_each(SHOTS)
    assert [next(clips), next(clips)] == alone()[:2]
    with pytest.raises(GenerationError, match="no"):
        next(clips)
    whole = MovingDot(batch_size=4)
    assert list(wrapped(whole, store).generate_each(SHOTS)) == alone()
    assert whole.calls == [2]


@pytest.mark.parametrize("at", range(1, 12))
def test_a_stream_interrupted_anywhere_goes_on_behind_its_chunks(at, tmp_path):
    """Killed between any two chunks: at most one chunk of each clip is made again."""
    begun = []

    def die(index):
        begun.append(index)
        if len(begun) > at:
            raise KeyboardInterrupt

    store = FolderStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        list(wrapped(StreamingDot(fail=die, batch_size=4), store).generate_each(SHOTS))
    dot = StreamingDot(batch_size=4)
    assert list(wrapped(dot, FolderStore(tmp_path)).generate_each(SHOTS)) == alone(StreamingDot)
    assert len(dot.made) == 12 - 4 * (at // 4)


@pytest.mark.parametrize("kept", range(1, 9))
def test_killed_between_two_clips_of_a_round_nothing_kept_is_made_again(kept):
    """A store that dies after so many values, as a process would."""

    class Dying(MemoryStore):
        left = kept

        def put(self, key, value):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            super().put(key, value)

    store = Dying()
    with pytest.raises(KeyboardInterrupt):
        list(wrapped(StreamingDot(batch_size=4), store).generate_each(SHOTS))
    store.left = 1000
    dot = StreamingDot(batch_size=4)
    assert list(wrapped(dot, store).generate_each(SHOTS)) == alone(StreamingDot)
    assert len(dot.made) == 12 - kept


KILLED = """
import os, signal, sys
from phyrefine.run import FolderStore, Meter, wrap_generator
from phyrefine.testing import StreamingDot
from phyrefine.types import Prompt, Shot

begun = []

def die(index):
    begun.append(index)
    if len(begun) > 6:
        os.kill(os.getpid(), signal.SIGKILL)

dot = StreamingDot(fail=die, batch_size=4)
shots = [Shot(Prompt("a dot"), seconds=3.0, fps=8.0, size=(16, 16), seed=at) for at in range(4)]
list(wrap_generator(dot, store=FolderStore(sys.argv[1]), meter=Meter()).generate_each(shots))
"""


def test_kill_9_within_a_batch_costs_the_round_in_progress(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    dot = StreamingDot(batch_size=4)
    assert list(wrapped(dot, FolderStore(tmp_path)).generate_each(SHOTS)) == alone(StreamingDot)
    assert dot.made == [1] * 4 + [2] * 4
    assert dot.calls == [4]


def test_stored_clips_are_given_without_asking_for_a_size():
    class Elsewhere(MovingDot):
        def batch_size_for(self, shot):
            raise AssertionError("asked")

    store = MemoryStore()
    for shot in SHOTS:
        wrapped(MovingDot(), store).generate(shot)
    assert list(wrapped(Elsewhere(), store).generate_each(SHOTS)) == alone()


def test_a_cancelled_run_begins_no_further_batch():
    meter = Meter()
    clips = wrapped(MovingDot(batch_size=2), meter=meter).generate_each(SHOTS)
    assert [next(clips), next(clips)] == alone()[:2]
    meter.cancel()
    with pytest.raises(KeyboardInterrupt):
        next(clips)


# -- other wrappers ----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_batch_may_take_as_long_as_its_clips_one_by_one():
    class Slow(MovingDot):
        def generate_many(self, shots):
            time.sleep(0.3)
            return super().generate_many(shots)

    timed = TimedGenerator(Slow(batch_size=4), 0.2)
    assert timed.generate_many(SHOTS) == alone()
    with pytest.raises(BackendTimeoutError, match=r"no result within 0\.2 s"):
        timed.generate_many(SHOTS[:1])
    streamed = TimedGenerator(StreamingDot(batch_size=4), 30.0)
    assert [len(chunks) for chunks in streamed.stream_many(SHOTS)] == [4, 4, 4]


def test_drafts_go_together_on_their_own_setting():
    dot = MovingDot(batch_size=4)
    drafts = DraftGenerator(wrapped(dot), Draft(steps=2, size=(8, 8)))
    assert [clip.size for clip in drafts.generate_each(SHOTS)] == [(16, 16)] * 4
    assert dot.calls == [4]
    assert {shot.steps for shot in dot.shots} == {2}


def test_after_a_refusal_the_whole_batch_is_reworded_once():
    def refuse(shot):
        if shot.prompt.text == "a dot":
            raise BlockedError("not that")

    dot = MovingDot(fail=refuse, batch_size=4)
    llm = ScriptedAsker(['{"prompt": "a point"}'])
    assert len(list(RewordingGenerator(wrapped(dot), llm).generate_each(SHOTS))) == 4
    assert len(llm.asked) == 1
    assert {shot.prompt.text for shot in dot.shots[1:]} == {"a point"}
    dot.fail = lambda _: (_ for _ in ()).throw(BlockedError("never"))
    with pytest.raises(BlockedError, match="never"):
        list(RewordingGenerator(wrapped(dot), llm).generate_each(SHOTS))


# -- a worker of a cluster ---------------------------------------------------------------------


def test_a_worker_makes_a_batch_in_one_call(dot):
    worker = Worker(Recipe.of(dot), {})
    kind = "stream" if dot.profile.streaming else "generate"
    order = Order(kind, tuple(SHOTS), 1, timeout=30.0)
    made = [item for item in worker.run(order, None) if isinstance(item, Made)]
    assert dot.calls == [4]
    assert {len(item.values) for item in made} == {4}
    assert worker.spent().clips == 4
    assert worker.offer("batch_size_for", SHOTS[0]) == 4


def test_a_worker_says_that_a_batch_does_not_fit():
    worker = Worker(Recipe.of(TightDot(batch_size=4)), {})
    *_, last = worker.run(Order("generate", tuple(SHOTS), 1), None)
    assert isinstance(last, Failed)
    assert last.memory


@pytest.mark.parametrize("kind", [MovingDot, StreamingDot])
def test_after_a_batch_that_lost_its_worker_clips_are_made_one_by_one(kind, caplog):
    class Lost(kind):
        def generate_many(self, shots):
            raise GeneratorLostError(f"lost with {len(shots)}")

        def stream_many(self, shots):
            raise GeneratorLostError(f"lost with {len(shots)}")
            yield

    def fail(number):
        raise GeneratorLostError("lost alone")

    assert list(wrapped(Lost(batch_size=4)).generate_each(SHOTS)) == alone(kind)
    assert "A batch is lost; its clips are made one by one. lost with 4" in caplog.text
    with pytest.raises(GeneratorLostError, match="lost alone"):
        next(wrapped(Lost(batch_size=4, fail=fail)).generate_each(SHOTS))
