"""The whole method on tiny pipelines, killed between chunks and started again."""

from __future__ import annotations

import json
import os
import signal
import zlib

import diffusers_cases as cases
import numpy as np
import pytest
from attrs import evolve

from phyrefine.backends.diffusers import CogVideoXGenerator
from phyrefine.refine.convergence import MaxLoops
from phyrefine.refine.stages import Method
from phyrefine.refiner import SelfRefiner
from phyrefine.testing import moving_clip
from phyrefine.types import Scenario

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

SCENE = Scenario("A ball rolls.", moving_clip(72, (45, 64), 24.0), seconds=2.5)
STEPS, CHUNKS, CLIPS = 2, 3, 3


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
    # The tiny tokenizer takes letters, and the model 16 of them.
    return json.dumps({"prompt": f"Ball {number} go.", "negative": ""})


def cogvideox():
    folder = str(cases.folder("cogvideox-i2v"))
    return CogVideoXGenerator.from_pretrained(folder, steps=STEPS, num_frames=9, label="counted")


def refine(run_dir, log, kill_at=None, *, make=cogvideox, scene=SCENE, loops=2):
    """One whole run; each forward pass is a byte in ``log``, and ``kill_at`` the fatal one."""
    generator = make()

    def count(*_):
        if kill_at is not None and log.stat().st_size + 1 == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        with log.open("ab") as file:
            file.write(b".")

    log.touch()
    hook = generator.pipe.transformer.register_forward_pre_hook(count)
    try:
        refiner = SelfRefiner(
            vlm,
            llm,
            generator,
            convergence=MaxLoops(loops),
            ensemble="last",
            method=Method(plan=False),  # each prompt is the rewriter's own
            run_dir=run_dir,
        )
        return refiner.refine(scene)
    finally:
        hook.remove()


def killed(run_dir, log, kill_at, **settings):
    child = os.fork()
    if child == 0:
        refine(run_dir, log, kill_at, **settings)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork of this process")
@pytest.mark.slow
def test_a_killed_run_pays_only_for_unfinished_chunks(tmp_path):
    plain = refine(tmp_path / "plain", tmp_path / "plain.log")
    assert len(plain.attempts) == CLIPS
    # A prompt that comes again takes its clip from the store.
    distinct = len({attempt.prompt.text for attempt in plain.attempts})
    assert distinct >= 2
    forwards = STEPS * CHUNKS * distinct
    assert (tmp_path / "plain.log").stat().st_size == forwards

    # Dies in the second step of the second chunk of the second clip.
    finished = STEPS * (CHUNKS + 1)
    log = tmp_path / "killed.log"
    assert killed(tmp_path / "run", log, finished + 2) == signal.SIGKILL
    assert log.stat().st_size == finished + 1

    log.unlink()
    again = refine(tmp_path / "run", log)
    assert log.stat().st_size == forwards - finished
    assert [a.clip for a in again.attempts] == [a.clip for a in plain.attempts]
    assert again.video == plain.video

    log.unlink()
    assert refine(tmp_path / "run", log).video == plain.video
    assert log.stat().st_size == 0


# Rows whose passes are made shorter here, so that a second takes two of them, and how short.
TWO_CHUNKS = {
    "hunyuanvideo-i2v": 17,
    "hunyuanvideo-i2v-33ch": 17,
    "kandinsky-5-i2v": 17,
    "kandinsky-6": 17,
    "motif-i2v": 17,
    "easyanimate-i2v": 5,
    "ltx-2.3": 81,
    "wan-2.2-i2v": 9,
    "ltx-modular": 17,
    "cosmos-3-modular": 17,
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork of this process")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context")
@pytest.mark.filterwarnings("ignore:In CPU autocast, but the target dtype is not supported")
@pytest.mark.parametrize("name", TWO_CHUNKS)
def test_a_row_goes_on_after_a_kill(name, tmp_path):
    """Killed in its last denoising step: finished chunks are kept, and the clips are the same."""
    found = cases.modular_generator if name in cases.MODULAR else cases.generator
    settings = {
        "make": lambda: found(name, num_frames=TWO_CHUNKS[name], label="counted"),
        "scene": evolve(SCENE, seconds=1.0),
        "loops": 1,
    }
    plain = refine(tmp_path / "plain", tmp_path / "plain.log", **settings)
    forwards = (tmp_path / "plain.log").stat().st_size
    log = tmp_path / "killed.log"
    assert killed(tmp_path / "run", log, forwards, **settings) == signal.SIGKILL
    log.unlink()
    again = refine(tmp_path / "run", log, **settings)
    assert len(again.attempts) == len(plain.attempts)
    for one, other in zip(again.attempts, plain.attempts, strict=True):
        assert one.prompt.text == other.prompt.text
        # On a busy CPU two plain runs of some models differ by rounding too, one level of 255.
        assert np.abs(one.clip.frames.astype(int) - other.clip.frames).max() <= 1
    assert 0 < log.stat().st_size <= forwards / 2
