"""Prompts measured with the pipeline's own tokenizer, and what a pipeline says of cut ones."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from attrs import define, field

log = logging.getLogger(__name__)

# Where pipelines keep their first tokenizer; Cosmos 3 calls it differently.
NAMES = ("tokenizer", "text_tokenizer")
# What transformers and diffusers log of long prompts: alarming, and told better by our own line.
FOREIGN = ("longer than the specified maximum", "truncated because", "was truncated")
_TALKERS = ("transformers", "diffusers")


@define(eq=False)
class Tokens:
    """Counts tokens, and warns once of a prompt that will be cut.

    Attributes:
        pipe: A diffusers pipeline.
        name: Name of its family, for messages.
    """

    pipe: Any
    name: str
    _warned: set[str] = field(factory=set, init=False)

    @property
    def tokenizer(self) -> Any:
        """The pipeline's tokenizer, or ``None`` for a pipeline without one."""
        found = (getattr(self.pipe, name, None) for name in NAMES)
        return next((tokenizer for tokenizer in found if callable(tokenizer)), None)

    def count(self, text: str) -> int | None:
        """Tokens of a text with the special ones, or ``None`` without a tokenizer."""
        tokenizer = self.tokenizer
        if tokenizer is None:
            return None
        with quiet():
            return len(tokenizer(text, truncation=False)["input_ids"])

    def warn_of_cut(self, what: str, text: str, most: int | None) -> None:
        """Log a warning when the pipeline will read only the beginning of a text.

        Args:
            what: ``"prompt"`` or ``"negative prompt"``.
            text: The text.
            most: Tokens the pipeline reads; ``None`` where it reads all.
        """
        if most is None or not text or text in self._warned:
            return
        count = self.count(text)
        if count is not None and count > most:
            self._warned.add(text)
            log.warning(
                "The %s has %d tokens; %s reads the first %d. Shorten it.",
                what, count, self.name, most,
            )  # fmt: skip


class _NotOfCuts(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return not any(part in text for part in FOREIGN)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what transformers and diffusers log of long prompts; everything else passes."""
    dropping = _NotOfCuts()
    handlers = [
        handler
        for name in (*_TALKERS, None)
        for handler in (*logging.getLogger(name).handlers, logging.lastResort)
        if handler is not None
    ]
    for handler in handlers:
        handler.addFilter(dropping)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(dropping)
