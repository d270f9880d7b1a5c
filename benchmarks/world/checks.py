"""What a search relies on, measured: the verifier on planted faults, drafts against finals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.world.scenes import SceneId
from phyrefine import SelfRefiner
from phyrefine.run.search import CriticVerifier, Draft, VerifierRates, measure_verifier
from phyrefine.types import Prompt, Shot
from phyrefine.world.eye import WorldVLM

CLIPS = 8


def verifier_rates(scenes: Sequence[SceneId]) -> VerifierRates:
    """The embedded VLM as a search's verifier on faults planted into the scenes' prefixes."""
    shots = [
        Shot(Prompt(case.description), case.prefix, seconds=case.seconds, fps=case.fps,
             size=case.prefix.size)
        for case in (scene.scenario for scene in scenes) if case.prefix is not None
    ]  # fmt: skip
    return measure_verifier(CriticVerifier(WorldVLM()), shots)


def draft_lines(scenes: Sequence[SceneId], variant: str, steps: int) -> Iterator[str]:
    """``SelfRefiner.check_draft`` on each scene, and a summary."""
    found = []
    for scene in scenes:
        draft = Draft(steps=steps)
        with SelfRefiner("world", "world", f"world:{variant}", draft=draft) as refiner:
            check = refiner.check_draft(scene.scenario, CLIPS)
        found.append(check)
        yield f"{Path(variant).stem}, {steps} steps, {scene.name}: {check}"
    known = [one.correlation for one in found if one.correlation is not None]
    mean = f"{np.mean(known):.2f}" if known else "-"
    yield (
        f"{Path(variant).stem}, {steps} steps: rank correlation {mean} on average over {len(known)} "
        f"scenes; {sum(one.valid for one in found)} of {len(found)} rank like finals; the best draft "
        f"is the best final in {sum(one.same_best for one in found)}"
    )
