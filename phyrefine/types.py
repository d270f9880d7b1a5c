"""The values that travel between the parts. All frozen; JSON through ``phyrefine.serialize``.

Symbols are the paper's (arXiv 2511.20280): V0 prefix video, D description, P a detailed physics
text, p a prompt, V a generated continuation. Times inside a critique are seconds of the
continuation: 0 is the seam, where the prefix ends.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Literal

from attrs import field, frozen, validators

from phyrefine import _display
from phyrefine.errors import InvalidInputError
from phyrefine.video.clip import Clip
from phyrefine.video.seam import SeamReport

JSON = Any  # what the json module reads and writes
Stage = Literal["predict", "compose", "critique", "judge"]


# -- what the user asks ------------------------------------------------------------------------


class Mode(enum.StrEnum):
    """What a continuation starts from."""

    VIDEO = "v2v"
    IMAGE = "i2v"
    TEXT = "t2v"


@frozen
class Scenario:
    """One thing to continue.

    Attributes:
        description: D, one line about the scene.
        prefix: V0. Several frames make it video-to-video, one frame image-to-video, ``None``
            text-to-video.
        seconds: Length of the continuation.
        fps: Delivered frames per second; by default the prefix's, or 24.
        size: Delivered (height, width) in pixels; by default the prefix's, or the generator's.
        name: Name in reports and folders.
    """

    description: str = field(validator=validators.min_len(1))
    prefix: Clip | None = None
    seconds: float = field(default=5.0, validator=validators.gt(0), kw_only=True)
    fps: float = field(kw_only=True, validator=validators.gt(0))
    size: tuple[int, int] | None = field(kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    @fps.default
    def _default_fps(self) -> float:
        return self.prefix.fps if self.prefix is not None and len(self.prefix) > 1 else 24.0

    @size.default
    def _default_size(self) -> tuple[int, int] | None:
        return self.prefix.size if self.prefix is not None else None

    @property
    def mode(self) -> Mode:
        """Whether a video, an image or only text conditions the model."""
        if self.prefix is None:
            return Mode.TEXT
        return Mode.VIDEO if len(self.prefix) > 1 else Mode.IMAGE

    @property
    def frames(self) -> int:
        """Frames to deliver: exactly ``seconds x fps``, rounded."""
        return max(1, round(self.seconds * self.fps))


# -- what goes to a VLM or an LLM --------------------------------------------------------------


@frozen
class Question:
    """One call of a VLM or an LLM.

    Attributes:
        stage: Which step of the method asks.
        text: The user message.
        instruction: The system message (I and K).
        clips: Videos to watch, in order; an LLM gets none.
        labels: What each clip is, as the text names it; as many as ``clips``, or none.
        seam: Seconds into ``clips[0]`` at which the generated part begins, if it has one.
        schema: JSON schema the reply must satisfy; ``None`` for plain text.
        sample: 0 for the first look, 1, 2, ... for independent repetitions of it.
    """

    stage: Stage
    text: str
    instruction: str = ""
    clips: tuple[Clip, ...] = ()
    labels: tuple[str, ...] = ()
    seam: float | None = None
    schema: Mapping[str, JSON] | None = None
    sample: int = 0


@frozen
class Usage:
    """What calls took. Add them up with ``+``.

    Attributes:
        calls: Calls that reached a backend.
        tokens: Counts by kind: ``input``, ``output``, ``thinking``, ``cached``. Kinds a service
            does not report are absent.
        seconds: Wall time inside backends.
        gpu_seconds: Wall time inside video generators.
        usd: Cost in US dollars; ``None`` when any part of it is unknown.
        saved_calls: Calls answered from the store instead of a backend.
    """

    calls: int = 0
    tokens: Mapping[str, int] = field(factory=dict)
    seconds: float = 0.0
    gpu_seconds: float = 0.0
    usd: float | None = 0.0
    saved_calls: int = 0

    def __add__(self, other: Usage) -> Usage:
        kinds = {**self.tokens, **other.tokens}
        known = self.usd is not None and other.usd is not None
        return Usage(
            calls=self.calls + other.calls,
            tokens={kind: self.tokens.get(kind, 0) + other.tokens.get(kind, 0) for kind in kinds},
            seconds=self.seconds + other.seconds,
            gpu_seconds=self.gpu_seconds + other.gpu_seconds,
            usd=self.usd + other.usd if known else None,  # type: ignore[operator]
            saved_calls=self.saved_calls + other.saved_calls,
        )


@frozen
class Answer:
    """What a VLM or an LLM said.

    Attributes:
        text: The reply, as it came.
        model: The model that answered, which may differ from the one asked.
        usage: What the call took.
        finish: Why it ended: ``stop``, ``length``, or the service's own word.
    """

    text: str
    model: str | None = None
    usage: Usage = field(factory=Usage)
    finish: str = "stop"


# -- prompts and physics texts -----------------------------------------------------------------


@frozen
class Prompt:
    """p: what the video model reads.

    Attributes:
        text: In the generator's dialect; JSON dialects carry JSON text.
        negative: What to avoid, for generators that take it.
        notes: What happened while it was written: a cut, a refusal. Not compared.
    """

    text: str
    negative: str | None = None
    notes: tuple[str, ...] = field(default=(), eq=False)

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
    """

    text: str
    events: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


