"""What the loop yields and what a refinement is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from phyrefine import _display, _upward
from phyrefine.errors import InvalidInputError
from phyrefine.types.scenario import Scenario
from phyrefine.types.search import SearchRecord
from phyrefine.types.talk import Usage
from phyrefine.types.texts import Critique, Prediction, Prompt
from phyrefine.video.clip import Clip
from phyrefine.video.seam import SeamReport


@frozen
class Candidate:
    """One clip made in a loop.

    Attributes:
        clip: The continuation as delivered; its ``native`` holds the model's own frames.
        seed: Seed it was drawn from.
        steps: Denoising steps; ``None`` for the generator's default.
        seam: How it joins the prefix.
        notes: What is odd about it: black frames, a frozen ending, less than was asked for.
        search: What a search within the clip did, where there was one.
        seen: What the critic said of this clip alone, where it watches several of a loop.
    """

    clip: Clip
    seed: int = 0
    steps: int | None = None
    seam: SeamReport | None = None
    notes: tuple[str, ...] = ()
    search: SearchRecord | None = None
    seen: Critique | None = None


@frozen
class Verdict:
    """What a convergence policy said after an attempt.

    Attributes:
        stop: Whether the loop ends here.
        rule: Which rule spoke.
        reason: In words, with the values seen.
        parts: What each rule of a composed policy said.
    """

    stop: bool
    rule: str
    reason: str
    parts: tuple[Verdict, ...] = ()


@frozen(repr=False)
class Attempt:
    """One loop of the method (paper, Fig. 1).

    Attributes:
        index: 0 is the plain description's attempt when there is one; loops count from 1.
        prompt: p(t), what the generator read.
        candidates: Clips made from it; the first is the one the critic saw.
        critique: P(t+1); ``None`` when the critic was not asked or failed.
        revision: p(t+1); ``None`` when the loop ended before the rewrite.
        baseline: Made from the plain description, without any refinement.
        prediction: P0, on the first loop's attempt.
        scores: Reference-free scores of the critic's clip by scorer, higher is better.
        verdict: What the convergence policy said after this attempt.
        notes: Things a reader should know: a prompt cut, a rewrite refused.
        usage: What this loop took.
        final: A chosen draft or the plain description, rendered in full; see
            :class:`~phyrefine.run.search.drafting.Draft`.
    """

    index: int
    prompt: Prompt
    candidates: tuple[Candidate, ...]
    critique: Critique | None = None
    revision: Prompt | None = None
    baseline: bool = False
    prediction: Prediction | None = None
    scores: Mapping[str, float] = field(factory=dict)
    verdict: Verdict | None = None
    notes: tuple[str, ...] = ()
    usage: Usage = field(factory=Usage)
    final: bool = False

    @property
    def clip(self) -> Clip:
        """The clip the critic saw."""
        return self.candidates[0].clip

    def __repr__(self) -> str:
        judged = "not judged" if self.critique is None else f"{len(self.critique.violations)} found"
        what = "baseline" if self.baseline else f"loop {self.index}"
        return (
            f"Attempt({what}, {_short(self.prompt.text)!r}, {len(self.candidates)} clips, {judged})"
        )

    def _repr_html_(self) -> str:
        return _display.html(self)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


@frozen
class Pick:
    """A clip in the pool: attempt and candidate by position."""

    attempt: int
    candidate: int = 0


def pick_key(pick: Pick) -> str:
    """``"attempt.candidate"``, the key of ``Choice.scores``."""
    return f"{pick.attempt}.{pick.candidate}"


@frozen
class Choice:
    """What an ensemble chose, and why.

    Attributes:
        pick: The winner.
        selector: Which ensemble chose.
        reason: In words.
        scores: Score of each clip in the pool, higher is better; empty if it gives none.
        oracle: It saw ground truth, so the result is a bound, not a method.
        human: People chose, by rating clips; no method did.
        noise: Spread of repeated scores of the same clip, where measured.
        parts: Scores by scorer, where several were combined; a clip without an opinion is absent.
        controls: Key of the clip that each control takes: ``random``, ``random inside the
            guard``, ``most motion`` and ``least motion``. A rule is useful only where it beats
            them.
    """

    pick: Pick
    selector: str
    reason: str
    scores: Mapping[str, float] = field(factory=dict)
    oracle: bool = False
    noise: float | None = None
    parts: Mapping[str, Mapping[str, float]] = field(factory=dict)
    controls: Mapping[str, str] = field(factory=dict)
    human: bool = False

    @property
    def label(self) -> str:
        """The selector, stamped where it is no automatic one without ground truth."""
        stamp = " (GROUND TRUTH)" if self.oracle else " (HUMAN)" if self.human else ""
        return self.selector + stamp


@frozen(repr=False)
class Refinement:
    """What a refine() gives back; always whole, whatever stopped it.

    Attributes:
        scenario: What was asked.
        attempts: Every loop, in order, with every clip made.
        choice: The ensemble's choice; ``None`` only when there is no attempt.
        stopped_by: What ended it, in a word. A rule of the convergence policy: ``clean``,
            ``same_prompt``, ``near_prompt``, ``patience``, ``cycle``, ``bloat``, ``loop_limit``,
            or the name of a rule of the user's. A fault: ``unusable_replies`` (the prompt stayed
            the same because a reply could not be used), ``auth``, ``quota``, ``rate_limit``,
            ``overloaded``, ``server``, ``connection``, ``timeout``, ``model_not_found``,
            ``out_of_memory``, ``generator_lost``, ``error``. Else ``budget``, ``interrupted``
            (:kbd:`Ctrl-C` or ``cancel()``) or ``unfinished`` (nothing has decided yet).
        reason: In words.
        prediction: P0; ``None`` if the prediction failed.
        usage: What it all took.
        disclaimers: What a reader must know before believing any of it, such as that a backend
            has random weights or was not made for such a scene.
    """

    scenario: Scenario
    attempts: tuple[Attempt, ...]
    choice: Choice | None = None
    stopped_by: str = "unfinished"
    reason: str = ""
    prediction: Prediction | None = None
    usage: Usage = field(factory=Usage)
    disclaimers: tuple[str, ...] = ()

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What the convergence policy said, attempt by attempt."""
        said = (attempt.verdict for attempt in self.attempts)
        return tuple(verdict for verdict in said if verdict is not None)

    @property
    def best(self) -> Attempt:
        """The chosen attempt.

        Raises:
            InvalidInputError: Nothing was finished before the run stopped.
        """
        if self.choice is None:
            raise InvalidInputError(f"No attempt was finished ({self.stopped_by}: {self.reason}).")
        return self.attempts[self.choice.pick.attempt]

    @property
    def video(self) -> Clip:
        """The chosen continuation, as delivered."""
        best = self.best
        assert self.choice is not None
        return best.candidates[self.choice.pick.candidate].clip

    @property
    def prompt(self) -> Prompt:
        """The prompt behind the chosen continuation."""
        return self.best.prompt

    def save(self, folder: str | Path) -> Path:
        """Write everything into a folder of its own: JSON, videos, and every clip lossless.

        Returns:
            The folder; :meth:`load` reads it.

        Raises:
            StoreError: The folder cannot be written.
        """
        return _upward.save(self, folder)

    @staticmethod
    def load(folder: str | Path) -> Refinement:
        """Read what :meth:`save` wrote, or a scenario's folder in a run folder.

        Raises:
            StoreError: A file or a clip is missing or damaged.
        """
        loaded: Refinement = _upward.load(folder)
        return loaded

    def to_frame(self) -> Any:
        """A ``pandas.DataFrame`` with one row per clip.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        rows = _upward.rows(self)
        return _upward.frame(rows, list(rows[0]) if rows else ())

    def __repr__(self) -> str:
        of = self.scenario.name or self.scenario.description
        chosen = None if self.choice is None else pick_key(self.choice.pick)
        return (
            f"Refinement({_short(of)!r}, {len(self.attempts)} attempts, chosen={chosen!r}, "
            f"stopped_by={self.stopped_by!r})"
        )

    def _repr_html_(self) -> str:
        return _display.html(self)
