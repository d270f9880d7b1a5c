import pytest
from attrs import evolve

from phyrefine.refine.convergence import (
    AllOf,
    AnyOf,
    Bloat,
    Clean,
    Cycle,
    MaxLoops,
    NearPrompt,
    Patience,
    SamePrompt,
    default_policy,
    paper_policy,
    replay,
)
from phyrefine.testing import moving_clip
from phyrefine.types import Attempt, Candidate, Critique, Prompt, Status, Violation

CLIP = moving_clip(4)
BAD = Violation("Bounce", "sticks")


def attempt(index, prompt, revision, *, violations=(), looks=1, still=False, fixed=(), scores=None):
    critique = Critique("text", tuple(violations), tuple(fixed), looks, still)
    return Attempt(
        index, Prompt(prompt), (Candidate(CLIP),), critique,
        None if revision is None else Prompt(revision), scores=scores or {},
    )  # fmt: skip


def test_same_prompt_after_normalizing():
    assert SamePrompt().decide([attempt(1, "A ball falls.", "a ball  falls")]).stop
    assert not SamePrompt().decide([attempt(1, "A ball falls.", "A ball rises.")]).stop
    assert not SamePrompt().decide([attempt(1, "A ball falls.", None)]).stop


def test_a_resting_rewriter_is_not_called_solved():
    verdict = SamePrompt().decide([attempt(1, "a", "a", violations=[BAD])])
    assert verdict.stop
    assert "1 violation remains" in verdict.reason
    assert "remain" not in SamePrompt().decide([attempt(1, "a", "a")]).reason


def test_a_kept_prompt_says_why_it_is_the_same():
    kept = evolve(Prompt("a ball"), notes=("kept the prompt: the rewrite failed (declined)",))
    said = SamePrompt().decide([evolve(attempt(1, "a ball", "a ball"), revision=kept)])
    assert said.stop
    assert "the rewrite failed (declined)" in said.reason


def test_near_prompt_needs_no_opposition_and_nothing_new():
    near = attempt(2, "The red ball falls and bounces.", "The red ball falls, then bounces.")
    first = attempt(1, "x", "y")
    assert NearPrompt().decide([first, near]).stop
    assert (
        not NearPrompt()
        .decide([first, attempt(2, "The red ball falls.", "The red ball rises.")])
        .stop
    )
    new = attempt(2, "The red ball falls.", "Falls the red ball.", violations=[BAD])
    assert not NearPrompt().decide([first, new]).stop
    old = Violation("Bounce", "sticks", status=Status.PERSISTING)
    assert (
        NearPrompt()
        .decide([first, attempt(2, "The red ball falls.", "Falls the red ball.", violations=[old])])
        .stop
    )
    assert not NearPrompt().decide([attempt(1, "a ball", None)]).stop


def test_near_prompt_thresholds_bind():
    one, two = "alpha beta gamma delta", "alpha beta gamma kappa"
    assert NearPrompt(cues=0.6).decide([attempt(1, one, two)]).stop
    assert not NearPrompt(cues=0.61).decide([attempt(1, one, two)]).stop
    longer = one + " kappa omega"
    assert not NearPrompt(cues=0.5, unmatched=1).decide([attempt(1, one, longer)]).stop
    assert NearPrompt(cues=0.5, unmatched=2).decide([attempt(1, one, longer)]).stop


def test_clean_needs_two_looks_and_motion():
    assert not Clean().decide([attempt(1, "a", "b")]).stop
    assert Clean().decide([attempt(1, "a", "b", looks=2)]).stop
    assert Clean(1).decide([attempt(1, "a", "b")]).stop
    still = Clean().decide([attempt(1, "a", "b", looks=2, still=True)])
    assert not still.stop
    assert "stands still" in still.reason
    assert not Clean().decide([attempt(1, "a", "b", looks=2, violations=[BAD])]).stop
    assert not Clean().decide([Attempt(1, Prompt("a"), (Candidate(CLIP),))]).stop


