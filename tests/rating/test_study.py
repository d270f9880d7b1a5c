"""Studies: what is compared, what is stored, what comes of it."""

import json

import pytest
from attrs import evolve
from rated_runs import SECRET_WORDS, refinement, write_run

from phyrefine.errors import InvalidInputError, RunLockedError, StoreError
from phyrefine.rating import page
from phyrefine.rating.answers import COLUMNS, Rating, RatingLog, add_csv, read_logs, to_csv
from phyrefine.rating.results import human_choice, results, write_results
from phyrefine.rating.study import make_study, read_runs, read_study
from phyrefine.types import Pick
from phyrefine.video.clip import Clip


@pytest.fixture
def study(run, tmp_path):
    return make_study(tmp_path / "s", [run], repeat=0.5)


def rate(folder, study, rater="ann", prefers=lambda clip: int(clip.key[0]), stop=None):
    """Answer by a preference over clips; equal values are no difference."""
    with RatingLog(folder, study, rater) as log:
        clips = study.by_id
        for trial in log.trials[:stop]:
            left, right = prefers(clips[trial.left]), prefers(clips[trial.right])
            said = "same" if left == right else "left" if left > right else "right"
            log.add(Rating(trial.number, trial.left, trial.right, said, 2.0, "t"))
        return log


def test_every_two_clips_of_a_run_are_compared_within_a_scenario(study, tmp_path):
    assert len(study.clips) == 6
    assert len(study.pairs) == 2 * 3
    clips = study.by_id
    assert all(clips[a].scenario == clips[b].scenario for a, b in study.pairs)
    assert {clip.contestant for clip in study.clips} == {"plain description", "loop 1", "loop 2"}
    assert read_study(tmp_path / "s") == study
    shown = Clip.read(tmp_path / "s" / "clips" / f"{study.clips[0].id}.mp4")
    assert shown.duration == pytest.approx(1.0)  # the prefix, then the continuation
    assert study.clips[0].seam == pytest.approx(0.5)


def test_runs_are_compared_by_what_they_chose_and_with_the_plain_description(
    run, other_run, tmp_path
):
    study = make_study(tmp_path / "s", [run, other_run])
    assert {clip.contestant for clip in study.clips} == {"mine", "other", "plain description"}
    assert len(study.pairs) == 2 * 3


def test_one_and_the_same_clip_is_not_compared_with_itself(run, tmp_path):
    copy = write_run(tmp_path / "copy")
    study = make_study(tmp_path / "s", [run, copy])
    assert len(study.pairs) == 2 * 2  # each against the plain description
    assert "one and the same clip" in study.notes[0]
    one = write_run(tmp_path / "one", clips=1)
    with pytest.raises(InvalidInputError, match=r"no two clips to compare.*one clip only"):
        make_study(tmp_path / "t", [one])


def test_fewer_pairs_show_every_clip_about_equally_often(tmp_path):
    many = write_run(tmp_path / "many", scenes=1, clips=6)
    study = make_study(tmp_path / "s", [many], pairs=6)
    shown = [one for pair in study.pairs for one in pair]
    assert len(study.pairs) == 6
    assert {shown.count(clip.id) for clip in study.clips} <= {1, 2, 3}
    assert len(study.clips) == 6


def test_ids_say_nothing_and_differ_between_studies(run, study, tmp_path):
    other = make_study(tmp_path / "t", [run])
    assert {clip.id for clip in study.clips}.isdisjoint(clip.id for clip in other.clips)
    with RatingLog(tmp_path / "s", study, "ann") as log:
        told = json.dumps(page.told(log))
        whole = page.write_page(log, tmp_path / "p.html").read_text()
    for word in (
        SECRET_WORDS,
        "loop 1",
        "mine",
        str(run),
        "judge",
        *(c.digest for c in study.clips),
    ):
        assert word not in told
        assert word not in whole


def test_the_folder_goes_on_with_its_own_runs_only(run, other_run, study, tmp_path):
    assert make_study(tmp_path / "s", [run]) == study
    with pytest.raises(InvalidInputError, match="holds a study of"):
        make_study(tmp_path / "s", [other_run])
    with pytest.raises(StoreError, match="holds no study"):
        read_study(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="no finished scenario"):
        make_study(tmp_path / "u", [tmp_path])
    with pytest.raises(InvalidInputError, match="Pass one or more run folders"):
        make_study(tmp_path / "u", [])