class Status(enum.StrEnum):
    """A violation against the loop before."""

    NEW = "new"
    PERSISTING = "persisting"
    FIXED = "fixed"


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
    """

    law: str
    what: str
    start: float | None = None
    end: float | None = None
    where: str = ""
    severity: float = field(default=0.5, validator=[validators.ge(0), validators.le(1)])
    confidence: float = field(default=0.5, validator=[validators.ge(0), validators.le(1)])
    status: Status = Status.NEW


@frozen
class Critique:
    """P(t+1): what breaks physics in V(t), and the corrected description (paper, step 2).

    Attributes:
        text: The corrected description the rewriter works from.
        violations: What is broken now: new and persisting.
        fixed: What the loop before broke and this one does not.
        looks: Independent looks behind the verdict. A clean verdict counts from two on.
        still: The continuation hardly moves though the prefix does; praise of it means little.
        notes: What happened while it was written. Not compared.
    """

    text: str
    violations: tuple[Violation, ...] = ()
    fixed: tuple[Violation, ...] = ()
    looks: int = 1
    still: bool = False
    notes: tuple[str, ...] = field(default=(), eq=False)

    @property
    def clean(self) -> bool:
        """Nothing found wrong."""
        return not self.violations

    @property
    def severity(self) -> float:
        """Sum of severity times confidence over the violations; 0 is best."""
        return sum(found.severity * found.confidence for found in self.violations)


# -- what goes to a video generator ------------------------------------------------------------


@frozen
class FrameGrid:
    """Frame counts a model makes: ``multiple x k + offset``, within bounds.

    Attributes:
        multiple: Step of the grid.
        offset: Remainder.
        most: Longest clip in one pass; ``None`` for no limit.
        least: Shortest clip worth asking for.
    """

    multiple: int = 1
    offset: int = 0
    most: int | None = None
    least: int = 1

    def up(self, frames: int) -> int:
        """The smallest count of the grid that holds ``frames``, capped at ``most``."""
        steps = -(-(max(frames, self.least) - self.offset) // self.multiple)
        count = steps * self.multiple + self.offset
        return count if self.most is None else min(count, self.most)


@frozen
class GeneratorProfile:
    """What a video generator can do, as data.

    Attributes:
        name: Model's name for reports.
        fps: Native rate; ``None`` if any.
        size: Native (height, width); ``None`` if any.
        size_multiple: Height and width must be divisible by this.
        grid: Frame counts it makes in one pass.
        context_frames: Frames of the prefix it truly uses, at its own rate; 0 for text only,
            ``None`` for all of them.
        prompt_style: ``prose``, ``json`` (structured text) or ``timed`` (time-stamped sentences).
        prompt_tokens: Longest prompt in the model's tokens; ``None`` for no limit.
        prompt_words: Longest prompt in words, stated to the rewriter; ``None`` for no limit.
        negative_prompt: Whether it takes a negative prompt.
        streaming: Whether it offers ``stream``.
        default_steps: Denoising steps when the caller asks for none.
    """

    name: str
    fps: float | None = None
    size: tuple[int, int] | None = None
    size_multiple: int = 1
    grid: FrameGrid = FrameGrid()
    context_frames: int | None = None
    prompt_style: Literal["prose", "json", "timed"] = "prose"
    prompt_tokens: int | None = None
    prompt_words: int | None = None
    negative_prompt: bool = False
    streaming: bool = False
    default_steps: int | None = None


@frozen
class Shot:
    """One call of a video generator.

    Attributes:
        prompt: p.
        prefix: V0, whole; the generator takes what it can use, from its end.
        seconds: Length of the continuation.
        fps: Delivered rate.
        size: Delivered (height, width); ``None`` lets the generator choose.
        seed: Noise is drawn from it on the CPU, so that it means the same on every device.
        steps: Denoising steps; ``None`` for the generator's default.
        accepted: Finished chunks of this very continuation, in order, native frames; the
            generator goes on after them and spends nothing on them.
        state: What the generator needs to go on, as it gave it out with the last chunk.
        chunk_prompts: A prompt for each chunk; empty uses ``prompt`` for all.
        chunk_seeds: A seed for each chunk; empty derives them from ``seed``.
        options: Generator-specific settings, JSON values only.
    """

    prompt: Prompt
    prefix: Clip | None = None
    seconds: float = field(default=5.0, validator=validators.gt(0))
    fps: float = field(default=24.0, validator=validators.gt(0))
    size: tuple[int, int] | None = None
    seed: int = 0
    steps: int | None = None
    accepted: tuple[Clip, ...] = ()
    state: bytes | None = None
    chunk_prompts: tuple[Prompt, ...] = ()
    chunk_seeds: tuple[int, ...] = ()
    options: Mapping[str, JSON] = field(factory=dict)

    @property
    def frames(self) -> int:
        """Frames to deliver: exactly ``seconds x fps``, rounded."""
        return max(1, round(self.seconds * self.fps))


@frozen
class Chunk:
    """One finished piece of a streamed continuation.

    Attributes:
        clip: The new native frames only.
        state: Opaque bytes to put into ``Shot.state`` to go on after this chunk.
    """

    clip: Clip
    state: bytes | None = None


# -- what the loop yields ----------------------------------------------------------------------


@frozen
class Candidate:
    """One clip made in a loop.

    Attributes:
        clip: The continuation as delivered; its ``native`` holds the model's own frames.
        seed: Seed it was drawn from.
        steps: Denoising steps; ``None`` for the generator's default.
        seam: How it joins the prefix.
    """

    clip: Clip
    seed: int = 0
    steps: int | None = None
    seam: SeamReport | None = None


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


@frozen
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

    @property
    def clip(self) -> Clip:
        """The clip the critic saw."""
        return self.candidates[0].clip

    def _repr_html_(self) -> str:
        return _display.html(self)


@frozen
class Pick:
    """A clip in the pool: attempt and candidate by position."""

    attempt: int
    candidate: int = 0


@frozen
class Choice:
    """What an ensemble chose, and why.

    Attributes:
        pick: The winner.
        selector: Which ensemble chose.
        reason: In words.
        scores: Score of each clip in the pool, higher is better; empty if it gives none.
        oracle: It saw ground truth, so the result is a bound, not a method.
        noise: Spread of repeated scores of the same clip, where measured.
    """

    pick: Pick
    selector: str
    reason: str
    scores: Mapping[str, float] = field(factory=dict)
    oracle: bool = False
    noise: float | None = None


@frozen
class Refinement:
    """What a refine() gives back; always whole, whatever stopped it.

    Attributes:
        scenario: What was asked.
        attempts: Every loop, in order, with every clip made.
        choice: The ensemble's choice; ``None`` only when there is no attempt.
        stopped_by: ``converged``, or the short name of what ended it: ``budget``,
            ``rate_limit``, ``error``, ``interrupted``.
        reason: In words.
        prediction: P0; ``None`` if the prediction failed.
        usage: What it all took.
    """

    scenario: Scenario
    attempts: tuple[Attempt, ...]
    choice: Choice | None = None
    stopped_by: str = "converged"
    reason: str = ""
    prediction: Prediction | None = None
    usage: Usage = field(factory=Usage)

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

    def _repr_html_(self) -> str:
        return _display.html(self)


def pick_key(pick: Pick) -> str:
    """``"attempt.candidate"``, the key of ``Choice.scores``."""
    return f"{pick.attempt}.{pick.candidate}"


# -- how a run is asked for --------------------------------------------------------------------


@frozen
class Budget:
    """Limits of a run; ``None`` is no limit. Checked before and after every call.

    Attributes:
        usd: US dollars.
        tokens: Tokens of all kinds.
        gpu_seconds: Seconds inside video generators.
        wall_seconds: Seconds since the run began.
        calls: Calls of any backend.
    """

    usd: float | None = None
    tokens: int | None = None
    gpu_seconds: float | None = None
    wall_seconds: float | None = None
    calls: int | None = None


@frozen
class Candidates:
    """What each loop generates.

    Attributes:
        steps: Denoising steps to try; ``None`` inside is the generator's default.
        seeds: Seeds to try. The same in every loop, so that only the prompt changes.
        chain: ``"own"``: every step count has its own loop, whose critic watches its own clips;
            ``"rerender"``: one loop at ``steps[0]``, the other clips re-rendered from its
            prompts.
    """

    steps: tuple[int | None, ...] = (None,)
    seeds: tuple[int, ...] = (0,)
    chain: Literal["own", "rerender"] = "rerender"

    def __attrs_post_init__(self) -> None:
        if not self.steps or not self.seeds:
            raise InvalidInputError("Candidates needs at least one step count and one seed.")
