"""A seeded mutation run over the method, the ensembles and the metrics, by mutmut.

    pip install mutmut && python benchmarks/mutation.py --sample 150 --seed 0

mutmut changes one operator, constant or argument at a time and runs the tests that reach it; a
mutant that no test notices is a survivor, printed with its change. Works in a copy, so that the
checkout stays as it is. What is mutated and tested stands in pyproject.toml, ``[tool.mutmut]``.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = "import sys; from mutmut.__main__ import cli; sys.exit(cli())"


def mutmut(folder: Path, *words: str) -> str:
    done = subprocess.run([sys.executable, "-c", CODE, *words], cwd=folder, capture_output=True,
                          text=True, check=False)  # fmt: skip
    return done.stdout + done.stderr


def names(folder: Path) -> list[str]:
    """Every mutant mutmut generated, in order."""
    found: list[str] = []
    for path in sorted((folder / "mutants" / "phyrefine").rglob("*.py")):
        module = ".".join(path.relative_to(folder / "mutants").with_suffix("").parts)
        text = path.read_text(encoding="utf-8")
        functions = re.findall(r"def (\w*x[_ǁ]\w+__mutmut_\d+)\(", text)
        found += [f"{module}.{function}" for function in dict.fromkeys(functions)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=None, help="folder to work in and keep")
    arguments = parser.parse_args()
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="mutation"))
    skipped = shutil.ignore_patterns(".git", ".venv", "runs", "__pycache__", ".*_cache", "mutants")
    shutil.copytree(ROOT, folder, ignore=skipped, dirs_exist_ok=True)
    mutmut(folder, "run", "no.such.mutant")  # generates all, runs none
    every = names(folder)
    chosen = sorted(random.Random(arguments.seed).sample(every, min(arguments.sample, len(every))))
    print(f"{len(every)} mutants, {len(chosen)} drawn with seed {arguments.seed}", flush=True)
    print(mutmut(folder, "run", *chosen)[-2000:])
    results = mutmut(folder, "results", "--all", "true")
    verdicts = dict(re.findall(r"^\s*(\S+__mutmut_\d+): (.+)$", results, re.MULTILINE))
    told = {name: verdicts.get(name, "unknown") for name in chosen}
    counts = {verdict: list(told.values()).count(verdict) for verdict in sorted(set(told.values()))}
    print(counts)
    for name, verdict in told.items():
        if verdict != "killed":
            print(f"\n{verdict}: {name}\n{mutmut(folder, 'show', name)}")


if __name__ == "__main__":
    main()
