"""``SelfRefiner``: the loop, its backends, durability and the ensemble, put together."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from attrs import evolve

from phyrefine.adapt import AskFunction, Generators, as_generators, as_llm, as_vlm
from phyrefine.backends.scorers import WEIGHTED
from phyrefine.errors import InvalidInputError, WrongReplyError
from phyrefine.identities import identity
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
from phyrefine.refine.convergence import MaxLoops, default_policy, paper_policy
from phyrefine.refine.stages import PAPER, Method
from phyrefine.run.budget.meter import Meter
from phyrefine.run.budget.prices import PriceTable
from phyrefine.run.cost import ExpectedCost, expected_cost
from phyrefine.run.journal import as_listener, notify
from phyrefine.run.many import Outcome, RunInterrupted, run_many
from phyrefine.run.runner import open_run
from phyrefine.run.search.drafting import LEAST_CLIPS, Draft, DraftCheck
from phyrefine.run.sessions.arguments import check_arguments
from phyrefine.run.sessions.in_thread import in_thread, iterate_in_threads
from phyrefine.run.sessions.running import Running
from phyrefine.run.sessions.session import Session
from phyrefine.run.sessions.setup import Setup
from phyrefine.run.sessions.sharing import SharedRun
from phyrefine.run.spec import RunSpec
from phyrefine.run.store.keys import require_name
from phyrefine.run.store.store import MemoryStore
from phyrefine.run.wrappers import MAX_CONCURRENCY
from phyrefine.select.adaptive import stop_early
from phyrefine.select.named import DEFAULT_ENSEMBLE, expected_questions
from phyrefine.select.named import ensemble as named_ensemble
from phyrefine.types import Attempt, Budget, Candidates, Prompt, Refinement, Scenario
from phyrefine.types.checks import is_whole
from phyrefine.video.checks.cuts import FindCuts, cuts

if TYPE_CHECKING:
    from phyrefine.run.cluster.ray_cluster import RayCluster


class SelfRefiner:
    """Makes a video generator obey physics by criticism, without training it.

    Use it as a context manager, or call :meth:`close`, to close backends that it made from names.
    One object serves several threads at once, also with ``run_dir``.

    Args:
        vlm: Predicts and critiques: an object with ``ask``, a function of one question (``async``
            or not), or a registry name such as ``"gemini:gemini-2.5-pro"``.
        llm: Rewrites; given like ``vlm``.
        generator: Continues the prefix: an object, a function of one shot, a name such as
            ``"magi:PATH"``, or a list of these: the same model on several devices, each of which
            makes one clip at a time.
        convergence: When to stop; :func:`~phyrefine.refine.convergence.default_policy` by default.
        ensemble: Which clip is the answer: a selector, or a rule by name, by default
            ``"consensus"``; see :func:`~phyrefine.select.named.ensemble`.
        candidates: Seeds and step counts each loop generates.
        baseline: Put the plain description's clip into the pool, so that the answer is not worse
            than no refinement by the ensemble's own score.
        run_dir: Folder that keeps everything; the same call again finishes the work and pays for
            nothing twice. Without it the same holds within this object's lifetime, for at most
            1 GiB of clips; what was used longest ago is forgotten first.
        budget: Limits of one call; when one is reached the best so far is returned.
        prices: US dollars per million tokens by model, for costs: ``{"model": {"input": 1.25,
            "output": 10.0}}``.
        listeners: Are notified of calls, attempts and the choice: functions of an event's name and
            its details, or objects with ``on_event``.
        scorers: Reference-free scores recorded with each attempt, for ``Patience``; scorers of a
            clip or of a pool.
        enough: Stops adding clips to a prompt early; see
            :class:`~phyrefine.select.adaptive.StopEarly`.
        method: Switches of the method; see :class:`~phyrefine.refine.stages.Method`.
        progress: Show a progress bar.
        max_concurrency: Calls of one VLM or LLM in progress at once, over all threads.
        call_timeout: Seconds one call of the VLM or the LLM may take. A function of yours that is
            late goes on in the background; its result is discarded.
        clip_timeout: Seconds one clip, or one chunk of a stream, may take.
        draft: A cheap setting for the loops and their candidates; the chosen draft and the plain
            description are then rendered in full, and the ensemble chooses between them. See
            :meth:`check_draft`.
        store: With ``run_dir``, an address such as ``s3://bucket/run`` where everything in its
            store is kept as well, so that another machine can go on.
        find_cuts: Gives the seconds at which a clip cuts to another shot, told with each clip; by
            default from pixels. See :class:`~phyrefine.backends.videos.shots.TransNetV2`.

    Raises:
        UnknownBackendError: A name stands for nothing.
        MissingDependencyError: A named backend's extra is not installed.
        UnnamedError: With ``run_dir``, a backend cannot be told from another one; see
            :func:`~phyrefine.identities.identified`.
    """

    def __init__(
        self,
        vlm: VLM | AskFunction | str,
        llm: LLM | AskFunction | str,
        generator: Generators,
        *,
        convergence: Convergence | None = None,
        ensemble: Selector | str = DEFAULT_ENSEMBLE,
        candidates: Candidates | None = None,
        baseline: bool = True,
        run_dir: str | Path | None = None,
        budget: Budget | None = None,
        prices: Mapping[str, Mapping[str, float]] | None = None,
        listeners: Sequence[Listener | Callable[[str, Mapping[str, Any]], object]] = (),
        scorers: Sequence[Scorer | PoolScorer] = (),
        enough: Enough | None = None,
        method: Method | None = None,
        progress: bool = False,
        max_concurrency: int = MAX_CONCURRENCY,
        call_timeout: float | None = None,
        clip_timeout: float | None = None,
        draft: Draft | None = None,
        find_cuts: FindCuts = cuts,
        store: str | None = None,
    ) -> None:
        check_arguments(
            convergence=convergence, ensemble=ensemble, candidates=candidates, run_dir=run_dir,
            budget=budget, prices=prices, listeners=listeners, scorers=scorers, enough=enough,
            method=method, max_concurrency=max_concurrency, call_timeout=call_timeout,
            clip_timeout=clip_timeout, draft=draft, find_cuts=find_cuts,
        )  # fmt: skip
        self.vlm: VLM = as_vlm(vlm)
        self.llm: LLM = as_llm(llm)
        self.generators = as_generators(generator)
        self._given = generator
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
        self.listeners = tuple(as_listener(listener) for listener in listeners)
        self.scorers = tuple(scorers)
        self.enough = enough
        self.method = method or Method()
        self.progress = progress
        self.max_concurrency = max_concurrency
        self.call_timeout = call_timeout
        self.clip_timeout = clip_timeout
        self.draft = draft
        self.find_cuts = find_cuts
        if store is not None and run_dir is None:
            raise InvalidInputError(f"{store} keeps a run folder as well: pass run_dir too.")
        self.store = store
        self.draft_checks: list[DraftCheck] = []
        named = ((vlm, self.vlm), (llm, self.llm))
        self._made: list[object] = [made for given, made in named if isinstance(given, str)]
        if isinstance(generator, str):
            self._made += self.generators
        self._shared = SharedRun()
        self._memory = MemoryStore()
        self._running = Running(self.generators)

    @property
    def generator(self) -> VideoGenerator:
        """The video generator; the first of several."""
        return self.generators[0]

    @classmethod
    def paper(
        cls,
        vlm: VLM | AskFunction | str,
        llm: LLM | AskFunction | str,
        generator: Generators,
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
        vlm: VLM | AskFunction | str,
        llm: LLM | AskFunction | str,
        generator: Generators,
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
        if not is_whole(n) or n < 1:
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
            Everything made. When an error of ours, :meth:`cancel` or Ctrl-C ended it,
            ``stopped_by`` and ``reason`` say so and what was finished is kept.

        Raises:
            PhyrefineError: Nothing at all was finished.
            WrongReplyError: A backend does not answer in the form it is asked for; what was
                finished is in the error's ``refinement``.
            KeyboardInterrupt: Ctrl-C came before anything was finished.
            RunLockedError: Another process, or another refiner, uses ``run_dir``.
            RunMismatchError: ``run_dir`` belongs to another experiment.
        """
        return self._refine(scenario, self._meter())

    def _refine(self, scenario: Scenario, meter: Meter) -> Refinement:
        with self._session(meter) as session:
            refinement, error = session.refine(scenario)
        if isinstance(error, WrongReplyError):
            error.refinement = refinement
            raise error
        interrupted = isinstance(error, KeyboardInterrupt) and meter.cancelled
        if error is not None and not refinement.attempts and not interrupted:
            raise error
        return refinement

    def iterate(self, scenario: Scenario) -> Iterator[Attempt]:
        """Yield each attempt as it is finished, the plain description's first.

        :meth:`cancel` ends the iteration before the next call.

        Raises:
            PhyrefineError: A backend failed, or the budget is spent.
        """
        return self._iterate(scenario, self._meter())

    def _iterate(self, scenario: Scenario, meter: Meter) -> Iterator[Attempt]:
        with self._session(meter) as session:
            try:
                yield from session.attempts(scenario)
            except (Exception, KeyboardInterrupt):
                if not meter.cancelled:
                    raise

    def render(
        self, scenario: Scenario, prompt: Prompt, *, candidates: Candidates | None = None
    ) -> Attempt:
        """Clips of a prompt of one's own: no VLM or LLM is asked.

        They come from the same store as the loops' clips and count against the same budget.

        Args:
            scenario: What to continue.
            prompt: What the generator reads; chunks' texts go to their chunks.
            candidates: Seeds and step counts; by default the refiner's.

        Raises:
            PhyrefineError: The generator failed, or the budget is spent.
        """
        with self._session(self._meter()) as session:
            return session.render(scenario, prompt, candidates)

    def check_draft(self, scenario: Scenario, clips: int = 8) -> DraftCheck:
        """Whether drafts rank like finals: one prompt's clips both ways, scored by agreement.

        It costs ``clips`` drafts and as many finals; with ``run_dir`` they are kept. The result
        is printed with every later refinement of this object.

        Args:
            scenario: What to continue.
            clips: At least eight.

        Raises:
            InvalidInputError: There is no ``draft``, or too few clips.
            PhyrefineError: A backend failed, or the budget is spent.
        """
        if self.draft is None:
            raise InvalidInputError("There is no draft to check: pass draft=Draft(steps=...).")
        if clips < LEAST_CLIPS:
            raise InvalidInputError(
                f"check_draft compares at least {LEAST_CLIPS} clips, not {clips!r}: fewer say "
                "nothing about an order."
            )
        with self._session(self._meter()) as session:
            return session.check_draft(scenario, clips)

    def refine_many(
        self,
        scenarios: Iterable[Scenario],
        *,
        workers: int | None = None,
        on: RayCluster | None = None,
    ) -> tuple[Refinement, ...]:
        """Refine several scenarios; one that fails never loses the others.

        After Ctrl-C or :meth:`cancel` everything finished by then is returned; scenarios that were
        not finished are ``stopped_by="interrupted"``.

        Args:
            scenarios: In any number; results come in the same order.
            workers: Scenarios in progress at once; as many as there are generators by default, and
                the cluster's ``in_flight`` on a cluster. Each device still makes one clip at a
                time.
            on: Cluster that makes the clips. A generator given by name is loaded there again; give
                ``on.generator(name)`` to the constructor where this machine cannot hold it.

        Raises:
            RunLockedError: Another process, refiner or driver on the cluster uses ``run_dir``.
            RunMismatchError: ``run_dir`` belongs to another experiment.
        """
        items = list(enumerate(scenarios))
        meter = self._meter()
        with self._session(meter, on) as session:
            session.plan([scenario for _, scenario in items])
            try:
                outcomes = run_many(
                    lambda item: session.refine(item[1], item[0])[0],
                    items,
                    workers=self._at_once(workers, on),
                    cancel=meter.cancel,
                    progress=self.progress,
                )
            except RunInterrupted as interruption:
                outcomes = list(interruption.outcomes)
            refined = tuple(session.refinement_of(outcome) for outcome in outcomes)
            session.closed = True
        return refined

    def refine_each(
        self,
        scenarios: Iterable[Scenario | Callable[[], Scenario]],
        done: Callable[[int, Refinement], object],
        *,
        workers: int | None = None,
        on: RayCluster | None = None,
    ) -> list[Outcome[int, object]]:
        """Refine scenarios of which there are too many to keep all results in memory.

        Args:
            scenarios: In any number; a function is called for its scenario when its turn comes.
            done: Called with a scenario's number and its refinement as soon as that is finished,
                in the worker's thread; the refinement is forgotten afterwards.
            workers: As :meth:`refine_many`'s.
            on: As :meth:`refine_many`'s.

        Returns:
            For each scenario, by number, what ``done`` returned, or the error that ``done`` or the
            scenario's function raised. Errors of the refinement itself are in the refinement.

        Raises:
            RunInterrupted: At Ctrl-C, with the outcomes so far.
            RunLockedError: Another process, or another refiner, uses ``run_dir``.
            RunMismatchError: ``run_dir`` belongs to another experiment.
        """
        given = list(scenarios)
        meter = self._meter()

        def work(number: int) -> object:
            one = given[number]
            scenario = one() if callable(one) else one
            try:
                refinement, _ = session.refine(scenario, number)
            finally:
                session.in_progress.pop(number, None)
            return done(number, refinement)

        with self._session(meter, on) as session:
            try:
                return run_many(
                    work,
                    range(len(given)),
                    workers=self._at_once(workers, on),
                    cancel=meter.cancel,
                    progress=self.progress,
                )
            finally:
                session.closed = True

    def _at_once(self, workers: int | None, on: RayCluster | None) -> int:
        if workers is not None:
            return workers
        return len(self.generators) if on is None else on.scenarios

    # -- from asyncio --------------------------------------------------------------------------

    async def arefine(self, scenario: Scenario) -> Refinement:
        """:meth:`refine` for ``async`` code: it runs in a thread of its own.

        When the task is cancelled the run stops before its next call.
        """
        meter = self._meter()
        return await in_thread(
            lambda: self._refine(scenario, meter), lambda: self._running.stop(meter)
        )

    async def aiterate(self, scenario: Scenario) -> AsyncGenerator[Attempt]:
        """:meth:`iterate` for ``async`` code: ``async for attempt in refiner.aiterate(...)``.

        The next attempt begins when it is asked for. When the task is cancelled, or the iteration
        is closed, the run stops before its next call.
        """
        meter = self._meter()
        attempts = self._iterate(scenario, meter)
        async with contextlib.aclosing(
            iterate_in_threads(attempts, lambda: self._running.stop(meter))
        ) as each:
            async for attempt in each:
                yield attempt

    # -- stopping and closing ------------------------------------------------------------------

    def cancel(self) -> None:
        """Stop everything this object is doing, from any thread.

        A call in progress is finished first, unless the generator can stop within one; then
        ``refine`` returns what is finished, with ``stopped_by="interrupted"``. Later calls work.
        """
        self._running.stop()

    def close(self) -> None:
        """Cancel what is in progress and close the backends this object made from names."""
        self.cancel()
        for backend in self._made:
            closing = getattr(backend, "close", None)
            if callable(closing):
                closing()
        self._memory = MemoryStore()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        names = ", ".join(identity(one)[:60] for one in (self.vlm, self.llm, self.generator))
        return f"SelfRefiner({names})"

    def _meter(self) -> Meter:
        return Meter(self.budget, prices=self.prices)

    # -- putting it together -------------------------------------------------------------------

    def spec(self) -> RunSpec:
        """What a run folder is held to, without secrets.

        Convergence, ensemble and budget may change from one start to the next: attempts that are
        there are used again, and more are made only if the policy asks for them.
        """
        return self._setup().spec(self.budget)

    def _setup(self) -> Setup:
        return Setup(
            self.vlm,
            self.llm,
            self.generators,
            self.convergence,
            self.ensemble,
            self.candidates,
            self.baseline,
            self.listeners,
            self.scorers,
            self.enough,
            self.method,
            self.max_concurrency,
            self.call_timeout,
            self.clip_timeout,
            self.draft,
            self.find_cuts,
            self.draft_checks,
        )

    @contextlib.contextmanager
    def _session(self, meter: Meter, on: RayCluster | None = None) -> Iterator[Session]:
        if self.run_dir is not None:
            for backend in (self.vlm, self.llm, *self.generators):
                require_name(backend)
        setup = self._setup()
        if on is not None:
            setup = evolve(setup, generators=(on.generator(self._first_given()),))
        spec = setup.spec(self.budget)
        store = self.store if self.run_dir is not None else self._memory
        opening = lambda: open_run(self.run_dir, spec, store=store)  # noqa: E731
        with self._running.at(meter), self._shared.use(spec, meter, opening) as run:
            session = Session(setup, run, spec)
            if on is None:
                yield session
                return
            with on.guarding(self.run_dir, functools.partial(notify, session.listeners)):
                yield session

    def _first_given(self) -> Any:
        """The generator as it was given, before anything was made of a name."""
        given: Any = self._given
        return given[0] if isinstance(given, list | tuple) else given
