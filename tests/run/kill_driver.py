"""A small refinement run, killed at random times and started again, until it is done.

    python kill_driver.py FOLDER --workers 2 --seed 0 --kills 10

``FOLDER/calls.log`` gets a line before and after each backend call, and a line for each kill; the
run is in ``FOLDER/run``. Every start is a fork of this process, so that importing takes no part of
the time in which a kill can fall. ``--kills 0`` leaves it
alone.
"""

import argparse
import contextlib
import os
import random
import signal
import threading
import time
import traceback
from pathlib import Path

from phyrefine.run import RunSpec, open_run, run_many, wrap_asker, wrap_generator
from phyrefine.testing import MovingDot, StreamingDot, moving_clip
from phyrefine.types import (
    Answer,
    Attempt,
    Candidate,
    Choice,
    Critique,
    Pick,
    Prompt,
    Question,
    Refinement,
    Scenario,
    Shot,
    Usage,
)

SCENARIOS = 4
LOOPS = 3


class Log:
    """One line per call, written at once, so that it survives a kill."""

    def __init__(self, folder):
        self.path = folder / "calls.log"
        self.file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def lines(self):
        return self.path.read_bytes().count(b"\n")

    def write(self, *words):
        os.write(self.file, (" ".join(words) + "\n").encode())

    @contextlib.contextmanager
    def call(self, name):
        worker = threading.current_thread().name
        self.write("begin", name, worker)
        yield
        self.write("end", name, worker)


class Critic:
    identity = "critic"

    def __init__(self, log):
        self.log = log

    def ask(self, question):
        with self.log.call(f"critic:{question.text}".replace(" ", "_")):
            time.sleep(0.004)
            return Answer(f"after {question.text}", "critic-1", Usage(1, {"input": 10}))


class Dot:
    """A generator that streams or not."""

    def __init__(self, log, streaming):
        self.log = log
        inner = StreamingDot() if streaming else MovingDot()
        self.inner, self.identity, self.profile = inner, inner.identity, inner.profile

    def deliver(self, shot, chunks):
        return self.inner.deliver(shot, chunks)

    def generate(self, shot):
        with self.log.call(f"clip:{shot.prompt.text}".replace(" ", "_")):
            time.sleep(0.01)
            return self.inner.generate(shot)

    def stream(self, shot):
        chunks = self.inner.stream(shot)
        for index in range(len(shot.accepted), 3):
            with self.log.call(f"chunk{index}:{shot.prompt.text}".replace(" ", "_")):
                time.sleep(0.005)
                chunk = next(chunks)
            yield chunk


def refine(run, critic, generators, scenario):
    prompt, attempts = Prompt(scenario.description), []
    for index in range(LOOPS):
        generator = generators[index % 2]
        shot = Shot(prompt, scenario.prefix, seconds=3.0, fps=24.0, size=(24, 16))
        clip = generator.generate(shot)
        said = critic.ask(Question("critique", prompt.text, clips=(clip,)))
        revision = Prompt(said.text)
        attempt = Attempt(index, prompt, (Candidate(clip),), Critique(said.text), revision)
        attempts.append(attempt)
        prompt = revision
    refinement = Refinement(scenario, tuple(attempts), Choice(Pick(LOOPS - 1), "last", "last"))
    run.save_refinement(refinement)
    return refinement


def work(folder, workers):
    log = Log(folder)
    scenarios = [Scenario(f"scene {n}", moving_clip(6, (16, 16))) for n in range(SCENARIOS)]
    with open_run(folder / "run", RunSpec({"loops": LOOPS})) as run:
        options = {"store": run.store, "meter": run.meter, "listeners": run.listeners}
        critic = wrap_asker(Critic(log), **options)
        generators = [wrap_generator(Dot(log, streaming), **options) for streaming in (0, 1)]
        outcomes = run_many(
            lambda scenario: refine(run, critic, generators, scenario),
            scenarios,
            workers=workers,
            progress=False,
        )
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error


def start(folder, workers):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work(folder, workers)
            status = 0
        except BaseException:  # noqa: BLE001 - the child ends here, whatever it was
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=10, help="then it is left alone")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    chance, log = random.Random(options.seed), Log(options.folder)
    for kill in range(options.kills + 1):
        child = start(options.folder, options.workers)
        # Counting calls, not seconds alone, makes kills fall everywhere on slow machines too.
        more = chance.randrange(8) if kill < options.kills else SCENARIOS * LOOPS * 100
        lines, delay = log.lines() + more, chance.uniform(0, 0.03)
        done, status = 0, 0
        while not done and log.lines() < lines:
            time.sleep(0.0005)
            done, status = os.waitpid(child, os.WNOHANG)
        if done:
            raise SystemExit(os.waitstatus_to_exitcode(status))
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        log.write("kill")


if __name__ == "__main__":
    main()
