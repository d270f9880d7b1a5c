"""The first question to the VLM and to the LLM, before the first clip is made.

Nothing extra is asked: the loop begins with these two questions anyway. Asking them first finds a
wrong key, an unreachable server, a missing model or a function of the wrong form while nothing has
been generated yet.
"""

from __future__ import annotations

from attrs import define, evolve, field

from phyrefine.errors import BudgetExceededError
from phyrefine.protocols import LLM, VLM, identity
from phyrefine.refine.loop import Loop
from phyrefine.types import Answer, Question, Scenario


@define
class AskedBefore:
    """A VLM or an LLM that gives what it said to the questions of the preflight, each once.

    Attributes:
        backend: The one that answers.
        said: Answers and errors of the preflight.
    """

    backend: VLM | LLM
    said: list[tuple[Question, Answer | Exception]] = field(factory=list)

    @property
    def identity(self) -> str:
        """The backend's."""
        return identity(self.backend)

    def ask(self, question: Question) -> Answer:
        """What was said before, else the backend's answer."""
        if self.said and self.said[0][0] == question:
            _, before = self.said.pop(0)
            if isinstance(before, Exception):
                raise before
            return before
        return self.backend.ask(question)


@define
class _Recording:
    """Keeps what a backend says."""

    backend: VLM | LLM
    said: list[tuple[Question, Answer | Exception]] = field(factory=list)

    @property
    def identity(self) -> str:
        return identity(self.backend)

    def ask(self, question: Question) -> Answer:
        try:
            answer = self.backend.ask(question)
        except Exception as error:
            self.said.append((question, error))
            raise
        self.said.append((question, answer))
        return answer


def preflight(loop: Loop, scenario: Scenario) -> Loop:
    """Predict and compose once; gives the same loop, which does not ask for these again.

    Raises:
        PhyrefineError: The VLM or the LLM cannot be used.
    """
    vlm, llm = _Recording(loop.vlm), _Recording(loop.llm)
    trial = evolve(loop, vlm=vlm, llm=llm)
    try:
        trial.compose(trial.predict(scenario), scenario)
    except BudgetExceededError:
        return loop  # the loop will say so, with what is finished by then
    return evolve(
        loop,
        vlm=AskedBefore(loop.vlm, vlm.said),
        llm=AskedBefore(loop.llm, llm.said),
    )
