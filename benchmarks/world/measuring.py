"""What is known of every clip of a pool, computed once and stored beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import attrs
import cattrs
import numpy as np
from attrs import frozen

from benchmarks.world.pool import PoolFile
from benchmarks.world.truth import Truth, hold_against_truth
from phyrefine._atomic import write_bytes
from phyrefine.protocols import identity
from phyrefine.refine.stages import Method, critique
from phyrefine.select.named import ensemble
from phyrefine.types import Attempt, Candidate, Critique, Prompt, Scenario
from phyrefine.video.clip import Clip
from phyrefine.world.eye import WorldVLM

# Raise it when a figure's meaning changes: stored figures of other versions are made anew.
VERSION = 1


@frozen
class Seen:
    """What pixels, critic and judge say of a clip; no ground truth.

    Attributes:
        motion: Mean difference of gray values from each pixel's median over time, 0..255.
        critique: The critic's verdict, as the loop would get it.
        judge: The judge's score, 0..10.
    """

    motion: float
    critique: Critique
    judge: float


@frozen
class Figures:
    """One clip: what can be seen, and the truth."""

    seed: int
    seen: Seen
    truth: Truth


def amount_of_motion(clip: Clip) -> float:
    """Mean |gray - the pixel's median over time| of the frames as made, 0..255."""
    gray = clip.as_made.frames.astype(np.float32).mean(axis=3)
    return float(np.abs(gray - np.median(gray, axis=0)).mean())


def see(scenario: Scenario, clip: Clip, vlm: Any) -> Seen:
    """Ask the critic and the judge about one clip."""
    said = critique(vlm, clip, scenario, Method())
    if said is None:
        raise RuntimeError("The critic said nothing usable.")
    attempt = Attempt(1, Prompt(scenario.description), (Candidate(clip),))
    judged = ensemble("judge", vlm).choose(scenario, [attempt]).scores["0.0"]
    return Seen(amount_of_motion(clip), said, judged)


def figures(file: PoolFile, seeds: Sequence[int], *, root_vlm: Any = None) -> list[Figures]:
    """The figures of a pool's clips; missing ones are computed and stored."""
    vlm = root_vlm or WorldVLM()
    path = file.path.with_suffix(f".{VERSION}.json")
    who = identity(vlm)
    known = {one.seed: one for one in _read(path, who)}
    missing = [seed for seed in seeds if seed not in known]
    if missing:
        scenario = file.scene.scenario
        for seed, clip in zip(missing, file.clips(missing), strict=True):
            known[seed] = Figures(
                seed, see(scenario, clip, vlm), hold_against_truth(file.scene, clip)
            )
        rows = [attrs.asdict(one) for one in known.values()]
        write_bytes(path, json.dumps({"vlm": who, "clips": rows}).encode())
    return [known[seed] for seed in seeds]


def _read(path: Any, who: str) -> list[Figures]:
    if not path.exists():
        return []
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["vlm"] != who:
        return []
    return cattrs.structure(stored["clips"], list[Figures])
