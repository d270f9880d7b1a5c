"""Any file of a run folder may be damaged: the same run again comes to the same result, or says why not."""

import shutil

import pytest

from phyrefine import Scenario, SelfRefiner
from phyrefine.cli import main
from phyrefine.errors import RunError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.testing import MovingDot, moving_clip

SCENE = Scenario("A dot moves.", moving_clip(12, (48, 64), 8.0), seconds=0.5, name="dot")
DAMAGE = {
    "garbage": lambda path: path.write_bytes(b"\xff\x00{"),
    "emptied": lambda path: path.write_bytes(b""),
    "halved": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "null": lambda path: path.write_text("null"),
    "nested": lambda path: path.write_text("[" * 5000 + "]" * 5000),
    "lost": lambda path: path.unlink(),
}


def refine(folder):
    refiner = SelfRefiner(
        "world", "world", MovingDot(), convergence=MaxLoops(1), ensemble="last", run_dir=folder
    )
    return refiner.refine(SCENE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a run's [ünïcode] folder") / ("x" * 200)
    refine(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGE)
def test_the_same_run_again_comes_to_the_same_result(name, whole, tmp_path):
    wanted = next(whole.glob("scenarios/*/refinement.json"))
    for path in sorted(path for path in whole.rglob("*") if path.is_file()):
        copy, inside = tmp_path / "copy", path.relative_to(whole)
        shutil.copytree(whole, copy)
        DAMAGE[name](copy / inside)
        if inside.name == "manifest.json":
            with pytest.raises(RunError, match="manifest"):
                refine(copy)
        else:
            refine(copy)
            same = copy / wanted.relative_to(whole)
            assert same.read_bytes() == wanted.read_bytes(), inside
        shutil.rmtree(copy)


@pytest.mark.parametrize("depth", [900, 5000])
@pytest.mark.parametrize(
    "name", ["events.jsonl", "scenarios/*/refinement.json", "store/replies/*/critique-*.json"]
)
def test_commands_tell_of_brackets_nested_too_deeply(name, depth, tmp_path, capsys):
    """Python cannot hold them, and says so with an error that is not a ValueError."""
    refine(tmp_path)
    for path in tmp_path.glob(name):
        path.write_text("[" * depth + "]" * depth + "\n")
    for command in ("show", "gc", "report", "watch"):
        assert main([command, str(tmp_path)]) in (0, 1, 3)
        told = capsys.readouterr()
        assert "Unexpected" not in told.out + told.err
