"""From a recipe to the table and the packs: each seed is a whole run, with a folder of its own.

A loop watches the clip of its first seed. Seeds of one loop share their prompts, and a rule that
compares clips sees those of all seeds; their deviation would say how much noise changes a clip, not
how much the method changes from run to run. So each seed has its own loop and its own pool.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from phyrefine._atomic import write_bytes
from phyrefine._json import parse_json
from phyrefine.adapt import as_generator, as_llm, as_vlm
from phyrefine.errors import InvalidInputError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.layout import Edition
from phyrefine.physics_iq.generation import generating
from phyrefine.physics_iq.generation.allowance import Allowance
from phyrefine.physics_iq.generation.generating import Refiner, make_refiner, samples_of
from phyrefine.physics_iq.generation.given import GivenPrompts
from phyrefine.physics_iq.generation.plan import PLAN_FILE, Plan, require_same
from phyrefine.physics_iq.recipes.recipe import MOST_SEEDS, Pack, Recipe
from phyrefine.physics_iq.scoring.report import score_table
from phyrefine.physics_iq.scoring.truth import GroundTruth
from phyrefine.physics_iq.submission.card import Finding
from phyrefine.physics_iq.submission.checking import check_pack
from phyrefine.physics_iq.submission.packing import Gathered, Gathering
from phyrefine.physics_iq.tables.measuring import Part, Stored, measure
from phyrefine.physics_iq.tables.scoring import tabulate
from phyrefine.physics_iq.tables.table_one import TableOne
from phyrefine.table import Table
from phyrefine.types import Prompt

PACKS = "packs"
Models = tuple[Any, Any, Any]


@attrs.frozen
class RecipeRun:
    """A recipe with the data and the folder it is used on.

    Attributes:
        recipe: The recipe.
        plan: Its plan, of all seeds, as it was asked for.
        dataset: The benchmark.
        out: Folder of everything.

    Raises:
        InvalidInputError: The recipe is for the other edition, has more seeds than an entry takes
            runs, packs rows that there are not, or ``out`` is a benchmark run without a recipe.
    """

    recipe: Recipe
    plan: Plan
    dataset: PhysicsIQ
    out: Path

    def __attrs_post_init__(self) -> None:
        self.recipe.require(self.dataset.edition)
        if len(self.plan.seeds) > MOST_SEEDS:
            raise InvalidInputError(
                f"An entry has at most {MOST_SEEDS} runs, one a seed; these are "
                f"{len(self.plan.seeds)} seeds."
            )
        if (self.out / PLAN_FILE).exists():
            raise InvalidInputError(
                f"{self.out} holds a benchmark run without a recipe: name a new folder with --out."
            )
        for part in self.parts:
            require_same(part.plan, self.dataset, part.folder)
        for pack in self.recipe.packs:
            self._gathering(pack)  # a row that is not there is told now

    @property
    def parts(self) -> list[Part]:
        """A folder for each seed."""
        return [
            Part(self.out / f"seed-{seed}", attrs.evolve(self.plan, seeds=(seed,)))
            for seed in self.plan.seeds
        ]

    def generate(
        self,
        *,
        shard: str | None = None,
        allowance: Allowance | None = None,
        given: GivenPrompts | None = None,
        progress: bool = False,
        refiner: Callable[[Plan, Path], Refiner] | None = None,
    ) -> list[str]:
        """Make every clip that is not there yet, seed by seed; models are loaded once.

        Args:
            shard: As in :func:`phyrefine.physics_iq.generation.generating.generate`.
            allowance: Budget of all seeds together.
            given: Prompts of others.
            progress: Show a bar for each seed.
            refiner: Makes the refiner from a plan and its run folder; by default the plan's.

        Returns:
            One line for each sample of a seed that could not be finished.
        """
        made = refiner or _Refiners(self.recipe.dialect).make
        texts: dict[str, Prompt] | None = None if given is None else dict(given.prompts)
        failures = []
        write_bytes(self.out / "recipe.toml", self.recipe.text.encode())
        for part in self.parts:
            if not samples_of(part.plan, self.dataset, part.folder, shard)[1]:
                continue  # finished: no model is needed
            failed = generating.generate(
                part.plan,
                self.dataset,
                part.folder,
                shard=shard,
                refiner=lambda path, plan=part.plan: made(plan, path),  # type: ignore[misc]
                allowance=allowance,
                given=texts,
                progress=progress,
            )
            failures += [f"{part.folder.name}, {line}" for line in failed]
        return failures

    def score(
        self,
        *,
        subsets: Sequence[Sequence[int]] | None = None,
        allow_made_masks: bool = False,
        cache: Path | None = None,
        jobs: int | None = None,
        progress: bool = False,
    ) -> tuple[TableOne, Stored]:
        """Measure every clip and write the table over all seeds.

        Arguments and errors as :func:`phyrefine.physics_iq.tables.scoring.score_bench`.
        """
        truth = GroundTruth(self.dataset, self.plan.fps, allow_made_masks=allow_made_masks)
        kept = cache or self.out / "cache"
        stored = measure(self.parts, truth, cache=kept, jobs=jobs, progress=progress)
        return tabulate(stored, self.plan, self.out, subsets=subsets), stored

    def pack(self, pack: Pack, stored: Stored, info: dict[str, Any]) -> Packed:
        """Write one pack, unless it is there already.

        Args:
            pack: One of the recipe's.
            stored: The measured benchmark.
            info: Fields of the card; they override the recipe's and what the folders say.

        Raises:
            InvalidInputError: The selector did not score every clip, the scores are not official,
                or the pack that is there was made from something else.
        """
        whole = self._gathering(pack, alone=False, info=info).choose(stored)
        shown = score_table(whole.scores)
        one = self.dataset.edition is Edition.ORIGINAL and len(self.plan.seeds) > 1
        note = (
            f"Original takes one run: seed {self.plan.seeds[0]}'s, the first of the recipe, "
            "whatever the scores."
            if one
            else ""
        )
        folder = self.out / PACKS / pack.name
        write_bytes(folder.with_name(f"{pack.name}.txt"), f"{shown}\n".encode())
        gathered = self._gathering(pack, info=info).choose(stored)
        mark, made_from = folder.with_name(f"{pack.name}.json"), _digest(gathered)
        if not folder.exists():
            write_bytes(mark, json.dumps({"made_from": made_from}).encode())
            return Packed(folder, shown, gathered.write(folder), note)
        there = parse_json(mark.read_bytes())["made_from"] if mark.exists() else None
        if there != made_from:
            raise InvalidInputError(
                f"The pack {folder} was made from other clips or other fields of the card. Move it "
                "away and run the same command again."
            )
        return Packed(folder, shown, check_pack(folder), note)

    def _gathering(
        self, pack: Pack, *, alone: bool = True, info: dict[str, Any] | None = None
    ) -> Gathering:
        """What a pack takes; ``alone`` leaves the first seed where an edition takes one run."""
        entry = pack.entry
        if alone and self.dataset.edition is Edition.ORIGINAL:
            entry = attrs.evolve(entry, seed=self.plan.seeds[0])
        card = {**self.recipe.card, **(info or {})}
        return Gathering(self.parts, self.dataset, entry, card, self.recipe.name)


@attrs.frozen
class Packed:
    """A written pack.

    Attributes:
        folder: Where.
        scores: Score of each run, mean and deviation over them.
        findings: What the leaderboard's check would find.
        note: What else a reader should know.
    """

    folder: Path
    scores: Table
    findings: list[Finding]
    note: str = ""


@attrs.define
class _Refiners:
    """Makes refiners of one recipe, which share their models."""

    dialect: str | None
    models: Models | None = None

    def make(self, plan: Plan, run_dir: Path) -> Refiner:
        if self.models is None:
            self.models = self._load(plan)
        return make_refiner(plan, run_dir, models=self.models)

    def _load(self, plan: Plan) -> Models:
        vlm, llm, generator = as_vlm(plan.vlm), as_llm(plan.llm), as_generator(plan.generator)
        spoken = generator.profile.dialect
        if self.dialect is not None and spoken != self.dialect:
            raise InvalidInputError(
                f"The recipe wants prompts in the dialect {self.dialect!r}, and {plan.generator} "
                f"takes {spoken!r}: change [models] dialect, or the generator."
            )
        return vlm, llm, generator


def _digest(gathered: Gathered) -> str:
    said = [
        [name, run.score.table.to_csv(), dict(run.prompts)] for name, run in gathered.runs.items()
    ]
    text = json.dumps([said, dict(gathered.info)], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
