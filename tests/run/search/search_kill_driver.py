"""A refinement with a search, killed at random calls and started again until it is done.

    python search_kill_driver.py FOLDER backtracking --seed 0 --kills 6

``FOLDER/calls.log`` gets a line before and after each call of a backend. A start kills itself with
SIGKILL within a call, chosen at random.
"""

import argparse
import os
import random
import signal
from pathlib import Path

from search_toys import ToyStream, scenario

from phyrefine import Budget, Candidates, SelfRefiner
from phyrefine.refine.convergence import MaxLoops
from phyrefine.refine.stages import PAPER
from phyrefine.run.search import Backtracking, ChunkSearch, Draft
from phyrefine.types import Answer, Usage


class Dying:
    """Writes each call to the log, and kills the process in the middle of one."""

    def __init__(self, folder, after):
        self.file = os.open(folder / "calls.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.left = after

    def call(self, name):
        os.write(self.file, f"begin {name}\n".encode())
        self.left -= 1
        if self.left == 0:
            os.write(self.file, b"kill\n")
            os.kill(os.getpid(), signal.SIGKILL)


class Asker:
    def __init__(self, dying, name):
        self.dying, self.identity = dying, name

    def ask(self, question):
        self.dying.call(f"{self.identity}:{question.stage}:{hash_of(question)}")
        if question.stage == "critique":
            white = question.clips[0].frames[24:].mean(axis=(1, 2, 3)) > 150
            at = [3.0 + index / 8.0 for index in range(0, len(white), 4) if white[index]]
            found = [{"law": "permanence", "what": "white", "start": start, "severity": 0.5,
                      "confidence": 0.5} for start in at]  # fmt: skip
            return reply({"corrected": "a dot moves", "violations": found, "moving": True})
        if question.stage == "predict":
            return reply({"prediction": "the dot moves on", "events": ["the dot moves on"]})
        return reply({"prompt": "the dot moves on", "negative": ""})


def reply(value):
    import json

    return Answer(json.dumps(value), "toy-1", Usage(1, {"input": 10}))


def hash_of(question):
    import hashlib

    from phyrefine.serialize import canonical, to_json

    return hashlib.blake2b(canonical(to_json(question)), digest_size=6).hexdigest()


class Logged(ToyStream):
    """The toy, every chunk of it in the log."""

    dying = None

    def stream(self, shot):
        chunks = ToyStream.stream(self, shot)
        for index in range(len(shot.accepted), 5):
            prompt = "+".join(one.text for one in shot.chunk_prompts) or shot.prompt.text
            state = (shot.state or b"").hex()[:8]
            self.dying.call(
                f"chunk:{index}:{shot.seed}:{shot.steps}:{state}:{prompt}".replace(" ", "_")
            )
            yield next(chunks)


def bad(index, seed):
    return index in (1, 3) and seed % 3 != 1


def work(folder, kind, after):
    dying = Dying(folder, after)
    toy = Logged(bad)
    toy.dying = dying
    vlm, llm = Asker(dying, "vlm"), Asker(dying, "llm")
    searches = {
        "backtracking": lambda: Backtracking(toy, vlm, chunks=24, revise=llm),
        "chunk_search": lambda: ChunkSearch(toy, 2, look_ahead=1),
    }
    more = {
        "drafts": {"draft": Draft(steps=2)},
        "watch": {"candidates": Candidates(seeds=(0, 1), watch=2)},
    }
    SelfRefiner(
        vlm, llm, searches.get(kind, lambda: toy)(), run_dir=folder / "run",
        **{
            "convergence": MaxLoops(1), "ensemble": "critics_pick", "method": PAPER,
            "budget": Budget(chunks=200), **more.get(kind, {}),
        },
    ).refine(scenario())  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=6)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(asked.seed)
    for kill in range(asked.kills + 1):
        after = chance.randrange(2, 7) if kill < asked.kills else 0
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(asked.folder, asked.kind, after)
                status = 0
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status >= 0:
            raise SystemExit(status)


if __name__ == "__main__":
    main()
