import json
from pathlib import Path

import pytest

from phyrefine.refine.convergence import NearPrompt
from phyrefine.refine.similarity import (
    cue_imbalance,
    cue_overlap,
    cues,
    edit_similarity,
    normalize,
    opposition,
    stem,
)
from phyrefine.types import Prompt

PAIRS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data/refine/prompt_pairs.jsonl")
    .read_text()
    .splitlines()
]


def test_normalize_forgets_case_space_and_punctuation_only():
    assert normalize("  The BALL, it falls:  3.5 m!") == "the ball it falls 3.5 m"
    assert normalize("doesn’t") == "doesn't"


@pytest.mark.parametrize(
    ("words", "common"),
    [(("falls", "falling", "fell"), "fall"), (("bounces", "bounced", "rebounds"), "bounc"),
     (("stopping", "stopped", "stops"), "stop"), (("carries", "carry"), "carry")],
)  # fmt: skip
def test_stems_bring_inflections_together(words, common):
    stems = {stem(word) for word in words}
    assert len(stems) <= 2
    assert any(found.startswith(common[:4]) for found in stems)


def test_doubled_consonants_are_undone_except_where_the_base_has_them():
    assert {stem(word) for word in ("stopped", "stopping", "stops", "stop")} == {"stop"}
    assert {stem(word) for word in ("rolling", "rolled", "rolls", "roll")} == {"roll"}


def test_long_texts_of_few_words_still_compare():
    long = " ".join(["the ball falls and rises"] * 50)
    assert edit_similarity(long, long + " slowly") > 0.99


def test_cues_leave_function_words_out():
    assert cues("The ball is on the floor") == {"ball", "floor"}


def test_overlap_and_imbalance():
    assert cue_overlap("red ball", "red ball") == 1.0
    assert cue_overlap("", "") == 1.0
    assert cue_overlap("red ball", "blue cube") == 0.0
    assert cue_overlap("red ball", "red cube") == pytest.approx(1 / 3)
    assert cue_imbalance("red ball", "red cube") == 0
    assert cue_imbalance("red ball", "red ball near cold water") == 3
    assert edit_similarity("a b c", "a b c") == 1.0


@pytest.mark.parametrize(
    ("one", "two"),
    [("the ball rises", "the ball falls"), ("moves left", "moves right"),
     ("it bounces 3 times", "it bounces 5 times"), ("it bounces", "it does not bounce"),
     ("grows faster", "grows slower")],
)  # fmt: skip
def test_oppositions_are_found_both_ways(one, two):
    assert opposition(one, two)
    assert opposition(two, one)


def test_no_opposition_in_a_paraphrase_that_holds_both_poles():
    assert not opposition("it rises and then falls", "then it falls after it rises")


def test_near_prompt_on_labelled_pairs():
    """Half of the pairs (the first) was looked at when thresholds were set."""
    assert len(PAIRS) >= 100
    near = NearPrompt()
    said = [
        (pair["kind"], near.near(Prompt(pair["one"]), Prompt(pair["two"]))[0]) for pair in PAIRS
    ]
    positives = [yes for kind, yes in said if kind == "paraphrase"]
    called = [kind for kind, yes in said if yes]
    assert sum(positives) / len(positives) >= 0.95
    assert called.count("paraphrase") / len(called) >= 0.95
    assert called.count("negated") == 0
