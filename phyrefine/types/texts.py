"""Prompts, predictions and critiques: the texts of the method."""

from __future__ import annotations

import enum

from attrs import field, frozen, validators

from phyrefine.types.checks import a
from phyrefine.types.plan import Plan


@frozen
class Prompt:
    """p: what the video model reads.

    Attributes:
        text: In the generator's dialect; JSON dialects carry JSON text.
        negative: What to avoid, for generators that take it.
        notes: What happened while it was written: a cut, a refusal. Not compared.
        chunks: A text for each chunk of the continuation, for generators that take a prompt per
            chunk; ``text`` is then the whole of it.
        plan: What it says, statement by statement. Not compared.
    """

    text: str = field(validator=a(str))
    negative: str | None = field(default=None, validator=validators.optional(a(str)))
    notes: tuple[str, ...] = field(default=(), eq=False)
    chunks: tuple[str, ...] = ()
    plan: Plan | None = field(default=None, eq=False)

    @property
    def per_chunk(self) -> tuple[Prompt, ...]:
        """One prompt for each chunk, as ``Shot.chunk_prompts`` takes them."""
        return tuple(Prompt(text, self.negative) for text in self.chunks)

    @property
    def whole(self) -> str:
        """Everything a generator reads: the text, or where there are any the chunks' texts."""
        return "\n".join(self.chunks) or self.text

    @property
    def words(self) -> int:
        """Words of the text."""
        return len(self.text.split())

    def __str__(self) -> str:
        return self.text


@frozen
class Prediction:
    """P0: what physics will do, in detail (paper, step 1).

    Attributes:
        text: The whole prediction, in sentences.
        events: Short statements in order of time, each one observable.
        domains: Physics domains the VLM sees at work.
        plan: The same, statement by statement; ``None`` in the verbatim method.
    """

    text: str
    events: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    plan: Plan | None = None


class Status(enum.StrEnum):
    """A violation against the loop before."""

    NEW = "new"
    PERSISTING = "persisting"
    FIXED = "fixed"


class Origin(enum.StrEnum):
    """Whose fault a violation is, where several clips of a prompt were watched."""

    SYSTEMATIC = "systematic"
    ACCIDENTAL = "accidental"


@frozen
class Violation:
    """One break of physics.

    Attributes:
        law: The law that is broken, as K names it.
        what: What one sees.
        start: Seconds of the continuation at which it begins; ``None`` if not stated.
        end: Seconds at which it ends.
        where: Place or object.
        severity: 0 (a blemish) to 1 (impossible).
        confidence: 0 to 1, the critic's own.
        status: Against the violations of the loop before.
        origin: The prompt's fault (most clips show it) or the noise's; ``None`` where only one
            clip was watched.
        shown: Watched clips of the prompt that show it.
    """

    law: str
    what: str
    start: float | None = None
    end: float | None = None
    where: str = ""
    severity: float = field(default=0.5, validator=[validators.ge(0), validators.le(1)])
    confidence: float = field(default=0.5, validator=[validators.ge(0), validators.le(1)])
    status: Status = Status.NEW
    origin: Origin | None = None
    shown: int = 1


@frozen
class Critique:
    """P(t+1): what breaks physics in V(t), and the corrected description (paper, step 2).

    Attributes:
        text: The corrected description the rewriter works from.
        violations: What is broken now: new and persisting. Where several clips were watched, the
            systematic ones.
        fixed: What the loop before broke and this one does not.
        looks: Independent looks behind the verdict. A clean verdict counts from two on.
        still: The continuation hardly moves though the prefix does; praise of it means little.
        notes: What happened while it was written. Not compared.
        plan: The plan of the clip's prompt with the critic's edits; ``None`` without one.
        changes: What the edits changed, in words.
        accidental: What only few of the watched clips show; left to the choice among them.
    """

    text: str
    violations: tuple[Violation, ...] = ()
    fixed: tuple[Violation, ...] = ()
    looks: int = 1
    still: bool = False
    notes: tuple[str, ...] = field(default=(), eq=False)
    plan: Plan | None = None
    changes: tuple[str, ...] = ()
    accidental: tuple[Violation, ...] = ()

    @property
    def clean(self) -> bool:
        """Nothing found wrong."""
        return not self.violations

    @property
    def severity(self) -> float:
        """Sum of severity times confidence over the violations; 0 is best."""
        return sum(found.severity * found.confidence for found in self.violations)
