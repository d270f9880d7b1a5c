"""Chunk search: several versions of every chunk, the best of which goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, evolve, field, frozen, validators

from phyrefine.errors import BudgetExceededError
from phyrefine.protocols import VLM, PoolScorer, identity
from phyrefine.run.search.searching import ClipSearch
from phyrefine.run.search.verifying import Look
from phyrefine.run.search.versions import (
    Version,
    deliver,
    fresh_seed,
    going_on,
)
from phyrefine.select.agreement.consensus import Consensus
from phyrefine.select.models import with_models
from phyrefine.types import GeneratorProfile, Pool, SearchRecord, SearchTry, Shot
from phyrefine.video.clip import Clip


@define
class ChunkSearch(ClipSearch):
    """A video generator that makes several versions of every chunk and goes on from the best.

    Versions are compared by what they hold so far, with ``look_ahead`` further chunks that are
    thrown away again. A clip of K chunks takes up to ``width x beam x (1 + look_ahead) x K``
    chunks.

    Attributes:
        generator: A streaming generator.
        width: Versions of the next chunk for each clip that is begun.
        scorer: Scores the versions as a pool; expected agreement by default.
        beam: Begun clips that go on from one chunk to the next.
        look_ahead: Chunks made beyond the one that is chosen.
        chunks: Chunks made for one clip at the most; once the next round does not fit, the best
            begun clip is finished plainly. ``None`` for no limit.
        records: What was done, by the digest of the clip.
    """

    width: int = field(default=4, validator=validators.ge(1))
    scorer: PoolScorer = field(factory=Consensus)
    beam: int = field(default=1, validator=validators.ge(1), kw_only=True)
    look_ahead: int = field(default=0, validator=validators.ge(0), kw_only=True)
    chunks: int | None = field(default=None, kw_only=True)

    @property
    def identity(self) -> str:
        """Everything that changes the clip."""
        return (
            f"chunk-search({identity(self.generator)}, {self.width}, {identity(self.scorer)}, "
            f"{self.beam}, {self.look_ahead}, {self.chunks})"
        )

    def with_parts(self, generator: Any, wrap: Callable[[VLM], VLM]) -> ChunkSearch:
        """The same search around another generator, its models wrapped."""
        return evolve(self, generator=generator, scorer=with_models(self.scorer, wrap))

    def search(self, shot: Shot) -> tuple[Clip, SearchRecord]:
        """The clip of the best chunks, and how they were chosen."""
        run = _Run(self, shot)
        return run.result(), run.record()


@frozen
class _Ahead:
    """A version of the next chunk, and what followed it when it was looked at."""

    version: Version
    seen: Version
    seed: int
    made: int
    over: bool


@define
class _Run:
    """The search for one shot."""

    search: ChunkSearch
    shot: Shot
    tried: list[SearchTry] = field(factory=list)
    notes: list[str] = field(factory=list)
    number: int = 0
    ended: str = "done"
    reason: str = "every chunk was chosen"

    @property
    def spent(self) -> int:
        return sum(one.chunks for one in self.tried)

    def result(self) -> Clip:
        begun: tuple[Version, ...] = (Version(self.shot),)
        while True:
            if not self._affordable(begun):
                return self._plainly(begun[0])
            try:
                found = [one for version in begun for one in self._versions(version)]
            except BudgetExceededError as error:
                if not begun[0].chunks:
                    raise
                self.ended, self.reason = type(error).__name__, str(error)
                return self._plainly(begun[0])
            begun = self._best(found)
            if found[0].over:
                return deliver(self.search.generator, begun[0])

    def _affordable(self, begun: Sequence[Version]) -> bool:
        """Whether the next round fits, with what it takes to finish a clip plainly after it."""
        limit, total = self.search.chunks, self._total(begun[0])
        if limit is None or total is None:
            return True
        done = len(begun[0].chunks)
        deep = min(1 + self.search.look_ahead, total - done)
        round_costs = len(begun) * self.search.width * deep
        if self.spent + round_costs + (total - done - 1) <= limit:
            return True
        self.ended = "budget"
        self.reason = f"{self.spent} of {limit} chunks after {done} chosen ones; the rest is plain"
        return False

    def _total(self, begun: Version) -> int | None:
        """Chunks of the whole clip, where the profile or a finished chunk tells."""
        profile: GeneratorProfile = self.search.generator.profile
        if begun.chunks:
            return math.ceil(self.shot.seconds / begun.chunks[0].clip.duration - 1e-6)
        if profile.chunk_frames is None:
            return None
        frames = round(self.shot.seconds * (profile.fps or self.shot.fps))
        return math.ceil(frames / profile.chunk_frames)

    def _versions(self, begun: Version) -> list[_Ahead]:
        """Versions of the next chunk; the first of all is under the shot's own noise."""
        made = []
        for _ in range(self.search.width):
            seed = fresh_seed(self.shot, self.number) if self.number else self.shot.seed
            self.number += 1
            made.append(self._ahead(begun, seed))
        return made

    def _ahead(self, begun: Version, seed: int) -> _Ahead:
        wanted = len(begun.chunks) + 1
        following = seen = begun
        for version in going_on(self.search.generator, begun, seed):
            following = version if len(version.chunks) == wanted else following
            seen = version
            if len(seen.chunks) == wanted + self.search.look_ahead or seen.finished:
                break
        made = len(seen.chunks) - len(begun.chunks)
        return _Ahead(following, seen, seed, made, following.finished or not made)

    def _best(self, found: Sequence[_Ahead]) -> tuple[Version, ...]:
        clips = [one.seen.joined for one in found]
        pool = Pool.of_clips(Look(self.shot, clips[0]).scenario, clips)
        said = self.search.scorer.score_pool(pool)
        self.notes += [note for note in said.notes if note not in self.notes]
        scores = [said.values[key] for key in pool.keys]
        known = [score if math.isfinite(score) else -math.inf for score in scores]
        order = sorted(range(len(found)), key=lambda at: (-known[at], at))
        kept = order[: self.search.beam]
        for at, one in enumerate(found):
            score = scores[at] if math.isfinite(scores[at]) else None
            cut = len(one.version.chunks) - 1
            self.tried.append(SearchTry(cut, one.seed, one.made, score=score, kept=at in kept))
        return tuple(found[at].version for at in kept)

    def _plainly(self, begun: Version) -> Clip:
        """The begun clip, finished under the shot's own noise or that of its last chunk."""
        seed = next((one.seed for one in reversed(self.tried) if one.kept), self.shot.seed)
        version = begun
        for longer in going_on(self.search.generator, begun, seed):
            version = longer
        made = len(version.chunks) - len(begun.chunks)
        self.tried.append(SearchTry(len(begun.chunks), seed, made, kept=True, note="plain"))
        return deliver(self.search.generator, version)

    def record(self) -> SearchRecord:
        return SearchRecord(
            "chunk_search",
            tuple(self.tried),
            self.spent,
            ended=self.ended,
            reason=self.reason,
            notes=tuple(self.notes),
        )
