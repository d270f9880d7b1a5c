"""Drafts: loops and candidates on a cheap setting, finals on the full one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import evolve, field, frozen, validators

from phyrefine.errors import InvalidInputError
from phyrefine.protocols import PoolScorer, VideoGenerator, identity
from phyrefine.refine.each_clip import generate_each
from phyrefine.select.diagnostics import rank_correlation
from phyrefine.select.pool import known
from phyrefine.types import JSON, Attempt, GeneratorProfile, Pick, Pool, Scenario, Shot, pick_key
from phyrefine.video.clip import Clip

# Clips that must be rendered both ways before their order can be compared.
LEAST_CLIPS = 8
# Rank correlation from which drafts are said to rank like finals.
RANKS_ALIKE = 0.5


@frozen
class Draft:
    """A cheap setting for loops and candidates.

    Only what it changes is given. A draft is worth its price only if drafts rank like finals:
    measure that with ``SelfRefiner.check_draft`` before relying on it.

    Attributes:
        generator: Another generator, such as a distilled one; ``None`` takes the full one.
        steps: Denoising steps; ``None`` leaves them.
        size: Delivered (height, width) of the model; drafts are stretched to the asked size.
        options: Generator-specific settings, over the shot's own.
        finals: Drafts that are rendered in full, the best by the ensemble first.
    """

    generator: VideoGenerator | None = None
    steps: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    size: tuple[int, int] | None = None
    options: Mapping[str, JSON] = field(factory=dict)
    finals: int = field(default=1, validator=validators.ge(1))

    def __attrs_post_init__(self) -> None:
        if self.generator is None and not (self.steps or self.size or self.options):
            raise InvalidInputError(
                "A Draft must be cheaper than the final: give steps=, size=, options= or a "
                "generator= of its own."
            )


@frozen
class DraftGenerator:
    """A video generator on a draft's setting.

    Attributes:
        backend: The generator, wrapped.
        draft: What is changed.
    """

    backend: VideoGenerator
    draft: Draft

    @property
    def identity(self) -> str:
        """The generator's and the setting."""
        kept = evolve(self.draft, generator=None) if self._changes else None
        return f"draft({identity(self.backend)}, {kept!r})"

    @property
    def _changes(self) -> bool:
        draft = self.draft
        return bool(draft.steps or draft.size or draft.options)

    @property
    def profile(self) -> GeneratorProfile:
        """The generator's; clips come whole."""
        return evolve(self.backend.profile, streaming=False)

    def generate(self, shot: Shot) -> Clip:
        """The draft, at the size that was asked for."""
        return self._delivered(shot, self.backend.generate(self._asked(shot)))

    def generate_each(self, shots: Sequence[Shot]) -> Iterator[Clip]:
        """The drafts one after another, or in batches."""
        clips = generate_each(self.backend, [self._asked(shot) for shot in shots])
        for shot, clip in zip(shots, clips, strict=True):
            yield self._delivered(shot, clip)

    def _asked(self, shot: Shot) -> Shot:
        draft = self.draft
        return evolve(
            shot,
            steps=draft.steps or shot.steps,
            size=draft.size or shot.size,
            options={**shot.options, **draft.options},
        )

    def _delivered(self, shot: Shot, clip: Clip) -> Clip:
        wanted = shot.size or (shot.prefix.size if shot.prefix is not None else clip.size)
        if clip.size == wanted:
            return clip
        return clip.resize(*wanted, mode="stretch").with_native(clip.as_made)


@frozen
class DraftCheck:
    """Whether drafts rank like finals.

    Attributes:
        clips: Compared, each of them as a draft and as a final of the same prompt and seed.
        scorer: Who scored both.
        correlation: Spearman's, of the scores of drafts and finals; ``None`` where either side
            has no two different scores.
        same_best: The best draft is the best final.
    """

    clips: int
    scorer: str
    correlation: float | None
    same_best: bool

    @property
    def valid(self) -> bool:
        """Enough clips, and their order is much the same."""
        enough = self.clips >= LEAST_CLIPS
        return enough and self.correlation is not None and self.correlation >= RANKS_ALIKE

    def __str__(self) -> str:
        rho = "no two scores differ" if self.correlation is None else f"{self.correlation:.2f}"
        verdict = "rank like" if self.valid else "do not rank like"
        return (
            f"drafts {verdict} finals: rank correlation {rho} of {self.scorer} over {self.clips} "
            f"clips, {'the same' if self.same_best else 'another'} best clip"
        )


def compare_drafts(
    scenario: Scenario, drafts: Sequence[Clip], finals: Sequence[Clip], scorer: PoolScorer
) -> DraftCheck:
    """Score both sides and compare their order.

    Args:
        scenario: What both continue.
        drafts: At least eight.
        finals: Of the same prompts and seeds, in the same order.
        scorer: Scores a pool without ground truth.

    Raises:
        InvalidInputError: Fewer than eight clips, or not as many drafts as finals.
    """
    if len(drafts) != len(finals) or len(drafts) < LEAST_CLIPS:
        raise InvalidInputError(
            f"{len(drafts)} drafts and {len(finals)} finals: compare at least {LEAST_CLIPS} clips, "
            "each rendered both ways."
        )
    pools = [Pool.of_clips(scenario, clips) for clips in (drafts, finals)]
    said = [known(scorer.score_pool(pool).values) for pool in pools]
    keys = [key for key in pools[0].keys if all(key in scores for scores in said)]
    if len(keys) < 2:
        return DraftCheck(len(drafts), scorer.name, None, same_best=False)
    first, second = ([scores[key] for key in keys] for scores in said)
    best = [max(keys, key=lambda key: scores[key]) for scores in said]
    return DraftCheck(
        len(drafts), scorer.name, rank_correlation(first, second), same_best=best[0] == best[1]
    )


def best_drafts(attempts: Sequence[Attempt], pick: Pick, scores: Mapping[str, float],
                count: int) -> tuple[Pick, ...]:  # fmt: skip
    """The chosen draft, and the next by the ensemble's scores where more finals are wanted."""
    picks = [
        Pick(place, number)
        for place, attempt in enumerate(attempts)
        for number in range(len(attempt.candidates))
    ]
    scored = [one for one in picks if pick_key(one) in scores and one != pick]
    scored.sort(key=lambda one: -scores[pick_key(one)])
    return (pick, *scored)[:count]
