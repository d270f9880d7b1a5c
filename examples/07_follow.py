"""Follow a run as it goes: a page that a browser keeps up to date, and TensorBoard.

Needs a tracker: pip install tensorboard. The models are small stand-ins, so that it takes seconds::

    python examples/07_follow.py runs/follow
    phyrefine watch runs/follow                 # from another terminal, while it works
    tensorboard --logdir runs/follow/logs
    phyrefine export runs/follow --to csv

Run it again: it goes on in the same tracked run, and nothing is made or logged twice.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from phyrefine import Question, Scenario, SelfRefiner
from phyrefine.refine.convergence import MaxLoops
from phyrefine.report.live import write_progress
from phyrefine.run.following.follower import Follower
from phyrefine.testing import MovingDot, moving_clip
from phyrefine.tracking import Tracker


def vlm(question: Question) -> dict[str, Any]:
    """Finds fault until the prompt speaks of speed."""
    if question.stage != "critique":
        return {"prediction": "The dot keeps moving to the right at the same speed.", "events": []}
    law = {"law": "Inertia", "what": "the dot slows down", "start": 0.5, "end": None, "where": "",
           "severity": 0.5, "confidence": 0.9}  # fmt: skip
    found = [] if "speed" in question.text else [law]
    corrected = "The dot keeps its speed."
    return {"observed": "", "moving": True, "violations": found, "corrected": corrected}


def llm(_: Question) -> str:
    """The prompt."""
    return "A bright dot moves to the right, always at the same speed."


def main(folder: Path) -> None:
    """Refine three scenes, with a live page and a tracker beside."""
    clip = moving_clip(24, (48, 64))
    scenes = [Scenario("A dot moves.", clip, seconds=1.0, name=f"dot {n}") for n in range(3)]
    done = threading.Event()

    def page() -> None:
        while not done.wait(1.0):
            if (folder / "manifest.json").exists():
                write_progress(Follower(folder).look(), folder / "live.html", reload_seconds=5)

    watching = threading.Thread(target=page)
    watching.start()
    try:
        with Tracker("tensorboard", logdir=folder / "logs", clips="chosen") as tracker:
            SelfRefiner(
                vlm, llm, MovingDot(), convergence=MaxLoops(2), ensemble="consensus",
                run_dir=folder, listeners=[tracker],
            ).refine_many(scenes)  # fmt: skip
    finally:
        done.set()
        watching.join()
    print("Wrote", write_progress(Follower(folder).look(), folder / "live.html"))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/follow"))
