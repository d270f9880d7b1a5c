"""Caption cleaning against stored pairs, exactly."""

import pytest

from magi.goldens import read_json
from phyrefine.magi.text.cleaning import clean_caption

PAIRS = [(pair["in"], pair["out"]) for pair in read_json("text_cleaning")]


@pytest.mark.parametrize(("given", "cleaned"), PAIRS)
def test_stored_pairs(given, cleaned):
    assert clean_caption(given) == cleaned


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        ("A%20Ball+falls", "a ball falls"),
        ("<person> waves", "person waves"),
        ("drop a-b_c-d_e here", "drop a b c d e here"),  # more than three joiners
        ("keep a-b-c here", "keep a-b-c here"),
        ("at 1.2.3.4 now", "at now"),
        ("lens #12345 and #12", "lens and"),
        ("shot1234567 ok", "shot1234567 ok"),  # four letters are a word
        ("poster.jpg of a cat", "of a cat"),
        ("3\u00d74 grid", "grid"),
        ("a\\nb", "a b"),
        ("\u4e2d\u6587 text \u3042", "text \u3042"),
        ("worldwide free shipping on a kettle", "on a kettle"),
        ("", ""),
        (".hidden", ""),
    ],
)
def test_rules_one_by_one(given, cleaned):
    assert clean_caption(given) == cleaned


def test_no_warning_for_a_prompt_that_looks_like_a_path():
    """Warnings are errors here."""
    assert clean_caption("/tmp/ball") == "tmp ball"
