"""Gemini as critic and GPT-4o as rewriter, with what it costs.

By default nothing leaves this machine: both SDKs call a loopback server that gives scripted
replies, so that you see every request, the tokens and the price before you pay for any. With both
keys set (GEMINI_API_KEY or GOOGLE_API_KEY, and OPENAI_API_KEY) and --paid, the same lines ask the
services. The video generator is the embedded one; put your own in its place.

It needs the extras: pip install ".[demo,gemini,openai]" in a checkout.
Run it: python examples/03_gemini_gpt4o.py [folder] [--paid]
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from phyrefine import Budget, Clip, Refinement, Scenario, SelfRefiner
from phyrefine.backends.gemini import GeminiVLM
from phyrefine.backends.loopback import Loopback
from phyrefine.backends.loopback.rehearsal import rehearse
from phyrefine.backends.openai import OpenAILLM
from phyrefine.errors import MissingDependencyError

# GPT-4o, the paper's rewriter, leaves OpenAI's API on 2027-01-14: take "gpt-6-luna" from then on.
GEMINI, GPT = "gemini-3.8-flash", "gpt-4o"
# US dollars per million tokens, from a price list of 2026-11-22: check yours before you trust it.
PRICES = {GEMINI: {"input": 0.75, "output": 3.75}, GPT: {"input": 2.50, "output": 10.00}}


@contextlib.contextmanager
def models(paid: bool) -> Iterator[tuple[GeminiVLM, OpenAILLM]]:
    """The two services, or a local server that imitates both."""
    if paid:
        with GeminiVLM(GEMINI, fps=8, thinking="low") as vlm:
            yield vlm, OpenAILLM(GPT)
        return
    with Loopback(rehearse) as server:
        with GeminiVLM(GEMINI, fps=8, thinking="low", api_key="none", base_url=server.url) as vlm:
            yield vlm, OpenAILLM(GPT, api_key="none", base_url=server.openai_url)
        print(f"Rehearsed: {len(server.requests)} requests, {len(server.alive)} files left behind.")


def falling_ball(seconds: float = 3.0, fps: float = 24.0, height: int = 144) -> Clip:
    """A film of a ball in free fall in front of a wall: the prefix."""
    width = height * 16 // 9
    rows, columns = np.mgrid[:height, :width] / height
    frames = np.empty((round(seconds * fps), height, width, 3), np.uint8)
    frames[:] = np.where(rows[..., None] < 0.85, (214, 206, 190), (110, 88, 66))
    for index, frame in enumerate(frames):
        time = index / fps
        away = np.hypot(rows - (0.1 + 0.06 * time**2), columns - (0.3 + 0.1 * time))
        frame[away < 0.05] = (190, 40, 40)
    return Clip(frames, fps)


def main(folder: Path, *, paid: bool = False, generator: str = "world") -> Refinement:
    """Refine one scenario within a budget, and say what it took."""
    scenario = Scenario("A red ball falls towards a floor.", falling_ball(), name="two-services")
    with models(paid) as (vlm, llm):
        refiner = SelfRefiner(
            vlm, llm, generator, run_dir=folder, budget=Budget(usd=1.00), prices=PRICES
        )
        refinement = refiner.refine(scenario)
    usage = refinement.usage
    print(f"Stopped: {refinement.stopped_by} ({refinement.reason}).")
    print(f"Took {usage.calls} calls, {dict(usage.tokens)} tokens, {usage.usd:.4f} US dollars.")
    print(f"Prompt: {refinement.prompt.text}")
    return refinement


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--paid"]
    paid = "--paid" in sys.argv
    if paid and not (
        os.environ.get("OPENAI_API_KEY")
        and (os.environ.get("GEMINI_API_KEY") or os.environ.get("GOOGLE_API_KEY"))
    ):
        sys.exit("--paid needs OPENAI_API_KEY and GEMINI_API_KEY (or GOOGLE_API_KEY).")
    try:
        main(Path(words[0] if words else "runs/two-services"), paid=paid)
    except MissingDependencyError as missing:
        sys.exit(str(missing))
