"""A backend that never answers in the form it is asked for is an error, not a quiet no-op.

One bad reply of a model is normal: the stage repairs it or goes on without it. But a backend whose
very first reply in a stage cannot be used, nor the reply to the repair question, is not doing its
part, and a run with it would change nothing.
"""

from __future__ import annotations

import threading

from attrs import define, field

from phyrefine.errors import BadOutputError, WrongReplyError
from phyrefine.protocols import LLM, VLM, identity
from phyrefine.refine import replies
from phyrefine.types import Answer, Question

# The first reply, and the one to the repair question.
TRIES = 2


@define
class Record:
    """What a backend's replies were worth so far, by stage; shared by all wrappings of it."""

    used: set[str] = field(factory=set)
    unusable: dict[str, int] = field(factory=dict)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def usable(self, stage: str) -> None:
        """A reply could be read."""
        with self._lock:
            self.used.add(stage)

    def unreadable(self, stage: str) -> bool:
        """A reply could not be read; whether that makes the backend useless in this stage."""
        with self._lock:
            self.unusable[stage] = self.unusable.get(stage, 0) + 1
            return stage not in self.used and self.unusable[stage] >= TRIES


@define
class CheckedAsker:
    """A VLM or an LLM whose first replies in each stage are held against what was asked for.

    Attributes:
        backend: The one that answers.
        name: What a reader knows it by.
        record: What its replies were worth so far.
        json_prompts: The generator takes prompts that are JSON objects with keys of their own.
    """

    backend: VLM | LLM
    name: str
    record: Record = field(factory=Record)
    json_prompts: bool = False

    @property
    def identity(self) -> str:
        """The backend's."""
        return identity(self.backend)

    def ask(self, question: Question) -> Answer:
        """Ask.

        Raises:
            WrongReplyError: Neither the first reply in this stage nor its repair can be used.
        """
        answer = self.backend.ask(question)
        kind = _kind(question)
        try:
            self._read(question, answer)
        except BadOutputError as error:
            if self.record.unreadable(kind):
                raise WrongReplyError.of(
                    self.name, question, repr(answer.text), str(error)
                ) from error
        else:
            self.record.usable(kind)
        return answer

    def _read(self, question: Question, answer: Answer) -> None:
        if not isinstance(answer.text, str):
            raise WrongReplyError.of(self.name, question, f"an Answer with {answer.text!r}")
        replies.check(question, answer.text, json_prompts=self.json_prompts)


def _kind(question: Question) -> str:
    """Stage, and for a judge what it was asked for: a score, a comparison, answers."""
    wanted = sorted((question.schema or {}).get("properties", {}))
    return f"judge {' '.join(wanted)}" if question.stage == "judge" else question.stage
