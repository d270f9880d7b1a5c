"""One clip of the first prompt in each dialect, at equal cost: one clip, one VLM and one LLM call.

Run them with ``--own --arms "plain description" "dialect: prose without a plan" "dialect: timed"
"dialect: per chunk"``.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen

from benchmarks.world.arms.loops import Session
from benchmarks.world.arms.registry import Case, Made, arm
from phyrefine.refine.convergence import MaxLoops
from phyrefine.refine.loop import Loop
from phyrefine.refine.stages import Method
from phyrefine.types import Prompt

# The embedded generator makes a second at a time.
CHUNK_FRAMES = 8


@frozen
class Spoken:
    """A generator that says it reads another dialect."""

    inner: Any
    profile: Any

    def generate(self, shot: Any) -> Any:
        return self.inner.generate(shot)


@arm("dialect: prose without a plan", own=True)
def prose(case: Case) -> Made:
    """Free text and plain prose, as the method had it before plans."""
    return _first(case, "prose", chunks=False, method=Method(plan=False))


@arm("dialect: timed", own=True)
def timed(case: Case) -> Made:
    """Every event with its span in seconds, in one prompt."""
    return _first(case, "timed", chunks=False)


@arm("dialect: per chunk", own=True)
def per_chunk(case: Case) -> Made:
    """What happens in each second, to the chunk of that second."""
    return _first(case, "world", chunks=True)


def _first(case: Case, dialect: str, *, chunks: bool, method: Method | None = None) -> Made:
    session = Session(case)
    profile = session.generator.profile
    told = evolve(profile, dialect=dialect, chunk_frames=CHUNK_FRAMES if chunks else None)
    loop = Loop(
        session.vlm, session.llm, Spoken(session.generator, told), MaxLoops(1),
        method=method or Method(),
    )  # fmt: skip
    prompt: Prompt = loop.compose(loop.predict(case.scenario), case.scenario)
    sample = session.samples(prompt, 1)[0]
    return evolve(session.made(sample, 1, sample), first=None)
