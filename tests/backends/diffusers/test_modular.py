"""Modular pipelines of diffusers with tiny random weights: in memory, from a folder, refused modes."""

from __future__ import annotations

from typing import Any

import pytest
import tiny_pipelines as tiny
from attrs import evolve

from phyrefine.backends.diffusers import DiffusersVideoGenerator
from phyrefine.errors import InvalidInputError
from phyrefine.testing import check_generator, moving_clip
from phyrefine.types import Prompt, Shot

pytestmark = [
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context"),
]
SHORT = {"max_sequence_length": 16}
PREFIX = moving_clip(72, (32, 32), 24.0)
SHOT = Shot(
    Prompt("a ball", negative="blur"), PREFIX, seconds=0.25, fps=24.0, size=(32, 32), seed=1
)


def modular(blocks: Any, source: Any) -> Any:
    """A modular pipeline with the parts of an ordinary one."""
    pipe = blocks.init_pipeline()
    wanted = {component.name for component in blocks.expected_components}
    parts = {k: v for k, v in source.components.items() if k in wanted and v is not None}
    pipe.update_components(**parts)
    return pipe


@pytest.fixture(scope="module")
def wan() -> Any:
    from diffusers.modular_pipelines.wan.modular_blocks_wan import WanBlocks

    return modular(WanBlocks(), tiny.wan_text())


@pytest.fixture(scope="module")
def helios() -> Any:
    from diffusers.modular_pipelines.helios.modular_blocks_helios import HeliosAutoBlocks

    return modular(HeliosAutoBlocks(), tiny.helios())


def test_text_to_video(wan: Any) -> None:
    generator = DiffusersVideoGenerator(wan, size=(16, 16), num_frames=33, steps=2, options=SHORT)
    assert generator.spec.name == "wan-2.1-t2v-modular"
    shot = evolve(SHOT, prefix=None)
    clip = generator.generate(shot)
    assert len(clip) == 6
    assert generator.generate(shot) == clip
    assert generator.generate(evolve(shot, seed=2)) != clip
    assert generator.generate(evolve(shot, prompt=Prompt("water pours", negative="x"))) != clip


def test_a_prefix_is_continued(helios: Any) -> None:
    generator = DiffusersVideoGenerator(
        helios, size=(32, 32), num_frames=33, steps=1, options=SHORT
    )
    check_generator(generator, seconds=0.5)


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
