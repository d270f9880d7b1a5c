"""Arms that search: within a clip, over drafts, and with feedback on what most noise shows."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from benchmarks.world.arms.loops import Session
from benchmarks.world.arms.registry import CHUNKS, Act, Case, Cost, Made, arm
from phyrefine.refine.convergence import default_policy
from phyrefine.run.search import Backtracking, ChunkSearch
from phyrefine.select.named import ensemble
from phyrefine.types import Attempt, Candidates, Prompt

# A draft takes this part of the full setting's steps.
DRAFT_SHARE = 4


def searching(case: Case, search: Any) -> Made:
    """One clip of the first prompt by a search around the generator."""
    session = Session(case)
    loop = session.loop(1)
    prompt = loop.compose(loop.predict(case.scenario), case.scenario)
    first = loop.render(prompt, case.scenario, steps=None, seed=case.noise)
    made = search(session, CHUNKS * case.budget)
    take = _loop_with(session, made).render(prompt, case.scenario, steps=None, seed=case.noise)
    record = made.records.found[take.clip.digest]
    calls = session.vlm.usage.calls + session.llm.usage.calls
    cost = Cost(record.chunks / CHUNKS, record.chunks, calls, session.vlm.tokens)
    return Made(take.clip, cost, first.clip, prompt.words)


def _loop_with(session: Session, generator: Any) -> Any:
    session.generator = generator
    return session.loop(1)


def backtracking(**options: Any) -> Act:
    """An arm that backtracks."""

    def act(case: Case) -> Made:
        def search(session: Session, chunks: int) -> Backtracking:
            more = {"revise": session.llm} if options.get("revise") else {}
            return Backtracking(session.generator, session.vlm, measure=False,
                                **{**options, "chunks": chunks, **more})  # fmt: skip

        return searching(case, search)

    return act


def chunk_search(look_ahead: int = 0, beam: int = 1) -> Act:
    """An arm that chooses every chunk by agreement, as wide as its budget allows."""

    def act(case: Case) -> Made:
        width = max(1, case.budget // (beam * (1 + look_ahead)))
        return searching(case, lambda session, chunks: ChunkSearch(
            session.generator, width, beam=beam, look_ahead=look_ahead, chunks=chunks))  # fmt: skip

    return act


arm("backtracking", own=True)(backtracking())
arm("backtracking, asked after each chunk", own=True)(backtracking(each_chunk=True))
arm("backtracking, rest with another prompt", own=True)(backtracking(revise=True))
arm("chunk search by agreement", own=True)(chunk_search())
arm("chunk search, one chunk ahead", own=True, budgets=(4, 8))(chunk_search(1))


@arm("first clip of the same noise", own=True)
def first_clip(case: Case) -> Made:
    """What the searches begin with, so that a lucky seed is not taken for their merit."""
    session = Session(case)
    loop = session.loop(1)
    prompt: Prompt = loop.compose(loop.predict(case.scenario), case.scenario)
    sample = session.samples(prompt, 1)[0]
    return session.made(sample, 1, sample)


@arm("whole clips: consensus of the same noise", own=True)
def whole_clips(case: Case) -> Made:
    """The control of the searches: as many whole clips, rendered for one draw of noise."""
    session = Session(case)
    loop = session.loop(1)
    prompt: Prompt = loop.compose(loop.predict(case.scenario), case.scenario)
    pool: list[Attempt] = session.samples(prompt, case.budget)
    chosen = ensemble("consensus", session.vlm).choose(case.scenario, pool)
    return session.made(pool[chosen.pick.attempt], case.budget, pool[0])


def feedback(watch_all: bool) -> Act:
    """An arm of half the budget in clips per loop, two loops, other noise in each; consensus.

    Where the loop ends early the rest of the budget goes to further noise of its last prompt.
    """

    def act(case: Case) -> Made:
        session = Session(case)
        each = max(1, case.budget // 2)
        seeds = tuple(case.noise + number for number in range(each))
        takes = Candidates(seeds=seeds, redraw=True, watch=each if watch_all else 1)
        loop = evolve(session.loop(2, takes), convergence=default_policy(2))
        made = list(loop.iterate(case.scenario))
        pool = [evolve(one, candidates=(take,)) for one in made for take in one.candidates]
        left = case.budget - len(pool)
        if left > 0:
            prompt = made[-1].prompt
            shifted = evolve(case, noise=case.noise + each)
            session.case = shifted
            pool += session.samples(prompt, left)
        chosen = ensemble("consensus", session.vlm).choose(case.scenario, pool)
        return session.made(pool[chosen.pick.attempt], len(pool), pool[0])

    return act


arm("two loops, feedback on the first clip: consensus", own=True)(feedback(False))
arm("two loops, feedback on what most clips show: consensus", own=True)(feedback(True))


@arm("drafts of a quarter of the steps, one final: consensus", own=True)
def drafts(case: Case) -> Made:
    """A quarter of the steps: four drafts for a clip, all but one clip of the budget."""
    session = Session(case)
    loop = session.loop(1)
    prompt = loop.compose(loop.predict(case.scenario), case.scenario)
    steps = max(1, case.renderer.steps // DRAFT_SHARE)
    share = steps / case.renderer.steps
    count = max(1, round((case.budget - 1) / share))
    made = [
        Attempt(number, prompt, (loop.render(prompt, case.scenario, steps=steps,
                                             seed=case.noise + number),))
        for number in range(count)
    ]  # fmt: skip
    chosen = ensemble("consensus", session.vlm).choose(case.scenario, made)
    final = loop.render(prompt, case.scenario, steps=None, seed=case.noise + chosen.pick.attempt)
    answer = Attempt(0, prompt, (final,))
    cost = Cost((count * share) + 1, CHUNKS * (count * share + 1), session.vlm.usage.calls)
    first = loop.render(prompt, case.scenario, steps=None, seed=case.noise)
    return Made(answer.clip, cost, first.clip, prompt.words)
