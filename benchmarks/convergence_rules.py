"""Precision and recall of each prompt-equality rule on labelled prompt pairs.

A pair is *one prompt* when the second paraphrases the first, and *another prompt* when one cue is
negated or one is added. Run: python benchmarks/convergence_rules.py [PAIRS.jsonl]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from phyrefine.refine.convergence import NearPrompt
from phyrefine.refine.similarity import cue_overlap, edit_similarity, normalize, opposition
from phyrefine.types import Prompt

PAIRS = Path(__file__).parent.parent / "tests/data/refine/prompt_pairs.jsonl"


def rules() -> dict:
    near = NearPrompt()
    return {
        "same prompt (the paper's)": lambda a, b: normalize(a) == normalize(b),
        "cue overlap >= 0.80 alone": lambda a, b: cue_overlap(a, b) >= 0.80,
        "edit similarity >= 0.85 alone": lambda a, b: edit_similarity(a, b) >= 0.85,
        "nothing opposed alone": lambda a, b: not opposition(a, b),
        "near prompt (default)": lambda a, b: near.near(Prompt(a), Prompt(b))[0],
    }


def measure(rule, pairs) -> tuple[float, float, dict[str, int]]:
    said = [(pair["kind"], rule(pair["one"], pair["two"])) for pair in pairs]
    true = sum(kind == "paraphrase" and yes for kind, yes in said)
    false = {kind: sum(k == kind and yes for k, yes in said) for kind in ("negated", "added")}
    positives = sum(kind == "paraphrase" for kind, _ in said)
    called = true + sum(false.values())
    return (true / called if called else 1.0), true / positives, false


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    pairs = [json.loads(line) for line in path.read_text().splitlines()]
    # Thresholds were set while looking at the first half only.
    half = len(pairs) // 6 * 3
    for title, part in (("tuning half", pairs[:half]), ("held-out half", pairs[half:])):
        print(f"{title}: {len(part)} pairs, {len(part) // 3} of them paraphrases")
        print(f"{'rule':32}{'precision':>10}{'recall':>8}{'negated taken':>15}{'added taken':>13}")
        for name, rule in rules().items():
            precision, recall, false = measure(rule, part)
            print(
                f"{name:32}{precision:10.2f}{recall:8.2f}{false['negated']:15}{false['added']:13}"
            )


if __name__ == "__main__":
    main()
