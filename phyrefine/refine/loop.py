"""The method (arXiv 2511.20280, Fig. 1), in one short loop."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence

from attrs import evolve, field, frozen

from phyrefine.protocols import (
    LLM,
    VLM,
    Convergence,
    Enough,
    PoolScorer,
    Scorer,
    VideoGenerator,
)
from phyrefine.refine import stages, watching
from phyrefine.refine.asking import UNUSABLE
from phyrefine.refine.dialects import wording
from phyrefine.refine.each_clip import generate_each
from phyrefine.refine.stages import Method
from phyrefine.types import (
    Attempt,
    Candidate,
    Candidates,
    Critique,
    Plan,
    Pool,
    Prediction,
    Prompt,
    Scenario,
    Shot,
    Verdict,
)
from phyrefine.video.checks.cuts import FindCuts, cuts
from phyrefine.video.checks.symptoms import symptoms
from phyrefine.video.clip import Clip
from phyrefine.video.seam import check_seam


@frozen
class Loop:
    """Predict, then generate, critique and rewrite until the policy says stop.

    Attributes:
        vlm: Predicts and critiques.
        llm: Rewrites.
        generator: Continues the prefix.
        convergence: Says when to stop.
        candidates: What each loop generates; the critic watches the first, or several.
        method: Where this goes beyond the paper.
        scorers: Reference-free scores recorded with every attempt, for patience and ensembles. A
            pool scorer is shown the critic's clips of all loops so far.
        enough: Says after each clip of a prompt whether it needs no further ones; ``None`` makes
            every candidate.
        count_tokens: The generator's tokenizer, where it has one to offer.
        find_cuts: Finds where a clip cuts to another shot.
    """

    vlm: VLM
    llm: LLM
    generator: VideoGenerator
    convergence: Convergence
    candidates: Candidates = field(factory=Candidates)
    method: Method = field(factory=Method)
    scorers: Sequence[Scorer | PoolScorer] = ()
    enough: Enough | None = None
    count_tokens: wording.CountTokens | None = None
    find_cuts: FindCuts = cuts

    def iterate(self, scenario: Scenario) -> Iterator[Attempt]:
        """Yield one attempt per loop (paper, Fig. 1)."""
        prediction = self.predict(scenario)  # step 1: P0 = VLM(K, I, V0, D)
        prompt = self.compose(prediction, scenario)  #  p0 = LLM(P0)
        history: tuple[Attempt, ...] = ()
        while True:
            index = len(history) + 1
            made = self.generate(prompt, scenario, index)  # step 2: Vt = VGM(pt, V0)
            attempt = Attempt(index, prompt, made, prediction=prediction)
            if not self.method.criticize:
                yield self.uncriticized(attempt, scenario)
                return
            try:
                attempt = self.watch(attempt, scenario, history)  #      Pt+1 = VLM(K, Vt)
                revision = self.compose(attempt.critique, scenario, prompt)  # pt+1 = LLM(Pt+1)
                scores = self.score(attempt.clip, scenario, history)
            except (Exception, KeyboardInterrupt):
                yield attempt  # the clip is finished work
                raise
            attempt = evolve(attempt, revision=revision, scores=scores)
            history = (*history, attempt)
            verdict = self.convergence.decide(history)  # step 3: stop when pt+1 is pt
            yield evolve(attempt, verdict=verdict)
            if verdict.stop:
                return
            prompt = revision

    def predict(self, scenario: Scenario) -> Prediction | None:
        """P0; ``None`` when the VLM says nothing usable."""
        try:
            return stages.predict(self.vlm, scenario, self.method)
        except UNUSABLE:
            return None

    def compose(
        self,
        source: Prediction | Critique | None,
        scenario: Scenario,
        previous: Prompt | None = None,
    ) -> Prompt:
        """The next prompt; without a source the previous one, or the plain description."""
        if source is None:
            why = ("kept the prompt: the VLM gave nothing usable",)
            return evolve(previous or Prompt(scenario.description), notes=why)
        return stages.compose(
            self.llm,
            source,
            scenario,
            self.generator.profile,
            self.method,
            previous=previous,
            count_tokens=self.count_tokens or wording.token_counter(self.generator),
        )

    def generate(self, prompt: Prompt, scenario: Scenario, loop: int = 0) -> tuple[Candidate, ...]:
        """Every candidate of one prompt: step counts times seeds, the critic's first."""
        made: list[Candidate] = []
        for steps in self.candidates.steps:
            left = list(self.candidates.seeds_of(loop))
            while left:
                # What may turn out to be one too many is not made together with the one before.
                sure = max(1, self._certain - len(made))
                seeds, left = left[:sure], left[sure:]
                for one in self.render_each(prompt, scenario, steps=steps, seeds=seeds):
                    made.append(one)
                    if self._is_enough(Attempt(loop, prompt, tuple(made)), scenario):
                        return tuple(made)
        return tuple(made)

    @property
    def _certain(self) -> int:
        """Clips of a prompt that are made whatever they show."""
        return sys.maxsize if self.enough is None else int(getattr(self.enough, "least", 1))

    def _is_enough(self, attempt: Attempt, scenario: Scenario) -> bool:
        if self.enough is None:
            return False
        return self.enough.decide(Pool.of(scenario, [attempt])).stop

    def render(
        self, prompt: Prompt, scenario: Scenario, *, steps: int | None, seed: int
    ) -> Candidate:
        """One clip, its seam check, and what is odd about it."""
        shot = _shot(prompt, scenario, steps, seed)
        return self._looked_at(self.generator.generate(shot), shot, scenario)

    def render_each(
        self, prompt: Prompt, scenario: Scenario, *, steps: int | None, seeds: Sequence[int]
    ) -> Iterator[Candidate]:
        """As :meth:`render` for several seeds, which a generator that can makes together."""
        shots = [_shot(prompt, scenario, steps, seed) for seed in seeds]
        for shot, clip in zip(shots, generate_each(self.generator, shots), strict=True):
            yield self._looked_at(clip, shot, scenario)

    def _looked_at(self, clip: Clip, shot: Shot, scenario: Scenario) -> Candidate:
        seam = check_seam(
            scenario.prefix, clip, frames=shot.frames, fps=shot.fps, size=scenario.size
        )
        odd = symptoms(clip, frames=shot.frames, fps=shot.fps, find_cuts=self.find_cuts)
        return Candidate(clip, shot.seed, shot.steps, seam, odd)

    def watch(
        self, attempt: Attempt, scenario: Scenario, history: Sequence[Attempt] = ()
    ) -> Attempt:
        """The attempt with its critique: of its first clip, or of several."""
        plan = None if attempt.baseline else attempt.prompt.plan
        watched = attempt.candidates[: self.candidates.watch]
        if len(watched) < 2 or not self.method.criticize:
            return evolve(attempt, critique=self.critique(attempt.clip, scenario, history, plan))
        last = history[-1].critique if history else None
        critique, each = watching.watch(
            self.vlm,
            [one.clip for one in watched],
            scenario,
            self.method,
            earlier=last.violations if last is not None else (),
            plan=plan,
        )
        seen = [evolve(one, seen=said) for one, said in zip(watched, each, strict=True)]
        rest = attempt.candidates[len(watched) :]
        return evolve(attempt, critique=critique, candidates=(*seen, *rest))

    def critique(
        self,
        clip: Clip,
        scenario: Scenario,
        history: Sequence[Attempt],
        plan: Plan | None = None,
    ) -> Critique | None:
        """P(t+1), with the plan's edits; ``None`` if there is no usable answer or no critic."""
        if not self.method.criticize:
            return None
        last = history[-1].critique if history else None
        return stages.critique(
            self.vlm,
            clip,
            scenario,
            self.method,
            earlier=last.violations if last is not None else (),
            plan=plan,
        )

    def uncriticized(self, attempt: Attempt, scenario: Scenario) -> Attempt:
        """The only attempt of a method without a critic."""
        verdict = Verdict(True, "one_prompt", "no critic is asked: there is one prompt")
        return evolve(attempt, scores=self.score(attempt.clip, scenario), verdict=verdict)

    def score(
        self, clip: Clip, scenario: Scenario, history: Sequence[Attempt] = ()
    ) -> dict[str, float]:
        """Reference-free scores by name; a scorer without an opinion gives none."""
        pool = Pool.of_clips(scenario, (*(attempt.clip for attempt in history), clip))
        scores: dict[str, float] = {}
        for scorer in self.scorers:
            if isinstance(scorer, Scorer):
                scores[scorer.name] = scorer.score(scenario, clip)
            else:
                scores[scorer.name] = scorer.score_pool(pool).values[pool.keys[-1]]
        return {name: score for name, score in scores.items() if math.isfinite(score)}


def _shot(prompt: Prompt, scenario: Scenario, steps: int | None, seed: int) -> Shot:
    return Shot(
        Prompt(prompt.text, prompt.negative),
        scenario.prefix,
        seconds=scenario.seconds,
        fps=scenario.fps,
        size=scenario.size,
        seed=seed,
        steps=steps,
        chunk_prompts=prompt.per_chunk,
    )
