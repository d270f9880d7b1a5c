"""What was learned about a model from its refusals, kept for all clients that ask it.

A question works on a copy; what it had to change is kept once the changed request was answered.
"""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field

from phyrefine.backends.calling.faults import Reply
from phyrefine.backends.calling.models import LEVELS, is_same_model, nearest_level, substituted
from phyrefine.backends.calling.policy import Fault
from phyrefine.backends.calling.service import Service
from phyrefine.errors import BadRequestError

logger = logging.getLogger(__name__)

# Refusals that name nothing: the schema is what services choke on.
_NAMELESS = re.compile(
    r"\W*(the )?(request (contains|has) an? )?(invalid|bad|malformed) (argument|request|parameter"
    r"|input)s?\W*",
    re.IGNORECASE,
)
THINKING_RETRIES = 4


@define
class Learned:
    """Changes that a model needs.

    Attributes:
        dropped: Parameters it does not take.
        most_tokens: Most output tokens it gives, when it has said so.
        refused: Levels of thinking it does not take.
        budgets: Least and most tokens of thinking, when it has said so.
        extra: Fields of the body it wants.
        models: Models that answered.
    """

    dropped: set[str] = field(factory=set)
    most_tokens: int | None = None
    refused: set[str] = field(factory=set)
    budgets: tuple[int, int] | None = None
    extra: dict[str, Any] = field(factory=dict)
    models: set[str] = field(factory=set)

    def copy(self) -> Learned:
        """For one question."""
        return evolve(
            self, dropped=set(self.dropped), refused=set(self.refused), extra=dict(self.extra)
        )

    def drop(self, name: str) -> bool:
        """Leave a parameter out; ``False`` if it is out already."""
        if name in self.dropped:
            return False
        self.dropped.add(name)
        return True

    def keep(self, used: Learned, service: Service) -> None:
        """Keep what a question that was answered had to change, and say so once."""
        for name in sorted(used.dropped - self.dropped):
            logger.warning("%s does not take %s; it is left out from now on", service.model, name)
        for name in sorted(used.refused - self.refused):
            logger.warning(
                "%s does not think at level %r; the nearest it takes is asked for from now on",
                service.model, name,
            )  # fmt: skip
        if used.most_tokens is not None and used.most_tokens != self.most_tokens:
            logger.warning("%s gives at most %d tokens", service.model, used.most_tokens)
        self.dropped |= used.dropped
        self.refused |= used.refused
        self.extra |= used.extra
        self.most_tokens = used.most_tokens or self.most_tokens
        self.budgets = used.budgets or self.budgets

    def level(self, asked: str, levels: tuple[str, ...] | None) -> str | None:
        """The level to ask for instead of ``asked``; ``None`` when none is left."""
        if asked not in LEVELS or (levels is None and not self.refused):
            return asked
        left = tuple(name for name in levels or LEVELS if name not in self.refused)
        return nearest_level(asked, left) if left else None

    def refuse_level(self, sent: str, said: str) -> bool:
        """Note that a level is refused; ``False`` when thinking as such is."""
        words = set(re.findall(r"[a-z]+", said.lower()))
        listed = words & set(LEVELS) - {sent}
        offered = re.search(
            r"support(ed|s)|valid|one of|allowed|must be|accept", said, re.IGNORECASE
        )
        if sent not in words and not (offered and listed):
            return False
        self.refused.add(sent)
        if offered and listed:
            self.refused |= set(LEVELS) - listed
        return True

    def answered_by(self, model: str | None, service: Service) -> None:
        """Warn once when another model answered than was asked."""
        if model is None or model in self.models:
            return
        self.models.add(model)
        if not is_same_model(service.model, model):
            text = substituted(service.provider, service.model, service.words(model))
            warnings.warn(text, UserWarning, stacklevel=3)


@define
class Room:
    """Most output tokens of one question, and how they change.

    Attributes:
        asked: As the user wants.
        learned: Most the model gives.
        cut: The fault of an answer that the limit cut.
    """

    asked: int
    learned: Learned
    cut: Fault | None = None

    @property
    def now(self) -> int:
        """As sent."""
        return min(self.asked, self.learned.most_tokens or self.asked)

    def seen(self, fault: Fault) -> Fault:
        """A complaint about the limit after a cut answer means that there is no more room."""
        if fault.change != "shorter" or self.cut is None:
            return fault
        if self._lowered(fault.detail) > self.now // 2:
            return fault
        return evolve(self.cut, change=None, retries=0)

    def longer(self, fault: Fault) -> bool:
        """Double it after a cut answer."""
        if self.learned.most_tokens is not None and self.now >= self.learned.most_tokens:
            return False
        self.cut, self.asked = fault, 2 * self.asked
        return True

    def shorter(self, detail: str = "") -> bool:
        """Lower it: to the number in ``detail``, else by half. A bare number is the model's."""
        self.asked = self._lowered(detail)
        if detail.isdigit():
            self.learned.most_tokens = self.asked
        return True

    def _lowered(self, detail: str) -> int:
        named = re.match(r"\d+", detail)
        most = int(named.group()) if named else 0
        return most if 0 < most < self.now else max(1, self.now // 2)


def parameter_fault(reply: Reply, fault: Fault, sent: Mapping[str, str], service: Service) -> Fault:
    """``fault``, or the news that a parameter we sent is not taken.

    Args:
        reply: The error answer.
        fault: What it looks like without a closer look.
        sent: Parameters in the request, each with a pattern that names it.
        service: Who answered.
    """
    text = f"{reply.error.get('param') or ''} {reply.code} {reply.message}"
    plain = type(fault.error) is BadRequestError and fault.change is None
    if not plain and reply.status not in (500, 501):
        return fault
    names = [name for name, pattern in sent.items() if re.search(pattern, text, re.IGNORECASE)]
    if not names and _NAMELESS.fullmatch(reply.message):
        names = [name for name in sent if "schema" in name or name == "json_object"]
    if not names:
        return fault
    message = f"{service.title} does not take {names[0]}: {service.words(reply.message)}."
    error = service.error(BadRequestError, message, status=reply.status)
    retries = THINKING_RETRIES if names[0] == "thinking" else 1
    return Fault(
        error,
        retries=retries,
        change="parameter",
        detail=names[0],
        said=f"{reply.code} {reply.message}",
        usage=fault.usage,
    )


_learned: dict[tuple[str, str, str], Learned] = {}
_lock = threading.Lock()


def learned_of(service: Service) -> Learned:
    """What this process has learned about a model at an endpoint."""
    with _lock:
        key = (service.provider, service.endpoint, service.model)
        return _learned.setdefault(key, Learned())


def forget_learned() -> None:
    """Start afresh, as a new process would."""
    with _lock:
        _learned.clear()
