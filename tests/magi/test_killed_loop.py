"""The whole method on a tiny MAGI-1, killed between chunks and started again."""

from __future__ import annotations

import json
import os
import signal
import zlib

import pytest

from phyrefine.backends.magi import MagiGenerator
from phyrefine.refine.convergence import MaxLoops
from phyrefine.refiner import SelfRefiner
from phyrefine.testing import moving_clip
from phyrefine.types import Scenario

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork of this process"),
]

SCENE = Scenario("A ball rolls.", moving_clip(72, (32, 48), 24.0), seconds=3.0)
CLIPS = 3
# One step to a stage; four chunks are in flight at once, so three chunks take six stages.
STEPS, CHUNKS = 6, 3
# Stages five and six each show a finished chunk once more.
FORWARDS = STEPS + 2
# Complete chunks of the prefix, each shown alone.
PREFIX = 3


def vlm(question):
    """Always finds another fault."""
    if question.stage == "predict":
        return json.dumps({"scene": "", "domains": [], "events": [], "prediction": "It rolls on."})
    what = f"stop {zlib.crc32(question.clips[0].frames.tobytes()) % 1000}"
    fault = {"law": "Inertia", "what": what, "start": 3.5, "end": None, "where": ""}
    return json.dumps(
        {
            "observed": "",
            "moving": True,
            "corrected": f"No more {what}.",
            "violations": [fault | {"severity": 1, "confidence": 1}],
        }
    )


def llm(question):
    number = zlib.crc32(question.text.encode()) % 1000
    return json.dumps({"prompt": f"Ball {number} rolls on.", "negative": ""})


class Fatal:
    """A generator that kills its process when asked for one chunk more than ``chunks``.

    By then the chunks before are stored; the next one may be half denoised in its thread.
    """

    def __init__(self, generator, chunks):
        self.inner, self.left = generator, chunks
        self.profile, self.identity = generator.profile, generator.identity
        self.deliver = generator.deliver

    def generate(self, shot):
        made = [chunk.clip for chunk in self.stream(shot)]
        return self.deliver(shot, [*shot.accepted, *made])

    def stream(self, shot):
        for chunk in self.inner.stream(shot):
            yield chunk
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


def refine(folder, run_dir, fatal=None):
    """One whole run; gives its outcome, denoising steps and forward passes."""
    generator, calls = MagiGenerator.from_pretrained(folder), []
    generator.pipeline.transformer.register_forward_pre_hook(lambda *_: calls.append(1))
    used = generator if fatal is None else Fatal(generator, fatal)
    refiner = SelfRefiner(vlm, llm, used, convergence=MaxLoops(2), ensemble="last", run_dir=run_dir)
    return refiner.refine(SCENE), generator.steps_done, len(calls)


def killed(folder, run_dir, fatal):
    child = os.fork()
    if child == 0:
        try:
            refine(folder, run_dir, fatal)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def test_prefix_and_steps_are_counted(original, tmp_path):
    result, steps, forwards = refine(original, tmp_path / "run")
    assert len(result.attempts) == CLIPS
    assert steps == STEPS * CLIPS
    # The three chunks of the prefix are shown once for all clips, not once for each.
    assert forwards == PREFIX + FORWARDS * CLIPS


@pytest.mark.parametrize(("stored", "left"), [(1, 2), (2, 1)])
def test_a_killed_run_pays_only_for_unfinished_chunks(original, tmp_path, stored, left):
    """Killed with some chunks of the second clip stored; the third clip is still to do."""
    plain, _, _ = refine(original, tmp_path / "plain")
    assert killed(original, tmp_path / "run", CHUNKS + stored) == signal.SIGKILL
    again, steps, forwards = refine(original, tmp_path / "run")
    assert steps == left + STEPS
    # Every stage shows one finished chunk; those still seen before it are shown again too.
    assert forwards == PREFIX + 2 * left + stored - 1 + FORWARDS
    assert [a.clip for a in again.attempts] == [a.clip for a in plain.attempts]
    assert again.video == plain.video
    finished, steps, forwards = refine(original, tmp_path / "run")
    assert finished.video == plain.video
    assert (steps, forwards) == (0, 0)
