"""A refinement with ``gemini:`` and ``openai:`` on a loopback server and the world's generator,
killed at random times and started again, until it is done.

    python api_kill_driver.py FOLDER --seed 0 --kills 10

``FOLDER/calls.log`` gets a line for each request that reached the server, for each chunk that was
begun, and for each kill; the run is in ``FOLDER/run``. The server and every start are forks of
this process, so that importing takes no part of the time in which a kill can fall.
"""

import argparse
import hashlib
import os
import random
import signal
import time
import traceback
from pathlib import Path

from phyrefine import Scenario, SelfRefiner
from phyrefine.backends.gemini import GeminiVLM
from phyrefine.backends.loopback import Loopback
from phyrefine.backends.loopback.rehearsal import rehearse
from phyrefine.backends.openai import OpenAILLM
from phyrefine.run.endings import FINISHED
from phyrefine.testing import moving_clip
from phyrefine.world.generator import WorldGenerator

SCENARIO = Scenario(
    "A red ball falls.", moving_clip(24, (48, 64), 24.0), seconds=2.0, fps=24.0, name="ball"
)


class Log:
    """One line per call, written at once, so that it survives a kill."""

    def __init__(self, folder):
        self.path = folder / "calls.log"
        self.file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def lines(self):
        return self.path.read_bytes().count(b"\n")

    def write(self, *words):
        os.write(self.file, (" ".join(words) + "\n").encode())


class Watched:
    """The world's generator, with a line for each chunk it begins."""

    def __init__(self, log):
        self.log, self.inner = log, WorldGenerator(steps=2)
        self.identity, self.profile = self.inner.identity, self.inner.profile

    def generate(self, shot):
        raise AssertionError("a streaming generator is driven chunk by chunk")

    def stream(self, shot):
        name = hashlib.blake2b(shot.prompt.text.encode(), digest_size=8).hexdigest()
        chunks = self.inner.stream(shot)
        for index in range(len(shot.accepted), 2):
            self.log.write("chunk", f"{name}-{index}")
            yield next(chunks)
        assert next(chunks, None) is None

    def deliver(self, shot, chunks):
        return self.inner.deliver(shot, chunks)


def serve(folder, log):
    """A process of its own that serves for good; its address is in a file."""

    def note(request):
        log.write("ask", hashlib.blake2b(request.body, digest_size=8).hexdigest())
        time.sleep(0.01)

    with Loopback(rehearse, note) as server:
        (folder / "url.new").write_text(server.url)
        (folder / "url.new").rename(folder / "url")
        signal.pause()


def fork(work):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - the child ends here, whatever it was
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=10, help="then it is left alone")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    chance, log = random.Random(options.seed), Log(options.folder)
    server = fork(lambda: serve(options.folder, log))
    try:
        raise SystemExit(drive(options.folder, options.kills, chance, log))
    finally:
        os.kill(server, signal.SIGKILL)


def drive(folder, kills, chance, log):
    while not (folder / "url").exists():
        time.sleep(0.01)
    url = (folder / "url").read_text()
    vlm = GeminiVLM("gemini-test", api_key="k", base_url=url)
    llm = OpenAILLM("gpt-test", api_key="k", base_url=f"{url}/v1")
    generator = Watched(log)

    def work():
        result = SelfRefiner(vlm, llm, generator, run_dir=folder / "run").refine(SCENARIO)
        assert result.stopped_by in FINISHED, result.reason

    for kill in range(kills + 1):
        child = fork(work)
        # Counting calls, not seconds alone, makes kills fall everywhere on slow machines too.
        more = chance.randrange(3) if kill < kills else 10_000
        lines, delay = log.lines() + more, chance.uniform(0, 0.08)
        done, status = 0, 0
        while not done and log.lines() < lines:
            time.sleep(0.001)
            done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        log.write("kill")
    return 1


if __name__ == "__main__":
    main()