def test_an_interrupted_study_goes_on_with_the_same_ids(run, tmp_path, monkeypatch):
    from phyrefine.rating import study as studies

    real, written = studies.write_json, []
    monkeypatch.setattr(studies, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        make_study(tmp_path / "s", [run])
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "s" / "clips").iterdir()}
    monkeypatch.setattr(studies, "write_json", lambda *a: written.append(a) or real(*a))
    study = make_study(tmp_path / "s", [run])
    assert written
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "s" / "clips").iterdir()}
    assert before == after  # nothing was encoded twice, and nothing is left over
    assert {f"{clip.id}.mp4" for clip in study.clips} == set(after) - {"key"}


def test_answers_survive_a_kill_within_a_line(study, tmp_path):
    folder = tmp_path / "s"
    log = rate(folder, study, stop=3)
    whole = log.path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (*range(len(lines[0]), len(whole), 23), len(whole) - 1):
        log.path.write_bytes(whole[:cut])
        complete = whole[:cut].count(b"\n") - 1
        with RatingLog(folder, study, "ann") as again:
            assert len(again.ratings) == complete
            trial = again.trials[complete]
            again.add(Rating(trial.number, trial.left, trial.right, "same"))
        assert len(read_logs(folder, study)[0].ratings) == complete + 1


def test_what_cannot_be_is_refused(study, tmp_path):
    folder = tmp_path / "s"
    with RatingLog(folder, study, "ann") as log:
        first = log.trials[0]
        with pytest.raises(InvalidInputError, match="no trial 99"):
            log.add(Rating(99, first.left, first.right, "left"))
        with pytest.raises(InvalidInputError, match="other clips"):
            log.add(Rating(0, first.right, first.left, "left"))
        with pytest.raises(RunLockedError), RatingLog(folder, study, "ann"):
            pass
    for name in ("../evil", "a/b", "", ".hidden", "a" * 41, "a\n"):
        with pytest.raises(InvalidInputError, match="A rater's name"):
            RatingLog(folder, study, name)
    log.path.write_text(log.path.read_text() + '{"trial": "x"}\n')
    with pytest.raises(StoreError, match="damaged in line 2"):
        read_logs(folder, study)


def test_strengths_rank_as_people_do(study, tmp_path, run):
    rate(tmp_path / "s", study)
    rate(tmp_path / "s", study, "bob")
    found = results(study, read_logs(tmp_path / "s", study), read_runs(study))
    assert [one.name for one in found.contestants] == ["loop 2", "loop 1", "plain description"]
    best = found.contestants[0]
    assert best.low < best.strength < best.high
    assert (best.won, best.compared) == (8.0, 8)
    rules = {rule.rule: rule for rule in found.rules}
    assert (rules["judge"].alike, rules["judge"].pairs) == (6, 6)
    assert (rules["judge"].picks_alike, rules["judge"].scenarios) == (2, 2)
    assert (rules["backwards"].alike, rules["backwards"].pairs) == (0, 6)
    assert rules["smooth"].alike == rules["critics_pick"].alike == 6
    assert rules["control: random"].picks_alike == 0
    assert rules["control: most motion"].picks_alike == 2
    assert (found.same_pairs, found.same_answers) == (6, 6)
    tables = {name: str(table) for name, table in found.tables.items()}
    assert "HUMAN RATINGS" in tables["strengths"]
    assert "too few to resample" in tables["strengths"]
    written = {path.name for path in write_results(found, tmp_path / "s")}
    assert written == {"ratings.csv", "strengths.csv", "agreement.csv", "raters.csv"}
    assert len((tmp_path / "s" / "ratings.csv").read_text().splitlines()) == 1 + 2 * 8


def test_repetitions_measure_consistency_and_count_for_nothing_else(study, tmp_path):
    folder = tmp_path / "s"
    with RatingLog(folder, study, "ann") as log:
        for trial in log.trials:  # always the left one: inconsistent by construction
            log.add(Rating(trial.number, trial.left, trial.right, "left", 1.0))
    found = results(study, read_logs(folder, study))
    check = found.raters[0]
    assert (check.same_again, check.repeated) == (0, 2)
    assert check.left == 1.0
    assert check.answers == len(found.preferences) == 6
    rate(folder, study, "bob")
    bob = results(study, read_logs(folder, study)).raters[1]
    assert (bob.same_again, bob.repeated) == (2, 2)
    assert bob.left == pytest.approx(0.5, abs=0.2)


