"""Motion at the seam of real clips, measured, against positions read off by looking.

    python benchmarks/seam_motion.py FOLDER

FOLDER holds the clips named in tests/data/seam_motion/annotations.json (the Morpheus benchmark's).
Speeds are those over the last four frames; the measured one is what a plan states.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from phyrefine.refine.planning.measuring import with_motion
from phyrefine.refine.stages import Method, predict
from phyrefine.testing import ScriptedAsker
from phyrefine.types import Scenario
from phyrefine.video.clip import Clip
from phyrefine.world.eye import WorldVLM

TRUTH = Path(__file__).parents[1] / "tests" / "data" / "seam_motion" / "annotations.json"


def annotated(clip: dict) -> tuple[np.ndarray, np.ndarray, int]:
    """(velocity, place) in picture widths and heights, and the seam's frame."""
    height, width = clip["size"]
    numbers = sorted(map(int, clip["frames"]))
    first, last = (np.array(clip["frames"][str(n)]) for n in (numbers[0], numbers[-1]))
    velocity = (last - first) / (numbers[-1] - numbers[0]) * clip["fps"] / width
    return velocity, last / (width, height), numbers[-1]


def main() -> None:
    folder = Path(sys.argv[1])
    print(
        "| clip | annotated vx, vy | scripted VLM | off | embedded eye | off |\n|---|---|---|---|---|---|"
    )
    for entry in json.loads(TRUTH.read_text())["clips"]:
        velocity, _, seam = annotated(entry)
        clip = Clip.read(folder / entry["file"])
        prefix = Clip(clip.frames[: seam + 1], clip.fps)
        scene = Scenario("A ball moves.", prefix)
        script = ScriptedAsker(
            [json.dumps({"prediction": "The ball moves on.", "objects": [{"name": "the ball"}]})]
        )
        cells = []
        for vlm in (script, WorldVLM()):
            plan = with_motion(predict(vlm, scene, Method()).plan, prefix)
            measured = [thing.measured for thing in plan.objects if thing.measured is not None]
            if not measured:
                cells += ["nothing measured", "–"]
                continue
            found = np.array([measured[0].vx, measured[0].vy])
            off = np.linalg.norm(found - velocity) / np.linalg.norm(velocity)
            cells += [f"{found[0]:+.3f}, {found[1]:+.3f}", f"{off:.1%}"]
        print(
            f"| {entry['file']} to frame {seam} | {velocity[0]:+.3f}, {velocity[1]:+.3f} | {' | '.join(cells)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
