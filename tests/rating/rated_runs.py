"""Finished runs on disk: scenes with a few clips of a ball that moves more or less well."""

import numpy as np

from phyrefine.run import FolderStore
from phyrefine.run.results import folder_name, write_refinement
from phyrefine.types import (
    Attempt,
    Candidate,
    Choice,
    Critique,
    Pick,
    Prompt,
    Refinement,
    Scenario,
    Violation,
)
from phyrefine.video.clip import Clip

SIZE, FPS = (48, 64), 8.0
SECRET_WORDS = "a secret prompt about gravity"


def clip(seconds, speed, shade=220, start=0.0):
    frames = np.full((round(seconds * FPS), *SIZE, 3), 60, np.uint8)
    for t, frame in enumerate(frames):
        column = int(4 + start + speed * t)
        frame[16:26, max(0, column) : column + 10] = (shade, 80, 60)
    return Clip(frames, FPS)


def refinement(number=0, clips=3, shade=220):
    prefix = clip(0.5, 2.0)
    scenario = Scenario(
        f"A square slides to the right, scene {number}.", prefix, seconds=0.5, fps=FPS,
        name=f"scene-{number}",
    )  # fmt: skip
    attempts = tuple(
        Attempt(
            index,
            Prompt(f"{SECRET_WORDS} {index}"),
            (Candidate(clip(0.5, float(index), shade - number, 8.0)),),
            Critique("", tuple(Violation("inertia", "it stops") for _ in range(clips - index))),
            baseline=index == 0,
            scores={"smooth": 0.1 * index},
        )
        for index in range(clips)
    )
    scores = {f"{index}.0": float(index) for index in range(clips)}
    controls = {"random": "0.0", "most motion": f"{clips - 1}.0"}
    choice = Choice(Pick(clips - 1), "judge", "best", scores, controls=controls,
                    parts={"backwards": {key: -score for key, score in scores.items()}})  # fmt: skip
    return Refinement(scenario, attempts, choice, stopped_by="clean", reason="nothing found")


def write_run(folder, scenes=2, clips=3, shade=220):
    store = FolderStore(folder / "store")
    for number in range(scenes):
        one = refinement(number, clips, shade)
        write_refinement(folder / "scenarios" / folder_name(one.scenario), one, store)
    return folder
