import pytest
from attrs import evolve

from phyrefine.report.notebook import show
from phyrefine.table import Table
from phyrefine.testing import moving_clip
from phyrefine.types import Prompt


def test_every_value_shows_itself_without_scripts(refinement):
    table = Table(("a", "b"), [(1, "x")])
    for value in (moving_clip(), refinement.attempts[1], refinement, table):
        fragment = value._repr_html_()
        assert fragment == show(value)
        assert fragment.lstrip().startswith('<div class="phyrefine">')
        assert "<script" not in fragment
        assert "http" not in fragment


def test_a_run_shows_all_attempts_and_the_choice(refinement):
    fragment = refinement._repr_html_()
    assert fragment.count("<video") == 1 + 3
    assert "was chosen by" in fragment
    assert "Loop 2 · chosen" in fragment


def test_a_run_without_attempts_shows_why(make):
    fragment = make(attempts=(), choice=None, stopped_by="error", reason="no key")._repr_html_()
    assert "No attempt was finished." in fragment
    assert "no key" in fragment


def test_an_attempt_shows_prompt_and_violations(refinement):
    attempt = evolve(refinement.attempts[1], prompt=Prompt("<b>hot</b> & \u202ecold"))
    fragment = attempt._repr_html_()
    assert "&lt;b&gt;hot&lt;/b&gt; &amp; ⟨U+202E⟩cold" in fragment
    assert "energy at a bounce" in fragment


def test_other_values_have_no_partial():
    with pytest.raises(TypeError, match="No partial shows a int"):
        show(3)
