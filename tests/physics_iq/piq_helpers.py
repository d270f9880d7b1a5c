"""A data set of a moving square and a refiner that needs no model: the whole way in seconds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from phyrefine import Candidates, SelfRefiner
from phyrefine.physics_iq.data.layout import VIEWS, Edition
from phyrefine.physics_iq.generation.generating import Refiner
from phyrefine.physics_iq.generation.plan import Plan
from phyrefine.physics_iq.synthetic.dataset import SceneText, Take, build_dataset
from phyrefine.refine.convergence import MaxLoops
from phyrefine.testing import MovingDot
from phyrefine.types import Answer, Question, Usage
from phyrefine.video.clip import Clip

FPS, SIZE = 8, (32, 48)
PLAN = Plan("watcher", "writer", "dot", loops=2, steps=(4,), fps=FPS, size=SIZE)
SCENES = (
    SceneText("square-slides", "A white square slides to the right."),
    SceneText("square-falls", "A white square falls.", "Optics"),
)


def film(take: Take) -> Clip:
    """A square that slides (scene 0) or falls (scene 1); the second take is a pixel away.

    Cameras differ in the wall's brightness.
    """
    height, width = take.size
    count = round(take.seconds * take.fps)
    frames = np.full((count, height, width, 3), 40 + 9 * VIEWS.index(take.view), np.uint8)
    for t in range(count):
        way = (t * 8 // take.fps + take.take) % (width - 12)
        y, x = (10, way) if take.scene == 0 else (way % (height - 12), 12 + take.take)
        frames[t, y : y + 12, x : x + 12] = 230
    return Clip(frames, take.fps)


def build(folder: Path, edition: Edition = Edition.ORIGINAL, scenes: int = 2) -> Path:
    """The data set; gives the folder that holds the benchmark's."""
    build_dataset(folder, film, SCENES[:scenes], edition=edition, size=SIZE, rates=(FPS,))
    return folder


class Watcher:
    """Finds fault in every clip, scores by a pixel, and counts what it was asked."""

    identity = "watcher"

    def __init__(self, *, settled: bool = False) -> None:
        self.asked: list[Question] = []
        self.settled = settled

    def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        said: dict[str, Any]
        if question.stage == "predict":
            said = {"scene": "", "domains": ["optics"], "events": [], "prediction": "It glides 1."}
        elif question.stage == "critique":
            text = "It glides 1." if self.settled else f"It glides {len(self.asked)}."
            violation = {"law": "Inertia", "what": "it stops", "start": 3.1, "end": None,
                         "where": "", "severity": 1, "confidence": 1}  # fmt: skip
            said = {"observed": "", "moving": True, "corrected": text, "violations": [violation]}
        else:
            said = {"score": float(question.clips[0].frames[-1].mean() % 10), "reason": ""}
        return Answer(json.dumps(said), "watcher-1", Usage(1))


class Writer:
    """Passes the physics text on."""

    identity = "writer"

    def ask(self, question: Question) -> Answer:
        tag = "plan" if "<plan>" in question.text else "physics_text"
        text = question.text.split(f"<{tag}>")[1].split(f"</{tag}>")[0]
        text = re.sub(r"- [(\[][^)\]]*[)\]] ", "", text)
        if tag == "plan":
            text = question.text.split("<description>")[1].split("</description>")[0] + text
        said = {"prompt": " ".join(text.split()), "negative": ""}
        return Answer(json.dumps(said), "writer-1", Usage(1))


def refiner_of(
    plan: Plan, run_dir: Path, *, watcher: Watcher | None = None, dot: MovingDot | None = None
) -> Refiner:
    """A refiner for a plan, on fakes."""
    return SelfRefiner(
        watcher or Watcher(),
        Writer(),
        dot or MovingDot(),
        convergence=MaxLoops(plan.loops),
        ensemble=plan.ensemble,
        candidates=Candidates(tuple(step or None for step in plan.steps), plan.seeds, plan.chain),
        run_dir=run_dir,
    )


# As names in a recipe: ``piq_helpers:watcher``.
def watcher() -> Watcher:
    return Watcher()


def writer() -> Writer:
    return Writer()


def dot() -> MovingDot:
    return MovingDot()
