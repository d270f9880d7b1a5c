"""Nothing that generates, criticises or chooses can see the benchmark's answers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from phyrefine.refine import prompts

HERE = Path(__file__).parents[1]
# The 66 scenes' names: facts about the benchmark, and all of it that is kept here.
NAMES = (HERE / "scene_names.txt").read_text().split()
# Words that name its objects; K speaks of none of them.
PROPS = ("cradle domino dominoes dominos ducky duck grabber kettlebell kettle dispenser teapot mug "
         "napkin smiley siphon peakaboo statue turntable juice tangerine matchstick matchsticks "
         "lampshade silk styrofoam cardstock pillow pillows").split()  # fmt: skip
# Words of names that say nothing about a scene ("stay the same" is in any law of rest).
GLUE = {"and", "in", "on", "off", "with", "x", "y", "nothing", "stay", "same"}
SLACK = 3  # other words between those of a name


def words(text: str) -> list[str]:
    """Words in lower case, a plural s and third-person s cut off."""
    return [word.rstrip("s") for word in re.findall(r"[a-z]+", text.lower())]


def tells(text: str, name: str) -> bool:
    """Whether the words of a scene's name stand close together in a sentence."""
    content = set(words(name.replace("-", " "))) - GLUE
    width = len(content) + SLACK
    for sentence in re.split(r"[.\n;:?!]", text):
        said = words(sentence)
        starts = range(max(1, len(said) - width + 1))
        if any(content <= set(said[start : start + width]) for start in starts):
            return len(content) > 1
    return False


def assets() -> dict[str, str]:
    """Every text the loop can say to a model: K, instructions, questions, reply schemas."""
    folder = files("phyrefine.refine") / "prompts"
    found = {}
    for part in (folder, folder / "physics"):
        found |= {item.name: item.read_text() for item in part.iterdir() if item.is_file()}
    return found


def test_every_asset_that_is_used_is_looked_at() -> None:
    assert prompts.asset_digests().keys() <= assets().keys()
    assert len(NAMES) == len(set(NAMES)) == 66


def test_the_knowledge_and_the_prompts_hold_no_scene_of_the_benchmark() -> None:
    for asset, text in assets().items():
        assert [name for name in NAMES if tells(text, name)] == [], asset
        assert not set(words(text)) & {prop.rstrip("s") for prop in PROPS}, asset


def test_that_test_can_fail() -> None:
    told = "Gravity. A ball and a block fall onto two pillows."
    assert tells(told, "ball-and-block-fall")
    assert not tells(told, "ball-behind-rotating-paper")
    assert set(words(told)) & {prop.rstrip("s") for prop in PROPS}


@pytest.mark.slow
def test_the_generating_side_does_not_even_import_the_scoring_side() -> None:
    code = (
        "import sys, phyrefine.physics_iq.generation.generating, phyrefine.refiner\n"
        "print([m for m in sys.modules if m.startswith('phyrefine.physics_iq.') and "
        "m.split('.')[-1] in ('truth', 'evaluate', 'scoring', 'cache', 'metrics', 'attempts')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="inotify is Linux's")
def test_a_real_run_opens_no_testing_video_and_no_mask(tiny: Path, tmp_path: Path) -> None:
    driver = [sys.executable, str(HERE / "firewall_driver.py"), str(tiny), str(tmp_path)]
    done = subprocess.run(driver, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    # Python's own opens, and the kernel's word on every open, FFmpeg's too.
    assert seen["generating"] == {"audited": [], "kernel": []}
    assert seen["clips"] == 6 * 3
    # The same watch sees the scorer at once, so it is not blind.
    assert len(seen["scoring"]["kernel"]) == 24
    assert seen["scoring"]["audited"]
