import pytest
from hypothesis import given
from hypothesis import strategies as st

from phyrefine.report.diff import word_diff

PROMPTS = st.text(alphabet="ab c\n落ち,.", max_size=40)


def joined(pieces, *kinds):
    return "".join(piece.text for piece in pieces if piece.kind in kinds)


@given(PROMPTS, PROMPTS)
def test_the_pieces_rebuild_both_prompts(before, after):
    pieces = word_diff(before, after)
    assert joined(pieces, "same", "added") == after
    assert "".join(joined(pieces, "same", "removed").split()) == "".join(before.split())


def test_only_the_changed_words_are_marked():
    pieces = word_diff("the ball falls slowly down", "the ball  falls fast down")
    assert [(piece.kind, piece.text.strip()) for piece in pieces] == [
        ("same", "the ball  falls"),
        ("removed", "slowly"),
        ("added", "fast"),
        ("same", "down"),
    ]


def test_removed_words_do_not_run_into_their_neighbors():
    shown = "".join(piece.text for piece in word_diff("a wooden floor.", "a wooden floor and"))
    assert shown == "a wooden floor. floor and"
    assert "".join(piece.text for piece in word_diff("up down", "up")) == "up down"


@pytest.mark.parametrize("text", ["", "one", "two words"])
def test_equal_prompts_have_no_changes(text):
    assert {piece.kind for piece in word_diff(text, text)} <= {"same"}


def test_scripts_without_spaces_are_compared_by_character():
    kinds = [piece.kind for piece in word_diff("球が落ちる", "球が弾ちる")]
    assert kinds == ["same", "removed", "added", "same"]
