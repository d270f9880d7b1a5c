"""A text-to-video benchmark from a prompt file to a table, rehearsed on this machine.

Needs neither GPU nor key nor download: pip install ".[diffusers,openai]". A pipeline with tiny
random weights makes the clips (they are noise), and a server on this machine plays the critic, the
rewriter and the judge with replies that know no physics. Everything between is as in a real run::

    python examples/06_text_to_video_benchmark.py

For a real one, replace the prompt file by your download, and the models by yours::

    phyrefine bench phygenbench --data PhyGenBench/prompts.json --generator diffusers:MODEL \
        --vlm gemini --llm gemini --judge-vlm gemini

Before you believe a judge, test it on clips of yours: phyrefine doctor --judge gemini --clip FILE
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from phyrefine.backends.diffusers.tiny import tiny_cogvideox
from phyrefine.backends.loopback.rehearsal import rehearse
from phyrefine.backends.loopback.server import Loopback
from phyrefine.cli import main

# Two prompts of our own in the shape of PhyGenBench's file; none of a benchmark is copied here.
PROMPTS = [
    {"caption": "A stone is dropped into a bucket of water.", "physical_laws": "the stone sinks",
     "sub_category": "Buoyancy", "main_category": "Force"},
    {"caption": "A torch shines on a box in a dark room.", "physical_laws": "a shadow appears",
     "sub_category": "Direct Radiation", "main_category": "Light"},
]  # fmt: skip


def rehearsed(folder: Path) -> int:
    """Run the benchmark in a folder; gives the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prompts.json").write_text(json.dumps(PROMPTS), "utf-8")
    if not (folder / "tiny").is_dir():
        tiny_cogvideox(image=False).save_pretrained(folder / "tiny")
    with Loopback(rehearse) as server:
        model = f"openai:loopback?base_url={server.openai_url}"
        return main([
            "bench", "phygenbench", "--data", str(folder / "prompts.json"),
            "--generator", f"diffusers:{folder / 'tiny'}", "--vlm", model, "--llm", model,
            "--judge-vlm", model, "--loops", "1", "--steps", "2", "--seeds", "0,1",
            "--seconds", "1", "--fps", "8", "--size", "32", "32", "--out", str(folder / "out"),
        ])  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A rehearsed text-to-video benchmark.")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-example"))
    sys.exit(rehearsed(parser.parse_args().out))
