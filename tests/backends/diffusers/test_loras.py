"""LoRAs by argument, on a tiny Wan through diffusers' and peft's real code."""

from __future__ import annotations

import diffusers_cases as cases
import pytest
from attrs import evolve
from diffusers import WanPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from phyrefine.errors import InvalidInputError, ModelNotFoundError
from phyrefine.types import Prompt, Shot

SHOT = Shot(Prompt("a ball falls"), None, seconds=0.25, fps=16.0, size=(16, 16), seed=1)


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    """A LoRA with weights that act, saved as diffusers saves it."""
    import torch

    pipe = cases.CASES["wan-2.1-t2v"].build()
    torch.manual_seed(0)
    config = LoraConfig(
        r=2, lora_alpha=64, target_modules=["to_q", "to_v"], init_lora_weights=False
    )
    pipe.transformer.add_adapter(config)
    folder = tmp_path_factory.mktemp("lora")
    WanPipeline.save_lora_weights(folder, get_peft_model_state_dict(pipe.transformer))
    return str(folder)


def test_a_lora_acts_by_its_strength_and_is_part_of_the_identity(lora):
    plain = cases.generator("wan-2.1-t2v")
    made = {
        strength: cases.generator("wan-2.1-t2v", loras={lora: strength}) for strength in (0.5, 1.0)
    }
    clips = [generator.generate(SHOT) for generator in (plain, *made.values())]
    assert len({clip.digest for clip in clips}) == 3
    assert len({generator.identity for generator in (plain, *made.values())}) == 3


def test_a_lora_stays_with_its_generator(lora):
    before = cases.generator("wan-2.1-t2v").generate(SHOT)
    cases.generator("wan-2.1-t2v", loras={lora: 1.0})
    assert cases.generator("wan-2.1-t2v").generate(SHOT) == before


def test_what_is_no_lora_is_named(tmp_path, lora):
    with pytest.raises(ModelNotFoundError, match="No LoRA at"):
        cases.generator("wan-2.1-t2v", loras={str(tmp_path / "nothing"): 1.0})
    with pytest.raises(InvalidInputError, match="LoRA"):
        cases.generator("ltx-condition", loras={lora: 1.0})


def test_frames_follow_the_seed_with_a_lora_too(lora):
    generator = cases.generator("wan-2.1-t2v", loras={lora: 1.0})
    assert generator.generate(SHOT) != generator.generate(evolve(SHOT, seed=2))
