"""Another prompt for the chunks that are made anew."""

from __future__ import annotations

import math

from attrs import evolve

from phyrefine.protocols import LLM
from phyrefine.refine import stages
from phyrefine.refine.stages import Method
from phyrefine.run.search.verifying import scenario_of
from phyrefine.run.search.versions import Version
from phyrefine.types import Critique, GeneratorProfile, Prompt


def revised(
    llm: LLM, begun: Version, critique: Critique, profile: GeneratorProfile
) -> tuple[Version, tuple[str, ...]]:
    """The version with its further chunks' prompts rewritten, and notes of the rewrite.

    The chunks that are kept keep their prompts. A generator that takes one prompt only reads the
    new one from here on.

    Args:
        llm: Rewrites.
        begun: The chunks that are kept.
        critique: Of the version that went wrong.
        profile: The generator's.
    """
    shot = begun.shot
    whole = Prompt(" ".join(one.text for one in shot.chunk_prompts) or shot.prompt.text)
    scenario = evolve(scenario_of(shot), seconds=shot.seconds)
    written = stages.compose(llm, critique, scenario, profile, Method(plan=False), previous=whole)
    prompt = Prompt(written.text, written.negative or shot.prompt.negative)
    if profile.chunk_frames is None:
        return evolve(begun, shot=evolve(shot, prompt=prompt, chunk_prompts=())), written.notes
    frames = round(shot.seconds * (profile.fps or shot.fps))
    count = math.ceil(frames / profile.chunk_frames)
    before = shot.chunk_prompts or (shot.prompt,) * count
    cut = len(begun.chunks)
    prompts = (*before[:cut], *(prompt,) * (len(before) - cut))
    return evolve(begun, shot=evolve(shot, chunk_prompts=prompts)), written.notes
