"""Models that count what they are asked."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from phyrefine.protocols import identity
from phyrefine.types import Answer, Question, Usage


@define
class Counted:
    """A VLM or LLM whose calls and tokens are added up, answered from a store or not."""

    inner: Any
    usage: Usage = field(factory=Usage)

    @property
    def identity(self) -> str:
        return identity(self.inner)

    @property
    def tokens(self) -> int:
        """Input and output tokens; 0 where the model counts none."""
        return sum(self.usage.tokens.values())

    def ask(self, question: Question) -> Answer:
        answer: Answer = self.inner.ask(question)
        took = Usage(calls=1, tokens=answer.usage.tokens)
        self.usage = self.usage + took
        return answer
