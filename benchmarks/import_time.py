"""How long ``import phyrefine`` takes, what it loads, and what a first refiner adds.

    python benchmarks/import_time.py --repeats 9

Each figure is the best of fresh processes, measured inside them, so that the interpreter's own
start does not count.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

STATEMENTS = (
    "import phyrefine",
    "from phyrefine import SelfRefiner",
    "from phyrefine import SelfRefiner; SelfRefiner(print, print, print)",
    "import phyrefine.cli; phyrefine.cli.build()",
)
HEAVY = ("torch", "transformers", "diffusers", "openai", "google.genai", "cv2", "pymunk", "PIL")
PROBE = """
import json, sys, time
before = set(sys.modules)
wall, cpu = time.perf_counter(), time.process_time()
{statement}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps([1e3 * wall, 1e3 * cpu, sorted(set(sys.modules) - before)]))
"""


def measure(statement: str, repeats: int) -> tuple[float, float, list[str]]:
    """(best wall ms, best CPU ms, modules loaded) of a statement."""
    told = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", PROBE.format(statement=statement)],
                capture_output=True, text=True, check=True,
            ).stdout
        )
        for _ in range(repeats)
    ]  # fmt: skip
    return min(wall for wall, _, _ in told), min(cpu for _, cpu, _ in told), told[0][2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    for statement in STATEMENTS:
        wall, cpu, modules = measure(statement, arguments.repeats)
        heavy = [name for name in HEAVY if name in modules]
        print(f"{statement}\n  {wall:.0f} ms wall, {cpu:.0f} ms CPU, {len(modules)} modules")
        print(f"  heavy: {', '.join(heavy) or 'none'}")
        outside = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
        print(f"  packages: {', '.join(sorted(outside))}")


if __name__ == "__main__":
    main()