def scored(*values):
    return [attempt(i + 1, "a", "b", scores={} if v is None else {"judge": v})
            for i, v in enumerate(values)]  # fmt: skip


def test_patience_counts_loops_since_the_best():
    assert not Patience("judge").decide(scored(5)).stop
    assert not Patience("judge").decide(scored(5, 4)).stop
    assert Patience("judge").decide(scored(5, 4, 5)).stop
    assert not Patience("judge").decide(scored(5, 4, 6)).stop
    assert Patience("judge", noise=1).decide(scored(5, 5.5, 6)).stop
    assert not Patience("judge", noise=0.9).decide(scored(5, 5.5, 6)).stop
    assert Patience("judge", loops=1).decide(scored(5, 4)).stop
    assert not Patience("judge").decide(scored(None, None, None)).stop


def test_cycle():
    first, second = attempt(1, "a", "b"), attempt(2, "b", "A!")
    verdict = Cycle().decide([first, second])
    assert verdict.stop
    assert "loop 1" in verdict.reason
    assert not Cycle().decide([first]).stop
    assert not Cycle().decide([first, attempt(2, "b", "b")]).stop  # that is SamePrompt's
    assert not Cycle().decide([first, attempt(2, "b", None)]).stop


def test_bloat_is_growth_that_fixes_nothing():
    grown = attempt(2, "b", "w " * 5)
    assert Bloat(2.5).decide([attempt(1, "one two", "b"), grown]).stop
    assert not Bloat(2.6).decide([attempt(1, "one two", "b"), grown]).stop
    helped = attempt(2, "b", "w " * 5, fixed=[BAD])
    assert not Bloat(2.5).decide([attempt(1, "one two", "b"), helped]).stop
    assert not Bloat(2.5).decide([attempt(1, "one", "w " * 9)]).stop


def test_max_loops():
    assert not MaxLoops(2).decide(scored(1)).stop
    assert MaxLoops(2).decide(scored(1, 2)).stop
    assert MaxLoops(2).decide(scored(1, 2, 3)).stop


def test_any_of_stops_at_the_first_and_records_all():
    verdict = AnyOf((MaxLoops(9), MaxLoops(1), SamePrompt())).decide([attempt(1, "a", "a")])
    assert (verdict.stop, verdict.rule) == (True, "max_loops")
    assert [part.stop for part in verdict.parts] == [False, True, True]
    assert not AnyOf((MaxLoops(9),)).decide(scored(1)).stop


def test_all_of_needs_all():
    assert AllOf((MaxLoops(1), SamePrompt())).decide([attempt(1, "a", "a")]).stop
    assert not AllOf((MaxLoops(1), SamePrompt())).decide([attempt(1, "a", "b")]).stop


def test_default_and_paper_policies():
    names = {type(rule).__name__ for rule in default_policy(3, scorer="judge").rules}
    assert names == {"Clean", "SamePrompt", "NearPrompt", "Cycle", "Bloat", "Patience", "MaxLoops"}
    assert "Patience" not in {type(rule).__name__ for rule in default_policy().rules}
    assert [type(rule).__name__ for rule in paper_policy().rules] == ["SamePrompt", "MaxLoops"]
    assert paper_policy().rules[1].loops == 4
    assert default_policy(3).rules[-1].loops == 3


def test_replay_decides_a_finished_run_again():
    run = [attempt(0, "d", None), *scored(1, 2, 3)]
    run[0] = Attempt(0, Prompt("d"), (Candidate(CLIP),), baseline=True)
    verdicts = replay(MaxLoops(2), run)
    assert [verdict.stop for verdict in verdicts] == [False, True]
    assert len(replay(MaxLoops(9), run)) == 3


@pytest.mark.parametrize("bad", [lambda: MaxLoops(0), lambda: Clean(0), lambda: Bloat(1),
                                 lambda: NearPrompt(1.5), lambda: AnyOf(())])  # fmt: skip
def test_senseless_settings_are_refused(bad):
    with pytest.raises(ValueError):  # noqa: PT011 - attrs words it
        bad()
