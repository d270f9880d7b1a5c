"""``SelfRefiner``: the loop, its backends, durability and the ensemble, put together."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from attrs import evolve, frozen

from phyrefine.adapt import as_generator, as_llm, as_vlm
from phyrefine.backends.scorers import WEIGHTED
from phyrefine.errors import InvalidInputError, PhyrefineError
from phyrefine.protocols import (
    LLM,
    VLM,
    Convergence,
    Enough,
    Listener,
    PoolScorer,
    Scorer,
    Selector,
    VideoGenerator,
)
from phyrefine.protocols import identity as identity_of
from phyrefine.refine import dialect, prompts
from phyrefine.refine.convergence import MaxLoops, default_policy, paper_policy
from phyrefine.refine.loop import Loop
from phyrefine.refine.stages import PAPER, Method
from phyrefine.run.budget.meter import Meter
from phyrefine.run.budget.prices import PriceTable
from phyrefine.run.cost import ExpectedCost, expected_cost
from phyrefine.run.endings import reason, stopped_by, where
from phyrefine.run.error_translation import (
    ErrorTranslatingAsker,
    ErrorTranslatingGenerator,
    name_of,
    ours,
)
from phyrefine.run.journal import notify
from phyrefine.run.many import Outcome, run_many
from phyrefine.run.runner import Run, open_run
from phyrefine.run.spec import RunSpec
from phyrefine.run.wrappers import wrap_asker, wrap_generator
from phyrefine.select.adaptive import stop_early
from phyrefine.select.combining.controls import with_controls
from phyrefine.select.models import with_models
from phyrefine.select.named import DEFAULT_ENSEMBLE, expected_questions
from phyrefine.select.named import ensemble as named_ensemble
from phyrefine.select.simple import CriticsPick
from phyrefine.types import (
    Attempt,
    Budget,
    Candidates,
    Choice,
    Prompt,
    Refinement,
    Scenario,
)

log = logging.getLogger(__name__)


class SelfRefiner:
    """Makes a video generator obey physics by criticism, without training it.

    Args:
        vlm: Predicts and critiques: an object with ``ask``, a function of one question, or a
            registry name such as ``"gemini:gemini-2.5-pro"``.
        llm: Rewrites; given like ``vlm``.
        generator: Continues the prefix: an object, a function of one shot, or a name such as
            ``"magi:PATH"``.
        convergence: When to stop; :func:`~phyrefine.refine.convergence.default_policy` by default.
        ensemble: Which clip is the answer: a selector, or a rule by name, by default
            ``"consensus+judge"``; see :func:`~phyrefine.select.named.ensemble`.
        candidates: Seeds and step counts each loop generates.
        baseline: Put the plain description's clip into the pool, so that the answer is not worse
            than no refinement by the ensemble's own score.
        run_dir: Folder that keeps everything; the same call again finishes the work and pays for
            nothing twice. Without it the same holds within this object's lifetime only.
        budget: Limits; when one is reached the best so far is returned.
        prices: US dollars per million tokens by model, for costs: ``{"model": {"input": 1.25,
            "output": 10.0}}``.
        listeners: Hear about calls, attempts and the choice.
        scorers: Reference-free scores recorded with each attempt, for ``Patience``; scorers of a
            clip or of a pool.
        enough: Stops adding clips to a prompt early; see
            :class:`~phyrefine.select.adaptive.StopEarly`.
        method: Switches of the method; see :class:`~phyrefine.refine.stages.Method`.
        progress: Show a progress bar.

    Raises:
        UnknownBackendError: A name stands for nothing.
        MissingDependencyError: A named backend's extra is not installed.
    """

    def __init__(
        self,
        vlm: Any,
        llm: Any,
        generator: Any,
        *,
        convergence: Convergence | None = None,
        ensemble: Selector | str = DEFAULT_ENSEMBLE,
        candidates: Candidates | None = None,
        baseline: bool = True,
        run_dir: str | Path | None = None,
        budget: Budget | None = None,
        prices: Mapping[str, Mapping[str, float]] | None = None,
        listeners: Sequence[Listener] = (),
        scorers: Sequence[Scorer | PoolScorer] = (),
        enough: Enough | None = None,
        method: Method | None = None,
        progress: bool = False,
    ) -> None:
        self.vlm: VLM = as_vlm(vlm)
        self.llm: LLM = as_llm(llm)
        self.generator: VideoGenerator = as_generator(generator)
        self.convergence = convergence or default_policy()
        self.ensemble_name = ensemble if isinstance(ensemble, str) else None
        self.ensemble: Selector = (
            named_ensemble(ensemble, self.vlm, more=WEIGHTED)
            if isinstance(ensemble, str)
            else ensemble
        )
        self.candidates = candidates or Candidates()
        self.baseline = baseline
        self.run_dir = Path(run_dir) if run_dir is not None else None
        self.budget = budget
        self.prices = PriceTable(dict(prices)) if prices else PriceTable()
        self.listeners = tuple(listeners)
        self.scorers = tuple(scorers)
        self.enough = enough
        self.method = method or Method()
        self.progress = progress

    @classmethod
    def paper(
        cls,
        vlm: Any,
        llm: Any,
        generator: Any,
        *,
        steps: int | None = 16,
        loops: int = 4,
        **rest: Any,
    ) -> Self:
        """The method verbatim (arXiv 2511.20280).

        The critic sees K and the continuation only, the rewriter the physics text only; the loop
        stops when the prompt stays the same (or after ``loops``, the paper's four); the last video
        is the answer, and the plain description's is not in the pool.

        Args:
            vlm: As the constructor's.
            llm: As the constructor's.
            generator: As the constructor's.
            steps: Denoising steps; the paper reports 16 and 32.
            loops: Attempts at the most.
            **rest: ``run_dir``, ``budget``, ``listeners`` and other arguments that do not change
                the method.
        """
        verbatim: dict[str, Any] = {
            "convergence": paper_policy(loops),
            "ensemble": "last",
            "candidates": Candidates(steps=(steps,)),
            "baseline": False,
            "method": PAPER,
        }
        return cls(vlm, llm, generator, **{**verbatim, **rest})

    @classmethod
    def best_of(
        cls,
        vlm: Any,
        llm: Any,
        generator: Any,
        n: int = 8,
        *,
        seed: int = 0,
        adaptive: bool = False,
        **rest: Any,
    ) -> Self:
        """One prompt, ``n`` clips of it, and the best choice among them; no critic is asked.

        The VLM predicts, the LLM writes the first prompt, and every clip is made from it under
        noise of its own. The plain description's clip is not in the pool.

        Args:
            vlm: As the constructor's.
            llm: As the constructor's.
            generator: As the constructor's.
            n: Clips; with ``adaptive`` at the most.
            seed: Seed of the first clip; the others follow it.
            adaptive: Stop early when no better clip is to be expected, after four at the least.
            **rest: Other arguments of the constructor, such as ``ensemble``.

        Raises:
            InvalidInputError: ``n`` is below 1, or the ensemble cannot say when to stop.
        """
        if n < 1:
            raise InvalidInputError(f"best_of makes at least one clip, not {n!r}.")
        settings: dict[str, Any] = {
            "convergence": MaxLoops(1),
            "candidates": Candidates(seeds=tuple(range(seed, seed + n))),
            "baseline": False,
            "method": Method(criticize=False),
        }
        refiner = cls(vlm, llm, generator, **{**settings, **rest})
        if adaptive and refiner.enough is None:
            refiner.enough = stop_early(refiner.ensemble)
        return refiner

    def cost(self) -> ExpectedCost | None:
        """What one scenario takes at the most; ``None`` when the loop has no greatest length."""
        known = expected_cost(
            self.candidates, self.convergence, self.method, baseline=self.baseline, choosing=None
        )
        if known is None or self.ensemble_name is None:
            return known
        return expected_cost(
            self.candidates,
            self.convergence,
            self.method,
            baseline=self.baseline,
            choosing=expected_questions(self.ensemble_name, known.clips, WEIGHTED),
        )

    # -- doing it ------------------------------------------------------------------------------

    def refine(self, scenario: Scenario) -> Refinement:
        """Run the loop on one scenario and choose the answer.

        Returns:
            Everything made. When one of our own errors ended it, ``stopped_by`` and ``reason``
            say so and what was finished is kept.

        Raises:
            PhyrefineError: Nothing at all was finished.
            RunLockedError: Another process uses ``run_dir``.
            RunMismatchError: ``run_dir`` belongs to another experiment.
        """
        with self._session() as session:
            refinement, error = session.refine(scenario)
        if error is not None and not refinement.attempts:
            raise error
        return refinement

    def iterate(self, scenario: Scenario) -> Iterator[Attempt]:
        """Yield each attempt as it is finished, the plain description's first.

        Raises:
            PhyrefineError: A backend failed, or the budget is spent.
        """
        with self._session() as session:
            yield from session.attempts(scenario)

    def refine_many(
        self, scenarios: Iterable[Scenario], *, workers: int = 1
    ) -> tuple[Refinement, ...]:
        """Refine several scenarios; one that fails never loses the others.

        Args:
            scenarios: In any number; results come in the same order.
            workers: Scenarios under way at once; each device still makes one clip at a time.
        """
        with self._session() as session:
            outcomes = run_many(
                lambda scenario: session.refine(scenario)[0],
                list(scenarios),
                workers=workers,
                cancel=session.run.meter.cancel,
                progress=self.progress,
            )
        return tuple(_refinement_of(outcome) for outcome in outcomes)

    # -- putting it together -------------------------------------------------------------------

    def spec(self) -> RunSpec:
        """What a run folder is held to, without secrets.

        Convergence, ensemble and budget may change from one start to the next: attempts that are
        there are used again, and more are made only if the policy asks for them.
        """
        binding = {
            "candidates": (self.candidates, Candidates()),
            "method": (self.method, Method()),
            "baseline": (self.baseline, True),
        }
        given = {name for name, (value, default) in binding.items() if value != default}
        settings = {name: _words(value) for name, (value, _) in binding.items()}
        return RunSpec(
            args={name: value for name, value in settings.items() if name in given},
            defaults={name: value for name, value in settings.items() if name not in given},
            backends={
                "vlm": identity_of(self.vlm),
                "llm": identity_of(self.llm),
                "generator": identity_of(self.generator),
            },
            prompts=prompts.asset_digests(),
            limits={
                "convergence": _words(self.convergence),
                "ensemble": _words(self.ensemble),
                "enough": _words(self.enough),
                "budget": _words(self.budget),
            },
        )

    @contextlib.contextmanager
    def _session(self) -> Iterator[_Session]:
        meter = Meter(self.budget, prices=self.prices)
        with open_run(self.run_dir, self.spec(), meter=meter) as run:
            yield _Session(self, run)


@frozen
class _Session:
    """One opening of the run folder: wrapped backends and what is done with them."""

    refiner: SelfRefiner
    run: Run

    def wrap(self, vlm: VLM) -> VLM:
        return wrap_asker(vlm, store=self.run.store, meter=self.run.meter, listeners=self.listeners)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        return (*self.run.listeners, *self.refiner.listeners)

    def loops(self) -> tuple[Loop, ...]:
        """One loop per step count when each has a chain of its own, else one for all."""
        refiner, asked = self.refiner, self.refiner.candidates
        chains = (
            [evolve(asked, steps=(steps,)) for steps in asked.steps]
            if asked.chain == "own"
            else [asked]
        )
        vlm = ErrorTranslatingAsker(self.wrap(refiner.vlm), f"VLM {name_of(refiner.vlm)}")
        llm = ErrorTranslatingAsker(self.wrap(refiner.llm), f"LLM {name_of(refiner.llm)}")
        wrapped = wrap_generator(
            refiner.generator,
            store=self.run.store,
            meter=self.run.meter,
            listeners=self.listeners,
        )
        generator = ErrorTranslatingGenerator(
            wrapped, f"video generator {name_of(refiner.generator)}"
        )
        scorers = tuple(with_models(scorer, self.wrap) for scorer in refiner.scorers)
        enough = with_models(refiner.enough, self.wrap)
        count = dialect.token_counter(refiner.generator)
        return tuple(
            Loop(
                vlm,
                llm,
                generator,
                refiner.convergence,
                chain,
                refiner.method,
                scorers,
                enough,
                count,
            )
            for chain in chains
        )

    def attempts(self, scenario: Scenario) -> Iterator[Attempt]:
        loops = self.loops()
        if self.refiner.baseline:
            whole = evolve(loops[0], candidates=self.refiner.candidates)
            yield from self._metered(self._baseline(whole, scenario), scenario)
        for loop in loops:
            yield from self._metered(loop.iterate(scenario), scenario)

    def _baseline(self, loop: Loop, scenario: Scenario) -> Iterator[Attempt]:
        prompt = Prompt(scenario.description)
        attempt = Attempt(0, prompt, loop.generate(prompt, scenario), baseline=True)
        try:
            critique = loop.critique(attempt.clip, scenario, ())
            scores = loop.score(attempt.clip, scenario)
        except Exception:
            yield attempt  # the clip is finished work
            raise
        yield evolve(attempt, critique=critique, scores=scores)

    def _metered(self, attempts: Iterator[Attempt], scenario: Scenario) -> Iterator[Attempt]:
        """Attempts with what each took, told to the listeners; an error is told its loop."""
        attempt: Attempt | None = None
        while True:
            try:
                with self.run.meter.tally() as tally:
                    following = next(attempts, None)
            except Exception as error:
                error.add_note(where(attempt, scenario))
                raise
            if following is None:
                return
            attempt = following
            attempt = evolve(attempt, usage=tally.usage)
            notify(self.listeners, "attempt", {"scenario": scenario.name, "attempt": attempt})
            yield attempt

    def refine(self, scenario: Scenario) -> tuple[Refinement, PhyrefineError | None]:
        made: list[Attempt] = []
        failure: PhyrefineError | None = None
        with self.run.meter.tally() as tally:
            try:
                for attempt in self.attempts(scenario):
                    made.append(attempt)  # noqa: PERF402 - what is there survives an error
            except Exception as error:
                failure = ours(error)
                if failure.__cause__ is not None:
                    log.exception("%s", failure)
            choice = self.choose(scenario, made) if made else None
        refinement = Refinement(
            scenario,
            tuple(made),
            choice,
            "converged" if failure is None else stopped_by(failure),
            reason(made, failure),
            next((attempt.prediction for attempt in made if attempt.prediction), None),
            tally.usage,
        )
        self.run.save_refinement(refinement)
        notify(self.listeners, "refined", {"scenario": scenario.name, "refinement": refinement})
        return refinement, failure

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
        """The ensemble's choice; the critic's pick when the ensemble itself cannot go on."""
        ensemble = with_models(self.refiner.ensemble, self.wrap)
        try:
            choice: Choice = ensemble.choose(scenario, attempts)
        except InvalidInputError:
            raise
        except Exception as error:  # noqa: BLE001 - a selector of the user's may raise anything
            choice = CriticsPick().choose(scenario, attempts)
            reason = (
                f"{choice.reason}; the {type(ensemble).__name__} could not choose: {ours(error)}"
            )
            choice = evolve(choice, reason=reason)
        choice = with_controls(choice, scenario, attempts)
        notify(self.listeners, "chosen", {"scenario": scenario.name, "choice": choice})
        return choice


def _words(value: object) -> str:
    """A value's repr, without what differs between processes."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _refinement_of(outcome: Outcome[Scenario, Refinement]) -> Refinement:
    if outcome.result is not None:
        return outcome.result
    error = outcome.error
    log.error("%s failed", outcome.item.name or outcome.item.description, exc_info=error)
    return Refinement(outcome.item, (), None, "error", f"{type(error).__name__}: {error}")
