"""Ask a model and read its reply, with one repair round."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from attrs import evolve

from phyrefine.errors import BadOutputError, BlockedError, RefusedError, TruncatedError
from phyrefine.protocols import LLM, VLM
from phyrefine.refine import prompts
from phyrefine.types import Question

T = TypeVar("T")

# The model spoke, but said nothing that can be used: the loop goes on with what it has.
UNUSABLE = (RefusedError, BlockedError, BadOutputError, TruncatedError)


def ask(asker: VLM | LLM, question: Question, read: Callable[[str], T]) -> T:
    """Ask and read the reply; an unreadable reply is sent back once with what is wrong.

    Raises:
        BadOutputError: The second reply cannot be read either.
    """
    answer = asker.ask(question)
    try:
        return read(answer.text)
    except BadOutputError as error:
        text = prompts.render(
            "repair",
            problems=[str(error)],
            answer=answer.text[:2000],
            question=question.text,
        )
        return read(asker.ask(evolve(question, text=text)).text)
