"""What searches rely on: the verifier on planted faults, drafts against finals."""

import pytest

from benchmarks.world.checks import draft_lines, verifier_rates
from benchmarks.world.scenes import SceneId


def test_the_critic_on_faults_planted_into_a_prefix():
    found = verifier_rates([SceneId(1_100_000)])
    assert found.planted >= 1
    assert found.clean == 1
    assert 0 <= found.passed <= found.planted
    assert f"of {found.planted} planted faults" in str(found)


@pytest.mark.slow
def test_drafts_of_as_many_steps_rank_like_finals():
    pytest.importorskip("torch")
    one, summary = draft_lines([SceneId(1_100_000)], "truthful", steps=8)
    assert "drafts rank like finals: rank correlation 1.00" in one
    assert "1 of 1 rank like finals; the best draft is the best final in 1" in summary
