"""When to stop. Every rule speaks from what has happened, never from ground truth.

A rule looks at the newest attempt and those before it, and gives a :class:`Verdict` with the
values it saw, so that a finished run can be decided again under another policy without a model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from attrs import field, frozen

from phyrefine.protocols import Convergence
from phyrefine.refine.similarity import (
    Opposition,
    cue_imbalance,
    cue_overlap,
    normalize,
    opposition,
)
from phyrefine.types import Attempt, Prompt, Status, Verdict
from phyrefine.types.checks import above, at_least, some, within


def _new_violations(attempt: Attempt) -> int:
    found = attempt.critique.violations if attempt.critique is not None else ()
    return sum(violation.status is Status.NEW for violation in found)


@frozen
class SamePrompt:
    """The paper's rule: p(t+1) is p(t), after normalizing case, spaces and punctuation."""

    def decide(self, history: Sequence[Attempt]) -> Verdict:
        """Compare the revision with the prompt it revises."""
        last = history[-1]
        if last.revision is None:
            return Verdict(False, "same_prompt", "there is no revision to compare")
        same = normalize(last.revision.whole) == normalize(last.prompt.whole)
        left = len(last.critique.violations) if last.critique is not None else 0
        reason = "the prompt did not change" if same else "the prompt changed"
        if same and left:
            # The rewriter rests; the video does not obey yet. Say so instead of calling it solved.
            reason += f", though {left} violation{' remains' if left == 1 else 's remain'}"
        if same and last.revision.notes:
            reason += f" ({'; '.join(last.revision.notes)})"  # kept, not rewritten to the same
        return Verdict(same, "same_prompt", reason)


@frozen
class NearPrompt:
    """The revision says the same in other words, and the critic found nothing new.

    Attributes:
        cues: Share of content words in common from which two prompts may be one.
        unmatched: Content words that only one of them may have without a partner in the other.
    """

    cues: float = field(default=0.7, validator=within(0, 1))
    unmatched: int = field(default=1, validator=at_least(0))

    def near(self, one: Prompt, two: Prompt) -> tuple[bool, str]:
        """Whether two prompts are one, and the values behind it."""
        if len(one.chunks) != len(two.chunks):
            return False, "one has a prompt per chunk"
        pairs = list(zip(one.chunks, two.chunks, strict=True)) or [(one.text, two.text)]
        verdicts = [self._near(*pair) for pair in pairs]
        return next((verdict for verdict in verdicts if not verdict[0]), verdicts[0])

    def _near(self, one: str, two: str) -> tuple[bool, str]:
        overlap, unmatched = cue_overlap(one, two), cue_imbalance(one, two)
        against = opposition(one, two)
        values = f"cue overlap {overlap:.2f}, {unmatched} unmatched"
        if against:
            return False, f"{values}, but they oppose each other in {_oppositions(against)}"
        return overlap >= self.cues and unmatched <= self.unmatched, values

    def decide(self, history: Sequence[Attempt]) -> Verdict:
        """Compare the revision with the prompt it revises."""
        last = history[-1]
        if last.revision is None:
            return Verdict(False, "near_prompt", "there is no revision to compare")
        near, values = self.near(last.revision, last.prompt)
        new = _new_violations(last) if len(history) > 1 else 0
        if near and new:
            return Verdict(False, "near_prompt", f"{values}, but {new} violations are new")
        return Verdict(near, "near_prompt", values)


def _oppositions(against: Opposition) -> str:
    pairs = [f"{one}/{other}" for one, other in against.opposed]
    return ", ".join([*against.negated, *pairs, *against.numbers])


@frozen
class Clean:
    """Nothing is wrong any more, after enough independent looks at a clip that moves.

    One clean verdict is weak evidence: VLM critics miss more than half of all implausible clips.

    Attributes:
        looks: Independent looks needed.
    """

    looks: int = field(default=2, validator=at_least(1))

    def decide(self, history: Sequence[Attempt]) -> Verdict:
        """Look at the newest critique."""
        critique = history[-1].critique
        if critique is None:
            return Verdict(False, "clean", "there is no critique")
        if not critique.clean:
            return Verdict(False, "clean", f"{len(critique.violations)} violations")
        if critique.still:
            return Verdict(False, "clean", "no violation, but the continuation stands still")
        enough = critique.looks >= self.looks
        reason = f"no violation in {critique.looks} of {self.looks} looks"
        if critique.accidental:
            count = len(critique.accidental)
            reason = (
                f"no systematic violation in {critique.looks} watched clips; {count} accidental "
                f"violation{' is' if count == 1 else 's are'} left to the choice"
            )
        return Verdict(enough, "clean", reason)


