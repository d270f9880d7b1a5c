"""What a cluster needs to know before there is one; nothing here starts Ray."""

import pickle
import subprocess
import sys

import pytest
from cluster_backends import Hungry

from phyrefine import RayCluster, _optional
from phyrefine.errors import (
    GenerationError,
    InvalidInputError,
    MissingDependencyError,
    UnknownBackendError,
)
from phyrefine.run.cluster.flags import RayFlags
from phyrefine.run.cluster.recipe import Described, Recipe
from phyrefine.run.cluster.worker import _failed
from phyrefine.run.limited import PooledGenerator
from phyrefine.testing import MovingDot


@pytest.mark.parametrize(
    ("spec", "modes"),
    [
        ("diffusers:somewhere", ["balanced", "tight"]),
        ("diffusers:somewhere?memory=balanced&steps=4", ["tight"]),
        ("magi:somewhere", ["balanced", "low"]),
        ("cluster_backends:Hungry?memory=tight", []),
        ("world", []),
    ],
)
def test_memory_modes_come_one_after_the_other(spec, modes):
    recipe, found = Recipe.of(spec), []
    while (recipe := recipe.smaller()) is not None:
        found.append(recipe.options["memory"])
    assert found == modes


def test_a_smaller_mode_is_what_is_made():
    made = Recipe.of("cluster_backends:Hungry?memory=fast").smaller().make()
    assert isinstance(made, Hungry)
    assert made.memory == "balanced"


def test_an_object_has_no_modes_and_is_made_as_it_is():
    dot = MovingDot()
    assert Recipe.of(dot).smaller() is None
    assert Recipe.of(dot).make() is dot
    assert Described.of(dot).identity == "moving-dot"


@pytest.mark.parametrize(
    ("spec", "error"), [("nobody:here", UnknownBackendError), ("world?stepz=3", InvalidInputError)]
)
def test_a_wrong_name_is_told_before_anything_starts(spec, error):
    with pytest.raises(error):
        Recipe.of(spec)


def test_errors_that_cannot_travel_are_told_in_words():
    class Odd(Exception):
        def __reduce__(self):
            raise TypeError("cannot be pickled")

    told = pickle.loads(pickle.dumps(_failed(Odd("as it is"))))
    assert isinstance(told.error, GenerationError)
    assert "Odd: as it is" in str(told.error)
    assert not told.memory
    assert _failed(RuntimeError("CUDA out of memory. Tried 9 GiB")).memory


def test_flags_say_how_ray_works_only_beside_ray():
    with pytest.raises(InvalidInputError, match="--ray-generators, --ray-cpus says how"):
        RayFlags(ray_generators=2, ray_cpus=0.5)
    with RayFlags().cluster() as none:
        assert none is None
    cluster = RayFlags(("auto",), 4, 0.5).cluster()
    assert (cluster.address, cluster.generators, cluster.gpus_per_generator) == ("auto", 4, 0.5)
    assert RayFlags(()).cluster().address is None


def test_without_ray_one_line_says_how_to_install_it(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(_optional.importlib, "import_module", missing)
    with pytest.raises(
        MissingDependencyError, match=r'needs ray. Run: pip install "phyrefine\[ray'
    ):
        RayCluster().generator("world")


def test_a_cluster_that_is_not_used_imports_nothing():
    code = "import sys; from phyrefine import RayCluster; RayCluster(); print('ray' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_one_that_takes_several_calls_says_how_many():
    dot = MovingDot()
    assert PooledGenerator([dot])._limits == [1]

    class Wide(MovingDot):
        slots = 6

    assert PooledGenerator([Wide()])._limits == [6]
