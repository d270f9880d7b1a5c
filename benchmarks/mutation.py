"""A seeded mutation run over the method, the ensembles and the metrics.

    python benchmarks/mutation.py --sample 60 --seed 0

Changes one operator, constant, condition or return value at a time and runs the tests of that
room; a mutant that no test notices is a survivor, printed with its change. Mutated source is
handed to the import system in a forked process, so that no file is ever touched. Needs fork
(Linux, macOS).
"""

from __future__ import annotations

import argparse
import ast
import collections
import contextlib
import copy
import difflib
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {
    "phyrefine/refine": ["tests/refine"],
    "phyrefine/select": ["tests/select"],
    "phyrefine/physics_iq/metrics/measures.py": ["tests/physics_iq/metrics/test_metrics.py"],
}
COMPARE = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
BINARY = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
# A mutant that makes a loop endless is noticed too, by this.
SECONDS_PER_MUTANT = 90


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Every single change of one node, the node itself left as it is."""
    new = copy.copy(node)
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARE:
        new.ops = [COMPARE[type(node.ops[0])](), *node.ops[1:]]
        yield new
    elif isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        new.op = BINARY[type(node.op)]()
        yield new
    elif isinstance(node, ast.BoolOp):
        new.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield new
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        new.value = not node.value
        yield new
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        new.value = node.value + 1
        yield new
    elif isinstance(node, ast.IfExp):
        yield node.orelse
    elif isinstance(node, ast.Return) and not _is_none(node.value):
        new.value = ast.Constant(None)
        yield new


def _is_none(node: ast.AST | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


def mutants(path: Path) -> list[tuple[int, str]]:
    """(line, mutated source) of every change inside functions and class bodies of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            places = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
            for index, node in places:
                if not isinstance(node, ast.AST):
                    continue
                for new in changes(node):
                    _put(parent, name, index, new)
                    found.append((getattr(node, "lineno", 0), ast.unparse(tree)))
                    _put(parent, name, index, node)
    return found


def _put(parent: ast.AST, name: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[index] = node


class Swapped(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Gives one module other source than its file holds."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self.module, self.path, self.source = module, path, source

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def get_filename(self, fullname):
        return str(self.path)

    def get_data(self, path):
        if Path(path) == self.path:
            return self.source.encode()
        raise OSError(path)  # no cached bytecode


def notices(path: Path, source: str, tests: list[str]) -> str:
    """Run the tests on a mutant in a child: ``killed``, ``survived`` or ``timeout``."""
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            signal.alarm(SECONDS_PER_MUTANT)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            import pytest

            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            sys.meta_path.insert(0, Swapped(module, path, source))
            code = int(
                pytest.main(["-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", *tests])
            )
        os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "timeout" if os.WTERMSIG(status) == signal.SIGALRM else "killed"
    return "survived" if os.WEXITSTATUS(status) == 0 else "killed"


def difference(path: Path, mutated: str) -> str:
    whole = ast.unparse(ast.parse(path.read_text(encoding="utf-8"))).splitlines()
    lines = difflib.unified_diff(whole, mutated.splitlines(), n=0, lineterm="")
    return "\n".join(line for line in lines if line[:2] not in ("--", "++", "@@"))


def every() -> list[tuple[Path, int, str, list[str]]]:
    found = []
    for place, tests in ROOMS.items():
        top = ROOT / place
        for path in sorted(top.rglob("*.py")) if top.is_dir() else [top]:
            found += [(path, line, source, tests) for line, source in mutants(path)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=15.0, help="start no mutant after this")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    import av  # noqa: F401 - what every child needs is loaded once; phyrefine itself is not
    import cattrs  # noqa: F401
    import jinja2  # noqa: F401
    import numpy as np  # noqa: F401
    import pytest  # noqa: F401

    pool = every()
    chosen = random.Random(arguments.seed).sample(pool, min(arguments.sample, len(pool)))
    print(f"{len(pool)} mutants, {len(chosen)} drawn with seed {arguments.seed}", flush=True)
    for tests in ROOMS.values():  # a red suite would kill every mutant
        path = next(iter(pool))[0]
        if notices(path, path.read_text(encoding="utf-8"), tests) != "survived":
            sys.exit(f"{tests} fail without any mutation")
    started, counts = time.monotonic(), collections.Counter()
    for path, line, source, tests in chosen:
        if time.monotonic() - started > 60 * arguments.minutes:
            break
        verdict = notices(path, source, tests)
        counts[verdict] += 1
        if verdict == "survived":
            print(f"\n{path.relative_to(ROOT)}:{line}\n{difference(path, source)}", flush=True)
    print(f"\n{dict(counts)} of {counts.total()} run, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
