"""What an arm is: a small function that spends a budget and answers with clips of its choice.

To add one, write ``def my_arm(case: Case) -> Picked | Made`` in a module of this folder, put
``@arm("my arm")`` above it, and import the module in ``arms/__init__.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from attrs import field, frozen

from benchmarks.world.measuring import Seen
from benchmarks.world.prompts import Said
from benchmarks.world.rendering import Renderer
from benchmarks.world.scenes import SceneId
from benchmarks.world.truth import Truth
from phyrefine.types import Attempt, Candidate, Prompt, Scenario
from phyrefine.video.clip import Clip

CHUNKS = 5


@frozen
class Cost:
    """What an answer took.

    Attributes:
        clips: Clip-equivalents rendered.
        chunks: Chunks rendered; a clip has five.
        calls: Questions to a VLM or an LLM.
        tokens: Tokens of those, where the model counts them.
    """

    clips: float = 0.0
    chunks: float = 0.0
    calls: float = 0.0
    tokens: float = 0.0

    @classmethod
    def of_clips(cls, clips: int, calls: int = 0, tokens: int = 0) -> Cost:
        """Whole clips."""
        return cls(clips, clips * CHUNKS, calls, tokens)


@frozen
class Row:
    """A clip of a pool; ``truth`` is ``None`` except for arms that are stamped."""

    seed: int
    clip: Clip
    seen: Seen
    truth: Truth | None = field(default=None, repr=False)


@frozen
class PoolView:
    """The clips that one draw may choose from: as many as the budget allows, for every prompt.

    Attributes:
        prompt: The prompt that pool arms choose from.
        said: The text of each prompt.
        rows: By prompt; the noise seeds are the same in every prompt.
    """

    prompt: str
    said: Mapping[str, Said]
    rows: Mapping[str, Sequence[Row]]

    @property
    def main(self) -> Sequence[Row]:
        """The clips of the prompt that pool arms choose from."""
        return self.of(self.prompt)

    def of(self, prompt: str) -> Sequence[Row]:
        """The clips of a prompt."""
        if prompt not in self.rows:
            raise SystemExit(
                f"This arm needs the prompt {prompt!r}; the pool has {sorted(self.rows)}. Add it to --prompts."
            )
        return self.rows[prompt]

    def attempts(self, prompt: str | None = None) -> list[Attempt]:
        """The clips as the library's selectors take them, one attempt each, with their critique."""
        name = prompt or self.prompt
        text = Prompt(" ".join(self.said[name].texts))
        return [
            Attempt(number, text, (Candidate(row.clip, row.seed),), row.seen.critique)
            for number, row in enumerate(self.of(name), 1)
        ]


@frozen
class Case:
    """What an arm is given: nothing of the truth, unless it is stamped.

    Attributes:
        scene: Which scene; arms read ``scenario`` only.
        pool: The clips of this draw.
        budget: Clip-equivalents it may spend.
        rng: Random numbers of this scene, draw and arm.
        renderer: Weights and settings, for arms that render clips of their own.
        noise: First noise seed, for the same.
    """

    scene: SceneId
    pool: PoolView
    budget: int
    rng: np.random.Generator
    renderer: Renderer
    noise: int = 0

    @property
    def scenario(self) -> Scenario:
        return self.scene.scenario


@frozen
class Picked:
    """An answer from the pool.

    Attributes:
        numbers: Positions in the pool; several are an even draw among them, scored by their mean.
        prompt: Of which prompt's clips; ``None`` for the pool's main prompt.
        cost: What it took.
        scores: The selector's own scores of all clips, if it has any.
    """

    numbers: tuple[int, ...]
    cost: Cost
    prompt: str | None = None
    scores: tuple[float, ...] = ()


@frozen
class Made:
    """A clip that the arm rendered itself.

    Attributes:
        clip: The answer.
        cost: What it took.
        first: The clip that the arm began with, to learn how often wrong ones are repaired.
        words: Words of the answer's prompt.
    """

    clip: Clip
    cost: Cost
    first: Clip | None = None
    words: int = 0


Act = Callable[[Case], "Picked | Made"]


@frozen
class Arm:
    """A registered arm.

    Attributes:
        name: In tables and records.
        act: What it does.
        truth: It sees ground truth: a bound, never a method.
        own: It renders clips of its own: once for each scene and budget, not for every draw.
        budgets: Where it makes sense; empty for all.
    """

    name: str
    act: Act
    truth: bool = False
    own: bool = False
    budgets: tuple[int, ...] = ()


ARMS: dict[str, Arm] = {}


def arm(name: str, *, truth: bool = False, own: bool = False,
        budgets: Sequence[int] = ()) -> Callable[[Act], Act]:  # fmt: skip
    """Register a function as an arm; the options are those of :class:`Arm`."""

    def register(act: Act) -> Act:
        if name in ARMS:
            raise ValueError(f"There are two arms called {name!r}.")
        ARMS[name] = Arm(name, act, truth, own, tuple(budgets))
        return act

    return register


def answer(cost: Cost, scores: Sequence[float]) -> Picked:
    """The clip with the highest score; the earlier one on a tie, as everywhere in the library."""
    return Picked((int(np.argmax(scores)),), cost, scores=tuple(float(s) for s in scores))