@frozen
class Patience:
    """A scorer other than the critic has not seen a better clip for some loops.

    Attributes:
        scorer: Name of a score recorded with the attempts.
        loops: Loops without a better score.
        noise: A score counts as better from this margin on; measure it by scoring one clip
            repeatedly.
    """

    scorer: str
    loops: int = field(default=2, validator=at_least(1))
    noise: float = field(default=0.0, validator=within(0))

    def decide(self, history: Sequence[Attempt]) -> Verdict:
        """Count loops since the best score."""
        scores = [attempt.scores.get(self.scorer) for attempt in history]
        best, since = float("-inf"), 0
        for score in scores:
            if score is not None and score > best + self.noise:
                best, since = score, 0
            else:
                since += 1
        if best == float("-inf"):
            return Verdict(False, "patience", f"no score called {self.scorer!r} was recorded")
        reason = f"{since} of {self.loops} loops without a better {self.scorer} than {best:.3g}"
        return Verdict(since >= self.loops, "patience", reason)


@frozen
class Cycle:
    """The revision is a prompt of an earlier loop: going on would repeat it."""

    def decide(self, history: Sequence[Attempt]) -> Verdict:
        """Compare the revision with all prompts before the last."""
        revision = history[-1].revision
        if revision is None:
            return Verdict(False, "cycle", "there is no revision to compare")
        wanted = _fingerprint(revision)
        for attempt in history[:-1]:
            if _fingerprint(attempt.prompt) == wanted:
                return Verdict(True, "cycle", f"the revision is the prompt of loop {attempt.index}")
        return Verdict(False, "cycle", "the revision is no earlier prompt")


def _fingerprint(prompt: Prompt) -> str:
    return hashlib.blake2b(normalize(prompt.whole).encode(), digest_size=8).hexdigest()


@frozen
class Bloat:
    """Prompts keep growing while nothing gets fixed.

    Attributes:
        growth: Words of the revision over words of the first prompt from which it is bloat.
    """

    growth: float = field(default=2.5, validator=above(1))

    def decide(self, history: Sequence[Attempt]) -> Verdict:
        """Compare the revision's length with the first prompt's."""
        last = history[-1]
        if last.revision is None or len(history) < 2:
            return Verdict(False, "bloat", "too early to tell")
        ratio = last.revision.words / max(1, history[0].prompt.words)
        fixed = len(last.critique.fixed) if last.critique is not None else 0
        reason = f"{ratio:.1f} times the first prompt's words, {fixed} violations fixed"
        return Verdict(ratio >= self.growth and not fixed, "bloat", reason)


@frozen
class MaxLoops:
    """A fixed number of loops; the paper reports four.

    Attributes:
        loops: Attempts to make at the most.
    """

    loops: int = field(default=4, validator=at_least(1))

    def decide(self, history: Sequence[Attempt]) -> Verdict:
        """Count attempts."""
        return Verdict(
            len(history) >= self.loops, "max_loops", f"loop {len(history)} of {self.loops}"
        )


@frozen
class AnyOf:
    """Stop as soon as one rule says so; every rule's verdict is recorded.

    Attributes:
        rules: Asked in this order; the first that stops gives the reason.
    """

    rules: tuple[Convergence, ...] = field(validator=some)

    def decide(self, history: Sequence[Attempt]) -> Verdict:
        """Ask every rule."""
        said = tuple(rule.decide(history) for rule in self.rules)
        for verdict in said:
            if verdict.stop:
                return Verdict(True, verdict.rule, verdict.reason, said)
        return Verdict(False, "any_of", "no rule stops", said)


@frozen
class AllOf:
    """Stop when every rule says so.

    Attributes:
        rules: Asked in this order.
    """

    rules: tuple[Convergence, ...] = field(validator=some)

    def decide(self, history: Sequence[Attempt]) -> Verdict:
        """Ask every rule."""
        said = tuple(rule.decide(history) for rule in self.rules)
        stop = all(verdict.stop for verdict in said)
        reason = "; ".join(f"{verdict.rule}: {verdict.reason}" for verdict in said)
        return Verdict(stop, "all_of", reason, said)


def default_policy(loops: int = 4, *, scorer: str | None = None) -> AnyOf:
    """Same or near-equal prompt, clean twice, cycle, bloat, and at most ``loops`` loops.

    Args:
        loops: Attempts at the most.
        scorer: Name of a recorded score; with it, two loops without a better one also stop.
    """
    rules: list[Convergence] = [Clean(), SamePrompt(), NearPrompt(), Cycle(), Bloat()]
    if scorer is not None:
        rules.append(Patience(scorer))
    return AnyOf((*rules, MaxLoops(loops)))


def paper_policy(loops: int = 4) -> AnyOf:
    """The paper's: prompt equality, and no more loops than it reports."""
    return AnyOf((SamePrompt(), MaxLoops(loops)))


def replay(policy: Convergence, attempts: Sequence[Attempt]) -> tuple[Verdict, ...]:
    """What another policy says about a finished run, up to where it would have stopped.

    Args:
        policy: Any policy; scores it needs must have been recorded.
        attempts: Attempts of one loop; baselines are left out.
    """
    verdicts: list[Verdict] = []
    loops = [attempt for attempt in attempts if not attempt.baseline]
    for count in range(1, len(loops) + 1):
        verdicts.append(policy.decide(loops[:count]))
        if verdicts[-1].stop:
            break
    return tuple(verdicts)
