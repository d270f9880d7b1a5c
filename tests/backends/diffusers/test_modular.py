"""Modular pipelines of diffusers with tiny random weights: in memory, from a folder, refused modes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import diffusers_cases as cases
import pytest
from attrs import evolve
from diffusers_checks import second
from tiny_pipelines import modular

from phyrefine.backends.diffusers import DiffusersVideoGenerator, list_families
from phyrefine.backends.diffusers.families.table import named
from phyrefine.errors import InvalidInputError
from phyrefine.testing import check_generator, moving_clip
from phyrefine.types import Prompt, Shot
from phyrefine.video.clip import Clip
from phyrefine.video.seam import check_seam

pytestmark = [
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context"),
    pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
]
SHORT = {"max_sequence_length": 16}
PREFIX = moving_clip(72, (32, 32), 24.0)
SHOT = Shot(
    Prompt("a ball", negative="blur"), PREFIX, seconds=0.25, fps=24.0, size=(32, 32), seed=1
)


@pytest.fixture(scope="module")
def wan() -> Any:
    return modular.wan_modular()


CONDITIONED = [name for name, case in cases.MODULAR.items() if case.context]
# Rows that see a prefix and make video from text alone as well.
EITHER = [name for name in CONDITIONED if not named(name).needs_prefix]


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.MODULAR)
def test_every_row_makes_exact_frames(name: str) -> None:
    """And a prefix counts where it is seen; reruns and seeds are the contract's, below."""
    generator = cases.modular_generator(name)
    assert generator.spec.name == name
    shot = SHOT if cases.MODULAR[name].context else evolve(SHOT, prefix=None)
    clip = generator.generate(shot)
    assert (len(clip), clip.fps, clip.size) == (shot.frames, shot.fps, shot.size)
    other = evolve(shot, seed=4)
    if shot.prefix is not None:
        other = evolve(shot, prefix=Clip(255 - PREFIX.frames, PREFIX.fps))
    assert generator.generate(other) != clip


@pytest.mark.slow
@pytest.mark.parametrize("name", EITHER)
def test_rows_that_make_video_from_text_alone_too(name: str) -> None:
    generator = cases.modular_generator(name)
    shot = evolve(SHOT, prefix=None)
    clip = generator.generate(shot)
    assert len(clip) == shot.frames
    assert generator.generate(shot) == clip


def test_every_modular_row_has_a_case() -> None:
    rows = {spec.name for spec in list_families() if spec.pipeline.endswith("ModularPipeline")}
    assert rows == set(cases.MODULAR)


@pytest.mark.slow
@pytest.mark.parametrize("name", cases.MODULAR)
def test_the_contract(name: str) -> None:
    """Counts, sizes, the seam, determinism, and going on after accepted chunks."""
    check_generator(cases.modular_generator(name), seconds=1.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONDITIONED)
def test_five_seconds_after_three(name: str) -> None:
    shot = evolve(SHOT, seconds=5.0, prefix=moving_clip(72, (45, 77), 24.0), size=(45, 77))
    clip = cases.modular_generator(name).generate(shot)
    report = check_seam(shot.prefix, clip, frames=shot.frames, fps=shot.fps, size=shot.size)
    assert not [fault for fault in report.faults if "jump" not in fault]


SCRIPT = """
import sys
sys.path[:0] = {here!r}
import torch
import diffusers_cases as cases
from diffusers_checks import second
torch.set_num_threads(1)
torch.manual_seed(99)  # not ours to depend on
for name in cases.MODULAR:
    print(name, second(cases.modular_generator(name)))
"""


@pytest.mark.slow
def test_two_processes_make_the_same_frames() -> None:
    mine = {name: second(cases.modular_generator(name)) for name in cases.MODULAR}
    here = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    script = SCRIPT.format(here=here)
    out = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=1800
    )
    lines = (line.split() for line in out.stdout.splitlines())
    assert {words[0]: int(words[1]) for words in lines if words and words[0] in mine} == mine


@pytest.mark.slow
def test_a_call_leaves_the_users_progress_bars_alone(capsys: Any) -> None:
    pipe = modular.wan_modular()
    generator = DiffusersVideoGenerator(pipe, size=(16, 16), num_frames=33, steps=1, options=SHORT)
    generator.generate(evolve(SHOT, prefix=None))
    assert "it/s" not in capsys.readouterr().err
    pipe(
        prompt="a ball",
        height=16,
        width=16,
        num_frames=5,
        num_inference_steps=1,
        output="videos",
        **SHORT,
    )
    assert "it/s" in capsys.readouterr().err


@pytest.mark.slow
def test_text_to_video(wan: Any) -> None:
    generator = DiffusersVideoGenerator(wan, size=(16, 16), num_frames=33, steps=2, options=SHORT)
    assert generator.spec.name == "wan-2.1-t2v-modular"
    shot = evolve(SHOT, prefix=None)
    clip = generator.generate(shot)
    assert len(clip) == 6
    assert generator.generate(shot) == clip
    assert generator.generate(evolve(shot, seed=2)) != clip
    assert generator.generate(evolve(shot, prompt=Prompt("water pours", negative="x"))) != clip


def test_guidance_is_the_guiders(wan: Any) -> None:
    plain = DiffusersVideoGenerator(wan, size=(16, 16), num_frames=33, steps=2, options=SHORT)
    strong = DiffusersVideoGenerator(
        wan, size=(16, 16), num_frames=33, steps=2, options=SHORT, guidance_scale=12.0
    )
    shot = evolve(SHOT, prefix=None)
    assert plain.generate(shot) != strong.generate(shot)
    assert plain.identity != strong.identity
    assert wan.guider.guidance_scale == plain.pipe.guider.guidance_scale


def test_inputs_of_the_blocks_are_the_options(wan: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"takes no option 'strength'.*attention_kwargs"):
        DiffusersVideoGenerator(wan, options={"strength": 1})


def test_memory_modes_that_it_does_not_know_are_refused(wan: Any) -> None:
    from phyrefine.backends.diffusers.memory import apply_mode, choose_device

    with pytest.raises(InvalidInputError, match="not for modular pipelines"):
        apply_mode(wan, "tight", choose_device("cpu"), size=(16, 16))


@pytest.mark.slow
def test_it_loads_from_a_folder(wan: Any, tmp_path: Any) -> None:
    folder = tmp_path / "wan"
    for name, part in wan.components.items():
        if hasattr(part, "save_pretrained") and name not in ("guider", "video_processor"):
            part.save_pretrained(folder / name)
    wan.save_pretrained(str(folder), overwrite_modular_index=True)
    loaded = DiffusersVideoGenerator.from_pretrained(
        str(folder), size=(16, 16), num_frames=33, steps=2, options=SHORT
    )
    own = DiffusersVideoGenerator(wan, size=(16, 16), num_frames=33, steps=2, options=SHORT)
    shot = evolve(SHOT, prefix=None)
    assert loaded.generate(shot) == own.generate(shot)
