"""Backtracking: keep the chunks before the first violation, and make the rest anew."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from attrs import define, evolve, field, frozen, validators

from phyrefine.errors import BackendError, BudgetExceededError
from phyrefine.protocols import LLM, VLM, Selector, identity
from phyrefine.run.search.planted import BAD_RATE, VerifierRates, rates_on_prefix
from phyrefine.run.search.revising import revised
from phyrefine.run.search.searching import ClipSearch
from phyrefine.run.search.verifying import (
    Look,
    Verifier,
    as_verifier,
    first_start,
    score_of,
    with_vlm,
)
from phyrefine.run.search.versions import (
    Version,
    deliver,
    fresh_seed,
    going_on,
)
from phyrefine.select.models import with_models
from phyrefine.types import (
    Attempt,
    Candidate,
    Critique,
    GeneratorProfile,
    SearchRecord,
    SearchTry,
    Shot,
)
from phyrefine.video.clip import Clip

log = logging.getLogger(__name__)


@frozen
class Watched:
    """A whole version and what the verifier said of it; ``None`` if it could not tell."""

    version: Version
    critique: Critique | None

    @property
    def clean(self) -> bool:
        """Nothing found wrong, and it moves."""
        said = self.critique
        return said is not None and said.clean and not said.still

    @property
    def first(self) -> float:
        """Seconds at which the first violation begins."""
        return (first_start(self.critique) if self.critique is not None else None) or 0.0

    def better_than(self, other: Watched) -> bool:
        """Less severe, or as severe and later; never where the verifier could not tell."""
        if self.critique is None:
            return False
        if other.critique is None:
            return True
        mine, others = score_of(self.critique), score_of(other.critique)
        return mine > others or (mine == others and self.first > other.first)


@define
class Backtracking(ClipSearch):
    """A video generator that repairs its clips: the answer is never worse than the plain clip.

    It makes the plain clip and asks the verifier what is wrong. The chunks before the first
    violation stay; those after it are made anew under other noise. The new version takes the old
    one's place only where the verifier finds it better. It stops when nothing is found wrong, or
    when the next try does not fit into ``chunks``.

    A verifier that passes more than about 0.3 of faulty clips makes this worse than choosing among
    whole clips, so its rate is measured on faults planted into the prefix, and recorded.

    Attributes:
        generator: A streaming generator.
        critic: A verifier, or a VLM that the critique stage asks.
        chunks: Chunks made for one clip at the most, the plain clip's included.
        tries: Failed tries at one cut before the next cut is a chunk earlier: a cause lies before
            its effect.
        margin: Seconds before a violation that are made anew too.
        revise: Rewrites the prompt of the new chunks from the critique; ``None`` keeps it.
        each_chunk: Ask after every new chunk and give a try up as soon as it goes wrong no later
            than the version it should replace. Costs more questions and fewer chunks.
        keep: Chooses between the plain clip and the result; ``None`` takes the result, which is
            not worse by the verifier.
        measure: Measure the verifier on planted faults, five questions for each prefix.
        records: What was done, by the digest of the clip.
    """

    critic: Verifier = field(converter=as_verifier)
    chunks: int = field(default=20, validator=validators.ge(1), kw_only=True)
    tries: int = field(default=2, validator=validators.ge(1), kw_only=True)
    margin: float = field(default=0.125, validator=validators.ge(0), kw_only=True)
    revise: LLM | None = field(default=None, kw_only=True)
    each_chunk: bool = field(default=False, kw_only=True)
    keep: Selector | None = field(default=None, kw_only=True)
    measure: bool = field(default=True, kw_only=True)

    @property
    def identity(self) -> str:
        """Everything that changes the clip."""
        revise = identity(self.revise) if self.revise is not None else None
        return (
            f"backtracking({identity(self.generator)}, {identity(self.critic)}, "
            f"{self.chunks}, {self.tries}, {self.margin:g}, {revise}, {self.each_chunk}, "
            f"{identity(self.keep) if self.keep is not None else None})"
        )

    def with_parts(self, generator: Any, wrap: Callable[[VLM], VLM]) -> Backtracking:
        """The same search around another generator, its models wrapped."""
        return evolve(
            self,
            generator=generator,
            critic=with_vlm(self.critic, wrap),
            revise=None if self.revise is None else wrap(self.revise),
            keep=with_models(self.keep, wrap),
        )

    def search(self, shot: Shot) -> tuple[Clip, SearchRecord]:
        """The repaired clip, and how it was repaired."""
        run = _Run(self, shot)
        return run.result(), run.record


@define
class _Run:
    """The search for one shot."""

    search: Backtracking
    shot: Shot
    tried: list[SearchTry] = field(factory=list)
    failures: dict[int, int] = field(factory=dict)
    notes: list[str] = field(factory=list)
    versions: list[Watched] = field(factory=list)
    record: SearchRecord = field(factory=lambda: SearchRecord("backtracking"))

    @property
    def spent(self) -> int:
        return sum(one.chunks for one in self.tried)

    def result(self) -> Clip:
        generator = self.search.generator
        plain = self._plain()
        best, ended, why = plain, "budget", ""
        rates: VerifierRates | None = None
        try:
            plain = best = evolve(plain, critique=self._verify(plain.version))
            self._note(plain, 0, self.shot.seed, len(plain.version.chunks), kept=True)
            if self.search.measure:
                rates = rates_on_prefix(self.search.critic, self.shot)
            best, ended, why = self._repaired(best)
        except (BackendError, BudgetExceededError) as error:
            # The plain clip is finished work: it stands, and the reader is told.
            best = self._best(plain)
            ended, why = type(error).__name__, str(error)
            log.warning("Backtracking ended early: %s", error)
        chosen = self._kept(plain, best)
        self.record = self._recorded(ended, why, rates)
        return deliver(generator, chosen.version)

    def _plain(self) -> Watched:
        version = Version(self.shot)
        for longer in going_on(self.search.generator, version, self.shot.seed):
            version = longer
        return Watched(version, None)

    def _best(self, plain: Watched) -> Watched:
        best = plain
        for one in self.versions:
            best = one if one.better_than(best) else best
        return best

    def _repaired(self, best: Watched) -> tuple[Watched, str, str]:
        number = 0
        while not best.clean:
            if best.critique is None:
                return best, "no_opinion", "the verifier could not tell what is wrong"
            cut = self._cut(best)
            needed = len(best.version.chunks) - cut
            if self.spent + needed > self.search.chunks:
                left = self.search.chunks - self.spent
                why = f"{left} of {self.search.chunks} chunks left, the next try needs {needed}"
                return best, "budget", why
            number += 1
            seed = fresh_seed(self.shot, number)
            made, count, why = self._try(best, cut, seed)
            kept = made is not None and made.better_than(best)
            self._note(made, cut, seed, count, kept=kept, note=why)
            if made is not None:
                self.versions.append(made)
            if kept and made is not None:
                best, self.failures = made, {}
            else:
                self.failures[cut] = self.failures.get(cut, 0) + 1
        return best, "clean", "the verifier finds nothing wrong"

    def _cut(self, best: Watched) -> int:
        """Chunks to keep; earlier, the more often cuts there failed."""
        cut = best.version.cut_before(best.first - self.search.margin)
        while cut > 0 and self.failures.get(cut, 0) >= self.search.tries:
            cut -= 1
        return cut

    def _try(self, best: Watched, cut: int, seed: int) -> tuple[Watched | None, int, str]:
        """A version with a new end, the chunks made, and why it was given up if it was."""
        begun = best.version.kept(cut)
        if self.search.revise is not None and best.critique is not None:
            begun, said = revised(self.search.revise, begun, best.critique, self._profile)
            self.notes += said
        made = begun
        for version in going_on(self.search.generator, begun, seed):
            made = version
            whole = len(made.chunks) >= len(best.version.chunks)
            if self.search.each_chunk and not whole:
                said_now = self._verify(made)
                at = first_start(said_now) if said_now is not None else None
                if at is not None and at <= best.first:
                    return None, len(made.chunks) - cut, f"given up: wrong again at {at:.2g} s"
        return Watched(made, self._verify(made)), len(made.chunks) - cut, ""

    @property
    def _profile(self) -> GeneratorProfile:
        profile: GeneratorProfile = self.search.generator.profile
        return profile

    def _verify(self, version: Version) -> Critique | None:
        return self.search.critic.verify(Look(self.shot, version.joined))

    def _note(
        self,
        made: Watched | None,
        cut: int,
        seed: int,
        chunks: int,
        *,
        kept: bool,
        note: str = "",
    ) -> None:
        said = made.critique if made is not None else None
        self.tried.append(
            SearchTry(
                cut,
                seed,
                chunks,
                len(said.violations) if said is not None else None,
                score_of(said) if said is not None else None,
                first_start(said) if said is not None else None,
                kept,
                note,
            )
        )

    def _kept(self, plain: Watched, best: Watched) -> Watched:
        """Plain or result, by the selector where there is one."""
        keep = self.search.keep
        if keep is None or best is plain:
            return best
        both = (plain, best)
        clips = [deliver(self.search.generator, one.version) for one in both]
        attempts = [
            Attempt(number, self.shot.prompt, (Candidate(clip, self.shot.seed),), one.critique)
            for number, (clip, one) in enumerate(zip(clips, both, strict=True), 1)
        ]
        choice = keep.choose(Look(self.shot, clips[0]).scenario, attempts)
        if choice.pick.attempt == 0:
            self.notes.append(f"the plain clip was kept: {choice.reason}")
        return both[choice.pick.attempt]

    def _recorded(self, ended: str, why: str, rates: VerifierRates | None) -> SearchRecord:
        if rates is not None and rates.false_accept > BAD_RATE:
            self.notes.append(
                f"the verifier passes {rates.false_accept:.0%} of planted faults; above "
                f"{BAD_RATE:.0%} choosing among whole clips does better"
            )
            log.warning("Backtracking: %s.", self.notes[-1])
        return SearchRecord(
            "backtracking",
            tuple(self.tried),
            self.spent,
            ended=ended,
            reason=why,
            false_accept=rates.false_accept if rates is not None else None,
            false_reject=rates.false_reject if rates is not None else None,
            planted=rates.planted if rates is not None else 0,
            notes=tuple(self.notes),
        )
