"""What happens to one scenario: backends wrapped, attempts made, the answer chosen and kept."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import define, evolve, field

from phyrefine.errors import InvalidInputError, PhyrefineError
from phyrefine.protocols import VLM, Listener, Store, VideoGenerator, identity
from phyrefine.refine import dialects, prompts
from phyrefine.refine.dialects import wording
from phyrefine.refine.loop import Loop
from phyrefine.run.endings import ended_by, reason, stopped_by, where
from phyrefine.run.error_translation import (
    ErrorTranslatingAsker,
    ErrorTranslatingGenerator,
    is_a_bug,
    name_of,
    ours,
)
from phyrefine.run.journal import notify, placed
from phyrefine.run.many import Outcome
from phyrefine.run.replay import finals_begin, moved
from phyrefine.run.results import folder_name
from phyrefine.run.runner import Run
from phyrefine.run.search.drafting import DraftCheck, DraftGenerator, compare_drafts
from phyrefine.run.search.recording import Search, with_records
from phyrefine.run.sessions.batches import with_batches
from phyrefine.run.sessions.disclaimers import disclaimers_of
from phyrefine.run.sessions.finals import drafts_checked, render_finals
from phyrefine.run.sessions.log_events import EventLog
from phyrefine.run.sessions.preflight import preflight
from phyrefine.run.sessions.rewording import RewordingGenerator, as_rendered
from phyrefine.run.sessions.setup import Setup
from phyrefine.run.spec import RunSpec
from phyrefine.run.store.store import MemoryStore
from phyrefine.run.store.stored import BatchLimit, StoredGenerator
from phyrefine.run.wrappers import wrap_asker, wrap_generator
from phyrefine.select.agreement.consensus import Consensus
from phyrefine.select.combining.controls import with_controls
from phyrefine.select.models import with_models
from phyrefine.select.simple import CriticsPick
from phyrefine.types import Attempt, Candidates, Choice, Prompt, Refinement, Scenario, Usage

log = logging.getLogger(__name__)


@define
class Session:
    """One use of a run: wrapped backends and what is done with them.

    Attributes:
        setup: What was asked for.
        run: Store, journal and meter.
        spec: What the run is held to; listeners of the user's hear of it.
        in_progress: Attempts finished so far, by the scenario's number in this session.
        closed: Set when nobody waits for the results any more; nothing is written then.
    """

    setup: Setup
    run: Run
    spec: RunSpec | None = None
    in_progress: dict[int, list[Attempt]] = field(factory=dict, init=False)
    closed: bool = field(default=False, init=False)
    searches: list[Search] = field(factory=list, init=False, repr=False)
    stored: list[StoredGenerator] = field(factory=list, init=False, repr=False)
    limits: dict[str, BatchLimit] = field(factory=dict, init=False, repr=False)
    _unnamed: MemoryStore = field(factory=MemoryStore, init=False, repr=False)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """The run's, the log and the user's."""
        return (*self.run.listeners, EventLog(), *self.setup.listeners)

    def wrap(self, vlm: VLM) -> VLM:
        """A VLM or an LLM with store, limits and meter around it."""
        setup = self.setup
        return wrap_asker(
            vlm,
            store=self._store_of(vlm),
            meter=self.run.meter,
            max_concurrency=setup.max_concurrency,
            listeners=self.listeners,
            timeout=setup.call_timeout,
            json_prompts=dialects.find(setup.generators[0].profile.dialect).kind == "json",
        )

    def assets(self) -> contextlib.AbstractContextManager[None]:
        """Within the block, judges and scorers use the method's own prompts as well."""
        return prompts.using(self.setup.method.prompts, self.setup.method.knowledge)

    def _store_of(self, backend: object) -> Store:
        """In memory, what cannot be told from another model is kept for this session only."""
        kept_long = not isinstance(self.run.store, MemoryStore) or " at 0x" not in identity(backend)
        return self.run.store if kept_long else self._unnamed

    def loops(self, *, full: bool = False) -> tuple[Loop, ...]:
        """One loop per step count when each has a chain of its own, else one for all.

        Args:
            full: On the full setting also where loops make drafts.
        """
        setup, asked = self.setup, self.setup.candidates
        chains = (
            [evolve(asked, steps=(steps,)) for steps in asked.steps]
            if asked.chain == "own"
            else [asked]
        )
        first = setup.generators[0]
        vlm = ErrorTranslatingAsker(self.wrap(setup.vlm), f"VLM {name_of(setup.vlm)}")
        llm = ErrorTranslatingAsker(self.wrap(setup.llm), f"LLM {name_of(setup.llm)}")
        wrapped = self._wrapped(setup.generators)
        if setup.draft is not None and not full:
            own = setup.draft.generator
            cheap = wrapped if own is None else self._wrapped([own])
            wrapped = DraftGenerator(cheap, setup.draft)
        told = ErrorTranslatingGenerator(wrapped, f"video generator {name_of(first)}")
        generator = RewordingGenerator(told, llm)
        scorers = tuple(with_models(scorer, self.wrap) for scorer in setup.scorers)
        enough = with_models(setup.enough, self.wrap)
        count = wording.token_counter(first)
        return tuple(
            Loop(
                vlm,
                llm,
                generator,
                setup.convergence,
                chain,
                setup.method,
                scorers,
                enough,
                count,
                setup.find_cuts,
            )
            for chain in chains
        )

    def _wrapped(self, generators: Sequence[Any]) -> VideoGenerator:
        """Generators with store, slots and meter around them.

        Of a search, what it is made of is wrapped and not the whole: every chunk and answer of it
        is kept and counted by itself.
        """
        first = generators[0]
        if isinstance(first, Search):
            inner = self._wrapped([one.generator for one in generators])
            search = first.with_parts(inner, self.wrap)
            self.searches.append(search)
            return search
        wrapped = wrap_generator(
            generators,
            store=self._store_of(first),
            meter=self.run.meter,
            listeners=self.listeners,
            timeout=self.setup.clip_timeout,
            journal=self.run.listeners,
            limit=self.limits.setdefault(identity(first), BatchLimit()),
        )
        self.stored.append(wrapped)
        return wrapped

    def plan(self, scenarios: Sequence[Scenario]) -> None:
        """Note in the journal what is asked for, so that one can see how much is left."""
        names = {folder_name(one): one.name for one in scenarios}
        notify(self.run.listeners, "planned", {"scenarios": names})

    # -- attempts ------------------------------------------------------------------------------

    def attempts(self, scenario: Scenario) -> Iterator[Attempt]:
        """Every attempt as it is finished, the plain description's first.

        Raises:
            PhyrefineError: A backend failed, or the budget is spent.
        """
        name = folder_name(scenario)
        place = {"scenario": scenario.name or name, "scenario_id": name}
        with placed(**place):
            notify((*self.run.listeners, EventLog()), "started", {})
            told = {"run_dir": self.run.folder, "spec": self.spec}
            notify(self.setup.listeners, "started", told)
        for position, attempt in enumerate(self._attempts(scenario, place)):
            with placed(**place, position=position):
                notify(self.listeners, "attempt", {"attempt": attempt})
            yield attempt

    def _attempts(self, scenario: Scenario, place: dict[str, str]) -> Iterator[Attempt]:
        first, *others = self.loops()
        with self.run.meter.tally() as opening, placed(**place, position=0):
            try:
                first = preflight(first, scenario)
            except Exception as error:
                error.add_note(where(None, scenario))
                raise
        made = 0
        parts = [first.iterate(scenario), *(loop.iterate(scenario) for loop in others)]
        if self.setup.baseline:
            whole = evolve(first, candidates=self.setup.candidates)
            parts.insert(0, self._baseline(whole, scenario))
        for part in parts:
            for attempt in self._metered(part, scenario, place, made):
                attempt = self._noted(as_rendered(first.generator, attempt))
                if attempt.index == 1 and opening.usage.calls + opening.usage.saved_calls:
                    attempt = evolve(attempt, usage=attempt.usage + opening.usage)
                    opening.usage = Usage()
                made += 1
                yield attempt

    def render(
        self, scenario: Scenario, prompt: Prompt, candidates: Candidates | None = None
    ) -> Attempt:
        """Clips of a prompt that is given, through store and budget; no VLM or LLM is asked.

        Raises:
            PhyrefineError: The generator failed, or the budget is spent.
        """
        takes = candidates or self.setup.candidates
        loop = evolve(self.loops(full=True)[0], candidates=takes, enough=None)
        with self.run.meter.tally() as tally:
            made = loop.generate(prompt, scenario)
        return self._noted(Attempt(0, prompt, made, usage=tally.usage))

    def _noted(self, attempt: Attempt) -> Attempt:
        """With what wrappers know of how its clips were made."""
        return with_batches(self.stored, with_records(self.searches, attempt))

    def _baseline(self, loop: Loop, scenario: Scenario) -> Iterator[Attempt]:
        prompt = Prompt(scenario.description)
        attempt = Attempt(0, prompt, loop.generate(prompt, scenario), baseline=True)
        try:
            watched = loop.watch(attempt, scenario)
            scores = loop.score(attempt.clip, scenario)
        except (Exception, KeyboardInterrupt):
            yield attempt  # the clip is finished work
            raise
        yield evolve(watched, scores=scores)

    def _metered(
        self, attempts: Iterator[Attempt], scenario: Scenario, place: dict[str, str], made: int
    ) -> Iterator[Attempt]:
        """Attempts with what each took; an error is told its loop."""
        attempt: Attempt | None = None
        while True:
            try:
                with (
                    self.run.meter.tally() as tally,
                    placed(**place, position=made),
                    self.assets(),
                ):
                    following = next(attempts, None)
            except Exception as error:
                error.add_note(where(attempt, scenario))
                raise
            if following is None:
                return
            attempt = following
            made += 1
            yield evolve(attempt, usage=tally.usage)

    # -- the whole -----------------------------------------------------------------------------

    def refine(
        self, scenario: Scenario, number: int = 0
    ) -> tuple[Refinement, PhyrefineError | KeyboardInterrupt | None]:
        """Everything made, the choice, and what ended it early, if anything did.

        Args:
            scenario: What to continue.
            number: Under which attempts in progress are found.
        """
        made = self.in_progress.setdefault(number, [])
        failure: PhyrefineError | KeyboardInterrupt | None = None
        with self.run.meter.tally() as tally:
            try:
                for attempt in self.attempts(scenario):
                    made.append(attempt)
                made += self._finals(scenario, made)
            except KeyboardInterrupt as interruption:
                failure = interruption
            except Exception as error:
                # A generator that is told to stop within a call may raise an error of its own.
                cancelled = self.run.meter.cancelled
                failure = KeyboardInterrupt(str(error)) if cancelled else ours(error)
                if is_a_bug(failure):
                    log.exception("%s", failure)
            choice = self.choose(scenario, made, failure) if made else None
        return self.finish(scenario, made, choice, failure, tally.usage), failure

    def _finals(self, scenario: Scenario, drafts: Sequence[Attempt]) -> list[Attempt]:
        """The chosen drafts in full; none where no drafts were asked for."""
        draft = self.setup.draft
        if draft is None:
            return []
        chosen = self._choice(scenario, drafts, None)
        loop = self.loops(full=True)[0]
        finals = render_finals(
            loop, scenario, drafts, chosen, count=draft.finals, baseline=self.setup.baseline
        )
        return [with_records(self.searches, one) for one in finals]

    def check_draft(self, scenario: Scenario, clips: int) -> DraftCheck:
        """The first prompt's clips as drafts and as finals, and whether both rank alike."""
        loops = [self.loops()[0], self.loops(full=True)[0]]
        prompt = loops[0].compose(loops[0].predict(scenario), scenario)
        steps, first = self.setup.candidates.steps[0], self.setup.candidates.seeds[0]
        seeds = range(first, first + clips)
        drafts, finals = (
            [one.clip for one in loop.render_each(prompt, scenario, steps=steps, seeds=seeds)]
            for loop in loops
        )
        self.setup.checked.append(compare_drafts(scenario, drafts, finals, Consensus()))
        log.info("%s", self.setup.checked[-1])
        return self.setup.checked[-1]

    def finish(
        self,
        scenario: Scenario,
        made: Sequence[Attempt],
        choice: Choice | None,
        failure: BaseException | None,
        usage: Usage,
    ) -> Refinement:
        """The refinement, saved and told to the listeners."""
        loops = [attempt for attempt in made if not attempt.final]
        setup = self.setup
        backends = (setup.generators[0], setup.vlm, setup.llm, setup.ensemble)
        refinement = Refinement(
            scenario,
            tuple(made),
            choice,
            ended_by(loops) if failure is None else stopped_by(failure),
            reason(loops, failure),
            next((attempt.prediction for attempt in made if attempt.prediction), None),
            usage,
            (*disclaimers_of(backends, scenario), *drafts_checked(self.setup)),
        )
        if not self.closed:
            self.run.save_refinement(refinement)
            name = folder_name(scenario)
            with placed(scenario=scenario.name or name, scenario_id=name):
                notify(self.listeners, "refined", {"refinement": refinement})
        return refinement

    def refinement_of(self, outcome: Outcome[tuple[int, Scenario], Refinement]) -> Refinement:
        """The refinement of one of many; of what is there where it was interrupted or failed."""
        if outcome.result is not None:
            return outcome.result
        (number, scenario), error = outcome.item, outcome.error
        made = list(self.in_progress.get(number, ()))
        usage = sum((attempt.usage for attempt in made), Usage())
        if isinstance(error, KeyboardInterrupt):
            choice = self.choose(scenario, made, error) if made else None
            return self.finish(scenario, made, choice, error, usage)
        log.error("%s failed", scenario.name or scenario.description, exc_info=error)
        why = f"{type(error).__name__}: {error}"
        return Refinement(scenario, tuple(made), None, "error", why, None, usage)

    def choose(
        self,
        scenario: Scenario,
        attempts: Sequence[Attempt],
        failure: BaseException | None = None,
    ) -> Choice:
        """The ensemble's choice; the critic's pick when the ensemble itself cannot go on."""
        name = folder_name(scenario)
        with placed(scenario=scenario.name or name, scenario_id=name):
            begin = finals_begin(attempts)
            competing = attempts[begin:]
            choice = self._choice(scenario, competing, failure)
            choice = moved(with_controls(choice, scenario, competing), begin)
            notify(self.listeners, "chosen", {"choice": choice})
        return choice

    def _choice(
        self, scenario: Scenario, attempts: Sequence[Attempt], failure: BaseException | None
    ) -> Choice:
        kind = type(self.setup.ensemble).__name__
        if isinstance(failure, KeyboardInterrupt):
            return self._critics_pick(scenario, attempts, f"the {kind} was not asked any more")
        try:
            ensemble = with_models(self.setup.ensemble, self.wrap)
            with self.assets():
                choice: Choice = ensemble.choose(scenario, attempts)
        except InvalidInputError:
            raise
        except KeyboardInterrupt:
            return self._critics_pick(scenario, attempts, f"the {kind} was interrupted")
        except Exception as error:  # noqa: BLE001 - a selector of the user's may raise anything
            why = f"the {kind} could not choose: {ours(error)}"
            return self._critics_pick(scenario, attempts, why)
        return choice

    def _critics_pick(self, scenario: Scenario, attempts: Sequence[Attempt], why: str) -> Choice:
        choice = CriticsPick().choose(scenario, attempts)
        return evolve(choice, reason=f"{choice.reason}; {why}")
