"""``phyrefine bench physics-iq --recipe``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen
from cyclopts import Parameter

from phyrefine.physics_iq.commands.data_flags import require_truth
from phyrefine.physics_iq.commands.scores import say

if TYPE_CHECKING:
    from phyrefine.physics_iq.generation.allowance import Allowance
    from phyrefine.physics_iq.generation.given import GivenPrompts
    from phyrefine.physics_iq.recipes.recipe import Recipe
    from phyrefine.physics_iq.recipes.running import RecipeRun
    from phyrefine.run.estimating.flags import DryRunFlags

_NOT_FINISHED = 3


@Parameter(name="*")
@frozen
class RecipeFlags:
    """A leaderboard entry from one file.

    Attributes:
        recipe: A recipe, to the table over all seeds and the submission packs: FILE.toml, or one
            that is shipped: magi-1, cosmos-3, rehearsal. Other flags go before it.
        info: With --recipe: YAML file with fields of the submission card, such as organization.

    Raises:
        InvalidInputError: A card's file is given without a recipe.
    """

    recipe: str | None = None
    info: Path | None = None

    def __attrs_post_init__(self) -> None:
        if self.info is not None and self.recipe is None:
            from phyrefine.errors import InvalidInputError

            raise InvalidInputError("--info belongs to --recipe: pass both, or neither.")

    def read(self) -> Recipe | None:
        """The recipe, if one is asked for."""
        from phyrefine.physics_iq.recipes.recipe import find_recipe

        return None if self.recipe is None else find_recipe(self.recipe)

    def card(self) -> dict[str, Any]:
        """Fields of the card."""
        from phyrefine.physics_iq.submission.card_files import read_card_file

        return {} if self.info is None else read_card_file(self.info)


@frozen
class Asked:
    """What is done of a recipe, and how.

    Attributes:
        subsets: Rows of ensembles in the table.
        shard: This machine's share, which is generated only.
        score_only: Nothing is generated.
        cache: Folder of the real side.
        jobs: Views at a time.
        allow_made_masks: As in :class:`~phyrefine.physics_iq.scoring.truth.GroundTruth`.
    """

    subsets: Sequence[Sequence[int]] | None = None
    shard: str | None = None
    score_only: bool = False
    cache: Path | None = None
    jobs: int | None = None
    allow_made_masks: bool = False


def run_recipe(
    run: RecipeRun,
    asked: Asked,
    *,
    given: GivenPrompts | None,
    allowance: Allowance | None,
    info: dict[str, Any],
    what_if: DryRunFlags,
) -> int:
    """Generate, score and pack, as far as it is asked for; gives the exit code.

    Args:
        run: The recipe on its data.
        asked: What of it.
        given: Prompts of others.
        allowance: Budget of this call.
        info: Fields of the card.
        what_if: A dry run.
    """
    from phyrefine.physics_iq.tables.scoring import check_subsets

    if what_if.dry_run:
        return _tell_cost(run, asked.shard, what_if)
    check_subsets(asked.subsets or (), run.plan)
    if asked.shard is None:  # a shard's machine may lack what is needed to score
        masks = asked.allow_made_masks
        require_truth(run.dataset, run.plan.fps, allow_made_masks=masks)
    if not asked.score_only:
        failures = run.generate(shard=asked.shard, allowance=allowance, given=given, progress=True)
        for failure in failures:
            say(failure)
        if failures:
            say(f"{len(failures)} samples are not finished: run the same command again.")
            return _NOT_FINISHED
        if asked.shard is not None:
            say("Shard done.")
            return 0
    table, stored = run.score(
        subsets=asked.subsets,
        allow_made_masks=asked.allow_made_masks,
        cache=asked.cache,
        jobs=asked.jobs,
        progress=True,
    )
    say(table.shown())
    say("Each seed is a run of its own: its loops watched its clips, and its rule saw no others.")
    for pack in run.recipe.packs:
        packed = run.pack(pack, stored, info)
        say(f"\nPack {pack.name}:\n{packed.scores}")
        if packed.note:
            say(packed.note)
        for finding in packed.findings:
            say(finding)
        say(f"{packed.folder}: findings to settle before it is sent: {len(packed.findings)}.")
    say(f"Wrote {run.out / 'table.txt'}, table.csv, table.json, table.svg and loops.svg.")
    return 0


def _tell_cost(run: RecipeRun, shard: str | None, what_if: DryRunFlags) -> int:
    """Print what generating all seeds would take."""
    from phyrefine.physics_iq.generation.generating import cost_of_a_sample, samples_of

    parts = run.parts
    found = [samples_of(part.plan, run.dataset, part.folder, shard) for part in parts]
    wanted, left = (sum(len(one[which]) for one in found) for which in (0, 1))
    plan = parts[0].plan
    estimate = what_if.estimate(
        cost_of_a_sample(plan),
        what_if.rates(parts[0].folder, (plan.vlm, plan.llm, plan.generator)),
        scenarios=wanted,
        finished=wanted - left,
    )
    for line in ("Dry run: nothing is made and nothing is paid for.", *estimate.lines()):
        say(line)
    return 0


NO_RECIPE = RecipeFlags()
