"""Tokens and dollars of one refine() with API models, call by call.

    python benchmarks/api_cost.py

The default method runs on a three-second prefix at 24 fps and five new seconds, through the real
SDKs, against the loopback server, whose replies are rehearsed. Input tokens are therefore those of
the prompts and frames really sent, as estimated by the services' published rules (text: four
characters a token; Gemini 3: 70 a sampled frame; OpenAI: 85 an image at detail "low"). Output tokens
are what rehearsed replies have: real ones are longer, so the table takes ``OUTPUT`` instead.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from phyrefine import Scenario, SelfRefiner
from phyrefine.backends.calling.models import GEMINI_DEFAULT
from phyrefine.backends.gemini import GeminiVLM
from phyrefine.backends.loopback import Loopback
from phyrefine.backends.loopback.rehearsal import rehearse
from phyrefine.backends.openai import OpenAILLM, OpenAIVLM
from phyrefine.refine.convergence import MaxLoops
from phyrefine.testing import MovingDot, moving_clip

# US dollars per million tokens (input, output), from the price maps of LiteLLM 1.109.1 and
# genai-prices 0.2.3, which agree; read on 2026-11-25.
PRICES = {GEMINI_DEFAULT: (0.75, 3.75), "gpt-4o": (2.50, 10.00)}
# Assumed tokens of a real reply, thinking included.
OUTPUT = {"predict": 1200, "critique": 1200, "compose": 200, "judge": 400}
LOOPS = 4


class Calls:
    """Listens to every call of a model."""

    def __init__(self) -> None:
        self.inputs: dict[tuple[str, str], list[int]] = defaultdict(list)

    def on_event(self, event: str, details: Mapping[str, Any]) -> None:
        if event == "call" and "model" in details:
            tokens = details["usage"].tokens.get("input", 0)
            self.inputs[details["stage"], details["model"]].append(tokens)


def run(vlm: Any, llm: Any) -> Calls:
    calls = Calls()
    scenario = Scenario("A red ball falls towards a floor.", moving_clip(72, (64, 64), 24.0))
    SelfRefiner(
        vlm, llm, MovingDot(), convergence=MaxLoops(LOOPS), listeners=[calls]
    ).refine(scenario)  # fmt: skip
    return calls


def table(title: str, calls: Calls) -> None:
    print(
        f"\n{title}\n\n| stage | model | calls | input tokens a call | USD |\n|---|---|---|---|---|"
    )
    total = 0.0
    for (stage, model), inputs in calls.inputs.items():
        given, made = PRICES[model]
        usd = (sum(inputs) * given + len(inputs) * OUTPUT[stage] * made) / 1e6
        total += usd
        mean = round(statistics.mean(inputs))
        print(f"| {stage} | {model} | {len(inputs)} | {mean} | {usd:.4f} |")
    print(f"| all | | {sum(map(len, calls.inputs.values()))} | | {total:.3f} |")


def main() -> None:
    print(f"{dt.datetime.now(dt.UTC).date()}, baseline and {LOOPS} loops, 3 s prefix and 5 s made")
    with Loopback(rehearse) as server:
        gemini = {"api_key": "none", "base_url": server.url}
        openai = {"api_key": "none", "base_url": server.openai_url}
        llm = OpenAILLM("gpt-4o", **openai)
        table("Gemini as critic, video at 8 fps", run(GeminiVLM(**gemini), llm))
        high = GeminiVLM(media_resolution="high", **gemini)
        table("Gemini as critic, media_resolution high", run(high, llm))
        table("GPT-4o as critic, frames", run(OpenAIVLM("gpt-4o", **openai), llm))


if __name__ == "__main__":
    main()
