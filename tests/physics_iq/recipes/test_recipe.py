"""Recipes: what a file may say, and what the shipped ones say about models we know."""

from __future__ import annotations

from pathlib import Path

import pytest

from phyrefine import registry
from phyrefine.errors import InvalidInputError
from phyrefine.options import split_options
from phyrefine.physics_iq.commands.bench import PlanFlags
from phyrefine.physics_iq.data.layout import TEST_SECONDS, Edition
from phyrefine.physics_iq.recipes.recipe import Recipe, find_recipe, shipped
from phyrefine.physics_iq.submission.card import OPTIONAL, PUBLIC
from phyrefine.physics_iq.submission.packing import Entry

WHOLE = """
summary = "A dot"
edition = "verified"
[models]
vlm = "a"
llm = "b"
generator = "c"
dialect = "prose"
[plan]
mode = "i2v"
fps = 8
size = [32, 48]
steps = [4, 8]
seeds = [0, 5]
loops = 2
chain = "rerender"
paper = false
rule = "consensus*2+judge@1"
prompts = "mine.csv"
[[packs]]
name = "chosen"
rule = "consensus*2+judge@1"
rows = [1, 2]
[[packs]]
name = "third"
row = 3
[card]
organization = "example"
"""


def read(text: str, folder: Path) -> Recipe:
    path = folder / "mine.toml"
    path.write_text(text)
    return find_recipe(str(path))


def test_everything_that_a_recipe_says_is_read(tmp_path: Path) -> None:
    recipe = read(WHOLE, tmp_path)
    assert (recipe.name, recipe.summary, recipe.dialect) == ("mine", "A dot", "prose")
    assert recipe.edition is Edition.VERIFIED
    assert recipe.prompts == tmp_path / "mine.csv"
    assert recipe.card == {"organization": "example"}
    assert [(pack.name, pack.entry) for pack in recipe.packs] == [
        ("chosen", Entry(None, "consensus+judge", (1, 2))),
        ("third", Entry(3)),
    ]
    plan = PlanFlags().plan(recipe.settings)
    assert (plan.vlm, plan.llm, plan.generator) == ("a", "b", "c")
    assert (plan.mode, plan.fps, plan.size, plan.chain) == ("i2v", 8, (32, 48), "rerender")
    assert (plan.steps, plan.seeds, plan.loops) == ((4, 8), (0, 5), 2)
    assert plan.ensemble == "consensus*2+judge@1"


def test_a_flag_goes_before_the_recipe(tmp_path: Path) -> None:
    flags = PlanFlags(generator="d:x", generator_option=("k=1",), seeds=(0,), size=(64, 64))
    plan = flags.plan(read(WHOLE, tmp_path).settings)
    assert (plan.generator, plan.seeds, plan.size) == ("d:x?k=1", (0,), (64, 64))
    assert plan.vlm == "a"


def test_without_a_recipe_the_flags_have_their_defaults() -> None:
    plan = PlanFlags().plan()
    assert (plan.vlm, plan.loops, plan.steps, plan.seeds) == ("world", 4, (0,), (0,))
    assert (plan.ensemble, plan.mode, plan.fps, plan.size) == ("judge", "v2v", 24, (720, 1280))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("loops = 2", 'loops = "2"', r"\[plan\] loops .* should be a whole number, not '2'"),
        ("loops = 2", "loops = true", "should be a whole number, not True"),
        ("loops = 2", "lops = 2", "unknown name 'lops'. Did you mean 'loops'"),
        ("[32, 48]", "[32]", "size .* should be two whole numbers"),
        ("[0, 5]", "[0, 0.5]", "seeds .* should be a list of whole numbers"),
        ("paper = false", "paper = 0", "should be true or false, not 0"),
        ('"verified"', '"both"', "edition .* is 'both': original or verified"),
        ('vlm = "a"', "vlm = 1", r"\[models\] vlm .* should be a text, not 1"),
        ("[models]", "[model]", "unknown name 'model'. Did you mean 'models'"),
        ("row = 3", 'row = "3"', "third .* names rows by whole numbers"),
        ('name = "third"', 'name = "a/b"', "needs a name"),
        ('name = "third"', 'name = "chosen"', "Two packs .* have one name"),
        ("row = 3", 'rule = "judge"', "chosen by 'judge', and only 'consensus"),
        ("row = 3", 'rule = "oracle"', "chosen by 'oracle'"),
        ("[card]", "[card", "is no TOML"),
    ],
)
def test_what_is_wrong_is_named(before: str, after: str, said: str, tmp_path: Path) -> None:
    assert before in WHOLE
    with pytest.raises(InvalidInputError, match=said):
        read(WHOLE.replace(before, after), tmp_path)


def test_a_rule_that_scores_nothing_packs_nothing(tmp_path: Path) -> None:
    text = WHOLE.replace("consensus*2+judge@1", "last")
    with pytest.raises(InvalidInputError, match=r"'last' scores no clip\. Pack a row instead"):
        read(text, tmp_path)


def test_unknown_recipes(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"Did you mean 'magi-1'\? There are: cosmos-3"):
        find_recipe("magi1")
    with pytest.raises(InvalidInputError, match=r"Cannot read the recipe .*none.toml"):
        find_recipe(str(tmp_path / "none.toml"))
    (tmp_path / "latin.toml").write_bytes("summary = 'Zürich'".encode("latin-1"))
    with pytest.raises(InvalidInputError, match="not text in UTF-8"):
        find_recipe(str(tmp_path / "latin.toml"))


# -- the shipped ones ------------------------------------------------------------------------------


def test_these_are_shipped() -> None:
    assert shipped() == ("cosmos-3", "magi-1", "rehearsal")


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_recipe_is_one_entry_of_four_runs(name: str) -> None:
    recipe = find_recipe(name)
    plan = PlanFlags().plan(recipe.settings)
    assert plan.seeds == (0, 1, 2, 3)
    assert recipe.summary
    assert recipe.packs
    assert set(recipe.card) <= {*PUBLIC, *OPTIONAL}
    roles = ("vlm", "llm", "generator")
    for role in roles:
        registry.maker(role, getattr(plan, role))  # the name and every option are known


def test_the_recipe_of_magi_fits_the_release() -> None:
    from phyrefine.magi.config import variant_named

    plan = PlanFlags().plan(find_recipe("magi-1").settings)
    place, options = split_options(plan.generator)
    sampling = variant_named(place.partition("#")[2]).sampling
    assert plan.steps == (sampling.num_steps,)
    assert plan.fps == sampling.fps
    assert options["size"] == "x".join(map(str, plan.size))
    assert all(side % 16 == 0 for side in plan.size)
    assert TEST_SECONDS * plan.fps % (sampling.chunk_width * 4) == 0  # whole chunks


def test_the_recipe_of_cosmos_fits_its_family() -> None:
    from phyrefine.backends.diffusers.families import table

    recipe = find_recipe("cosmos-3")
    plan = PlanFlags().plan(recipe.settings)
    place, options = split_options(plan.generator)
    family = table.named("cosmos-3")
    assert place.partition(":")[2] in {one.id for one in family.checkpoints}
    assert (plan.fps, plan.size, plan.steps) == (family.fps, family.size, (family.steps,))
    assert recipe.dialect == family.dialect
    # One pass: the context, which is cut off, and 5 s.
    assert int(options["num_frames"]) == family.contexts[0] + TEST_SECONDS * plan.fps
    assert family.grid.least <= int(options["num_frames"]) <= family.grid.most
