"""Arms that run the method itself: they render, criticize and rewrite anew, without the pool.

Clips that several of them need are rendered once per scene; the costs count them for each arm.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from attrs import evolve, frozen

from benchmarks.world.arms.counting import Counted
from benchmarks.world.arms.registry import Case, Cost, Made, arm
from benchmarks.world.prompts import said
from benchmarks.world.scenes import SceneId
from phyrefine.refine.convergence import MaxLoops
from phyrefine.refine.loop import Loop
from phyrefine.refine.stages import critic_view
from phyrefine.run.store.store import MemoryStore
from phyrefine.run.store.stored import StoredAsker, StoredGenerator
from phyrefine.select.named import ensemble
from phyrefine.types import Attempt, Candidates, Prompt, Question
from phyrefine.video.clip import Clip
from phyrefine.world.eye import WorldVLM
from phyrefine.world.generator import WorldGenerator
from phyrefine.world.rewriter import WorldLLM


class Session:
    """The models of one arm on one scene, and what they were asked."""

    def __init__(self, case: Case, writer: Any = None, watcher: Any = None) -> None:
        store = _store(case.scene, case.renderer.key)
        self.case = case
        self.vlm = Counted(StoredAsker(WorldVLM(), store))
        self.llm = Counted(StoredAsker(writer or WorldLLM(), store))
        settings = case.renderer
        world = WorldGenerator(settings.variant, settings.steps, settings.guidance)
        self.generator = StoredGenerator(world, store)
        self.watched = watcher(self) if watcher else self.vlm

    def loop(self, loops: int, candidates: Candidates | None = None) -> Loop:
        """The loop with this session's models."""
        takes = candidates or Candidates(seeds=(self.case.noise,))
        return Loop(self.watched, self.llm, self.generator, MaxLoops(loops), candidates=takes)

    def attempts(self, loops: int, candidates: Candidates | None = None) -> list[Attempt]:
        """All attempts of the loop."""
        return list(self.loop(loops, candidates).iterate(self.case.scenario))

    def samples(self, prompt: Prompt, count: int, first: int = 1) -> list[Attempt]:
        """Clips of one prompt under ``count`` noise seeds."""
        loop = self.loop(1)
        takes = [
            loop.render(prompt, self.case.scenario, steps=None, seed=self.case.noise + number)
            for number in range(count)
        ]
        return [Attempt(first + n, prompt, (take,)) for n, take in enumerate(takes)]

    def plain(self) -> Attempt:
        """The attempt made from the plain description."""
        prompt = Prompt(self.case.scenario.description)
        return evolve(self.samples(prompt, 1, 0)[0], baseline=True)

    def judged(self, pool: Sequence[Attempt], first: Attempt) -> Made:
        """The judge's pick of a pool."""
        chosen = ensemble("judge", self.vlm).choose(self.case.scenario, pool)
        return self.made(pool[chosen.pick.attempt], len(pool), first)

    def made(self, attempt: Attempt, clips: int, first: Attempt) -> Made:
        """An attempt's clip as the answer."""
        calls = self.vlm.usage.calls + self.llm.usage.calls
        cost = Cost.of_clips(clips, calls, self.vlm.tokens + self.llm.tokens)
        return Made(attempt.clip, cost, first.clip, attempt.prompt.words)


@functools.lru_cache(maxsize=2)
def _store(_scene: SceneId, _key: str) -> MemoryStore:
    """One for each scene and generator."""
    return MemoryStore()


@frozen
class Blind:
    """A critic that watches another video of the same kind than the one it criticizes."""

    session: Session

    @property
    def identity(self) -> str:
        return "blind"

    def ask(self, question: Question) -> Any:
        if question.stage == "critique":
            question = evolve(question, clips=(self._other(),))
        return self.session.vlm.ask(question)

    def _other(self) -> Clip:
        case = self.session.case
        other = SceneId(case.scene.seed + 50_000)
        if other.kind != case.scene.kind:
            raise RuntimeError("The blind critic must watch a scene of the same kind.")
        prompt, scenario = Prompt(other.scenario.description), other.scenario
        take = self.session.loop(1).render(prompt, scenario, steps=None, seed=case.noise)
        return critic_view(take.clip, scenario.prefix, 768)[0]


@arm("loop: last clip", own=True)
def loop_last(case: Case) -> Made:
    """The method: as many loops as the budget has clips, the last clip."""
    session = Session(case)
    attempts = session.attempts(case.budget)
    return session.made(attempts[-1], len(attempts), attempts[0])


@arm("loop: judge's pick with plain", own=True)
def loop_judged(case: Case) -> Made:
    """Plain description and loops under the same noise; the judge picks."""
    session = Session(case)
    attempts = session.attempts(case.budget - 1)
    return session.judged([session.plain(), *attempts], attempts[0])


@arm("loop with noise of its own: judge's pick with plain", own=True)
def loop_redrawn(case: Case) -> Made:
    """The same with other noise in every loop."""
    session = Session(case)
    redrawn = Candidates(seeds=(case.noise,), redraw=True)
    attempts = session.attempts(case.budget - 1, redrawn)
    return session.judged([session.plain(), *attempts], attempts[0])


@arm("no loop (first prompt, other noise): judge's pick with plain", own=True)
def all_cues_judged(case: Case) -> Made:
    """The strongest control: as many clips of the first prompt, without feedback."""
    session = Session(case)
    loop = session.loop(1)
    prompt = loop.compose(loop.predict(case.scenario), case.scenario)
    samples = session.samples(prompt, case.budget - 1)
    return session.judged([session.plain(), *samples], samples[0])


@arm("plain description, other noise: judge's pick", own=True)
def reseed_judged(case: Case) -> Made:
    """As many clips of the plain description."""
    session = Session(case)
    samples = session.samples(Prompt(case.scenario.description), case.budget)
    return session.judged(samples, samples[0])


@arm("blind critic: last clip", own=True)
def blind(case: Case) -> Made:
    """The loop with a critic that watches another video."""
    session = Session(case, watcher=Blind)
    attempts = session.attempts(case.budget)
    return session.made(attempts[-1], len(attempts), attempts[0])


@arm("paraphrasing rewriter: last clip", own=True)
def paraphrased(case: Case) -> Made:
    """The loop with a rewriter that says the same in other words each time."""
    session = Session(case, WorldLLM("paraphrase"))
    attempts = session.attempts(case.budget)
    return session.made(attempts[-1], len(attempts), attempts[0])


@arm("filler text", own=True)
def filler(case: Case) -> Made:
    """One clip of a long prompt that says nothing."""
    return _spoken(case, "filler")


@arm("true caption, held-out wording (GROUND TRUTH)", own=True, truth=True)
def true_caption(case: Case) -> Made:
    """One clip of all that is true of the scene."""
    return _spoken(case, "true_caption")


@arm("still clip", own=True)
def still(case: Case) -> Made:
    """The prefix's last frame, held: it must be worth nothing."""
    prefix = case.scenario.prefix
    assert prefix is not None
    last = prefix.seconds(prefix.duration - 1.0 / prefix.fps)
    count = round(case.scenario.seconds * 8.0)
    return Made(last.resample(8.0, count=count), Cost())


def _spoken(case: Case, name: str) -> Made:
    session = Session(case)
    text = " ".join(said(name, case.scene).texts)
    sample = session.samples(Prompt(text), 1)[0]
    return evolve(session.made(sample, 1, sample), first=None)
