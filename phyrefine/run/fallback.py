"""A second model for when the first cannot answer."""

from __future__ import annotations

import logging
import threading

from attrs import define, field

from phyrefine.errors import AuthError, BackendError, ModelNotFoundError, QuotaExceededError
from phyrefine.protocols import LLM, VLM, identity
from phyrefine.types import Answer, Question

log = logging.getLogger(__name__)

# Asking again after these costs time and changes nothing within a run.
LASTING = (AuthError, ModelNotFoundError, QuotaExceededError)


@define
class WithFallback:
    """Asks ``primary``, and ``secondary`` where it fails.

    After a fault that lasts (key, quota, unknown model) the primary is not asked again. Stored
    answers of either count before anyone is asked, so that a resumed run repeats what it did.

    Attributes:
        primary: Asked first.
        secondary: Asked when the primary raises a ``BackendError``.
        given_up: Set when the primary is not asked any more; shared by all wrappings.
    """

    primary: VLM | LLM
    secondary: VLM | LLM
    given_up: threading.Event = field(factory=threading.Event, kw_only=True, repr=False)

    @property
    def identity(self) -> str:
        """Both; the store keys on the one that answered."""
        return f"{identity(self.primary)} else {identity(self.secondary)}"

    def ask(self, question: Question) -> Answer:
        """The primary's answer, else the secondary's.

        Raises:
            BackendError: The secondary's fault; a note on it tells the primary's.
        """
        known = self.recall(question)
        if known is not None:
            return known
        if self.given_up.is_set():
            return self.secondary.ask(question)
        try:
            return self.primary.ask(question)
        except BackendError as error:
            first = error
        if isinstance(first, LASTING):
            self.given_up.set()
        log.warning(
            "%s failed (%s: %s); asking %s%s.",
            identity(self.primary),
            type(first).__name__,
            first,
            identity(self.secondary),
            " from now on" if self.given_up.is_set() else "",
        )
        try:
            return self.secondary.ask(question)
        except BackendError as error:
            error.add_note(
                f"{identity(self.primary)} had failed before: {type(first).__name__}: {first}"
            )
            raise error from first

    def recall(self, question: Question) -> Answer | None:
        """A stored answer of either, or ``None``."""
        for backend in (self.primary, self.secondary):
            look = getattr(backend, "recall", None)
            known: Answer | None = look(question) if look is not None else None
            if known is not None:
                return known
        return None
