"""Everything we measure on a GPU, in steps that can be cut off and gone on with.

    python benchmarks/gpu/kit.py --out results            # every step, on the GPU
    python benchmarks/gpu/kit.py --out results --steps network clips
    python benchmarks/gpu/kit.py --out results --kernels-only   # needs torch and numpy alone
    python benchmarks/gpu/kit.py --out results --cpu-smoke      # every step, tiny, on a CPU

Results go to ``results/results.json`` after every measurement. The same command goes on where it
stopped; what failed is tried again. A step begins no measurement after ``--limit`` seconds.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from pathlib import Path

import torch
from steps import Results, Setting, card

HERE = Path(__file__).parent
for quiet in ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_HUB_OFFLINE"):
    os.environ.setdefault(quiet, "1")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
ROOT = HERE.parents[1]
# The reference cases and the tiny pipelines are read as the tests read them.
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "backends")]

# Name, module and function; the most telling first.
STEPS = {
    "kernels": ("kernels", "steps"),
    "network": ("network", "steps"),
    "parity": ("parity", "steps"),
    "clips": ("clips", "clip_steps"),
    "autoencoder": ("clips", "autoencoder_steps"),
    "memory": ("network", "memory_steps"),
    "families": ("families", "steps"),
    "plans": ("plans", "steps"),
    "compile": ("network", "compile_steps"),
}
KERNELS_ONLY = ("kernels",)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of results.json")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--kernels-only", action="store_true")
    parser.add_argument("--cpu-smoke", action="store_true")
    parser.add_argument("--match", default="", help="regular expression on measurements' names")
    parser.add_argument("--limit", type=float, default=420, help="seconds a step")
    parser.add_argument("--total", type=float, help="seconds in all")
    asked = parser.parse_args()
    if not asked.cpu_smoke and not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device. --cpu-smoke tries every step on the CPU.")
    device = torch.device("cpu" if asked.cpu_smoke else "cuda")
    setting = Setting(device, tiny=asked.cpu_smoke)
    torch.manual_seed(0)
    asked.out.mkdir(parents=True, exist_ok=True)
    results = Results(asked.out / "results.json")
    results.held["machine"] = card(device)
    end = time.perf_counter() + (asked.total or float("inf"))
    for name in KERNELS_ONLY if asked.kernels_only else asked.steps:
        module, function = STEPS[name]
        left = end - time.perf_counter()
        if left <= 0:
            print(f"{name}: no time is left", flush=True)
            continue
        begin = _opener(module, function, setting)
        results.run(name, begin, min(asked.limit, left), asked.match)
    failures = results.failures()
    print("\n".join(["", f"{len(failures)} failed", *failures]))
    return 1 if failures else 0


def _opener(module: str, function: str, setting: Setting):
    """The step's measurements; what it imports is imported when the first one is asked for."""
    yield from getattr(importlib.import_module(module), function)(setting)


if __name__ == "__main__":
    sys.exit(main())