def test_who_was_not_compared_yet_has_no_strength(study, tmp_path):
    rate(tmp_path / "s", study, stop=1)
    found = results(study, read_logs(tmp_path / "s", study))
    assert len(found.contestants) == 2
    assert all(one.compared == 1 for one in found.contestants)


def test_a_later_answer_replaces_and_broken_pairs_count_for_nothing(study, tmp_path):
    with RatingLog(tmp_path / "s", study, "ann") as log:
        for said in ("left", "broken"):
            log.add(Rating(0, log.trials[0].left, log.trials[0].right, said))
    found = results(study, read_logs(tmp_path / "s", study))
    assert found.preferences == ()
    assert found.raters[0].broken == 1
    assert found.contestants == ()


def test_many_scenarios_are_resampled(tmp_path):
    run = write_run(tmp_path / "many", scenes=6, clips=2)
    study = make_study(tmp_path / "s", [run])
    rate(
        tmp_path / "s",
        study,
        prefers=lambda clip: clip.key[0] if "scene-0" not in clip.scenario else 0,
    )
    found = results(study, read_logs(tmp_path / "s", study))
    assert "resamples of 6 scenarios" in found.notes[0]
    first, second = found.contestants
    assert first.low <= first.strength <= first.high
    assert second.high < first.low


def test_the_choice_of_people_is_stamped_and_no_automatic_rule(study, tmp_path):
    from phyrefine.cli.telling.tables import verdict_line
    from phyrefine.protocols import PoolScorer
    from phyrefine.report import render, render_gallery
    from phyrefine.select.named import NAMES
    from phyrefine.select.people import PEOPLE

    rate(tmp_path / "s", study, prefers=lambda clip: -int(clip.key[0]))
    human = human_choice(tmp_path / "s")
    one = next(read_runs(study))[1]
    choice = human.choose(one.scenario, one.attempts)
    assert choice.pick == Pick(0)
    assert choice.human
    assert not choice.oracle
    assert "won 2 of 2 comparisons by 1 person" in choice.reason
    assert PEOPLE not in NAMES
    assert not isinstance(human, PoolScorer)
    chosen = evolve(one, choice=choice)
    assert "[HUMAN: chosen by people's ratings]" in verdict_line(chosen)
    assert "Chosen by people" in render(chosen)
    assert ">human</span>" in render_gallery([chosen])
    other = refinement(9, shade=90)
    with pytest.raises(InvalidInputError, match="Nobody has rated two clips of 'scene-9'"):
        human.choose(other.scenario, other.attempts)


def test_answers_of_a_page_are_taken_over_once(study, tmp_path):
    folder = tmp_path / "s"
    with RatingLog(folder, study, "ann") as log:
        page.write_page(log, tmp_path / "p.html")
        rows = [
            (study.id, "ann", t.number, t.left, t.right, "left", 1.5, "now") for t in log.trials
        ]
    file = tmp_path / "a.csv"
    file.write_text(to_csv(rows, COLUMNS))
    assert add_csv(folder, study, file) == ("ann", 8)
    assert add_csv(folder, study, file) == ("ann", 0)
    for spoiled, match in (
        ([("x", *rows[0][1:])], "not one person's answers"),
        ([(study.id, "eve", *rows[0][2:])], "no page was written"),
        ([(*rows[0][:2], 1, *rows[0][3:])], "does not show these clips"),
        ([(*rows[0][:5], "great", *rows[0][6:])], "Line 2 of"),
        ([(study.id, "../x", *rows[0][2:])], "A rater's name"),
        ([], "holds no answer"),
    ):
        file.write_text(to_csv(spoiled, COLUMNS))
        with pytest.raises(InvalidInputError, match=match):
            add_csv(folder, study, file)
    file.write_text("a,b\n1,2\n")
    with pytest.raises(InvalidInputError, match="must have the columns"):
        add_csv(folder, study, file)
