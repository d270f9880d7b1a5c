"""``phyrefine scorers``: rules and scorers side by side on a finished run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import attrs
from cyclopts import Parameter

from phyrefine._json import parse_json
from phyrefine.cli.asking.judges import stored_vlms
from phyrefine.errors import InvalidInputError
from phyrefine.types import Refinement

if TYPE_CHECKING:
    from phyrefine.select.comparison import Comparison

# Written by whoever knows the truth of a run, such as ``phyrefine demo``.
TRUE_SCORES = "true_scores.json"
USUAL = ("consensus+judge", "consensus", "judge", "questions", "kinematics", "motion_quality")
_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".gif")


def scorers(
    folder: Path,
    *,
    rule: Annotated[list[str] | None, Parameter(help="Rules to compare; repeatable.")] = None,
    vlm: str = "world",
    truth: Path | None = None,
    out: Annotated[Path | None, Parameter(help="Write the table as JSON too.")] = None,
) -> int:
    """Compare rules on the clips of a finished run: rank correlation, gain, cost per clip.

    Answers that the run folder holds are not asked for again. Without truth the table shows how
    well the rules agree with each other and what they cost.

    Parameters
    ----------
    folder
        A run folder, or one scenario's folder in it.
    rule
        As --ensemble of phyrefine run. By default consensus+judge, consensus, judge, questions,
        kinematics and motion_quality.
    vlm
        Backend that judges; that of the run, for its stored answers to be used.
    truth
        A folder with one true continuation per scenario, named as the scenario, or a JSON file
        {scenario: {clip: score}}. By default true_scores.json in FOLDER, if it is there.
    """
    from phyrefine.backends.scorers import WEIGHTED
    from phyrefine.cli.report import refinements_in
    from phyrefine.cli.telling.tables import console
    from phyrefine.select.comparison import CountedVLM, compare, judge_pool
    from phyrefine.select.named import ensemble
    from phyrefine.types import Pool

    counted = CountedVLM(stored_vlms(folder)(vlm))
    rules = {name: ensemble(name, counted, more=WEIGHTED) for name in rule or USUAL}
    known = _true_scores(folder, truth)
    judged, clips, truths, few = [], [], [], []
    for name, refinement in refinements_in(folder):
        count = len(Pool.of(refinement.scenario, refinement.attempts).entries)
        if count < 2:
            few.append(name)
            continue
        judged.append(judge_pool(refinement.scenario, refinement.attempts, rules, counted))
        clips.append(count)
        truths.append(_truth_of(name, refinement, known, truth))
    if not judged:
        raise InvalidInputError(f"{folder} has no scenario with two clips to choose from.")
    rows = compare(judged, clips, truths)
    without = sum(found is None for found in truths)
    screen = console()
    screen.print(_table(rows, with_truth=without < len(truths)))
    _tell(screen.print, few, without, len(truths))
    if out is not None:
        out.write_text(json.dumps([attrs.asdict(row) for row in rows], indent=2) + "\n", "utf-8")
        screen.print(f"Wrote {out}.")
    return 0


def _tell(say: object, few: list[str], without: int, total: int) -> None:
    assert callable(say)
    if few:
        say(f"Left out, with fewer than two clips: {', '.join(few)}.")
    if 0 < without < total:
        say(f"Truth is known of {total - without} of {total} scenarios; gains are over those.")
    if without < total:
        say(
            "gain: true score of the pick over the mean of the pool; share: of what the best pick "
            "by truth gains; rho truth: rank correlation with the true scores."
        )
    say("rho others: mean rank correlation with the other rules' scores.")
    say(
        "A rule is useful where it gains more than every control. One run shows a direction; "
        "intervals need many scenes."
    )


def _run_folder(folder: Path) -> Path:
    return folder if (folder / "scenarios").is_dir() else folder.parent.parent


def _true_scores(folder: Path, truth: Path | None) -> Mapping[str, Mapping[str, float]]:
    """Scores from a JSON file; empty where the truth is videos or not known."""
    if truth is not None and not truth.exists():
        raise InvalidInputError(f"No such truth: {truth}. Pass a folder of videos or a JSON file.")
    path = truth or _run_folder(folder) / TRUE_SCORES
    if not path.is_file():
        return {}
    try:
        found = parse_json(path.read_text("utf-8"))
        return {
            str(name): {str(key): float(score) for key, score in scores.items()}
            for name, scores in found.items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidInputError(
            f"{path} is no JSON of the form {{scenario: {{clip: score}}}}: {error}."
        ) from error


def _truth_of(
    folder_name: str,
    refinement: Refinement,
    known: Mapping[str, Mapping[str, float]],
    truth: Path | None,
) -> Mapping[str, float] | None:
    """True score of every clip; ``None`` where it is not known."""
    from phyrefine.select.comparison import agreement_with
    from phyrefine.types import Pool
    from phyrefine.video.clip import Clip

    pool = Pool.of(refinement.scenario, refinement.attempts)
    names = [name for name in (refinement.scenario.name, folder_name) if name]
    for name in names:
        if name in known:
            lacking = [key for key in pool.keys if key not in known[name]]
            if lacking:
                raise InvalidInputError(f"The true scores of {name!r} lack {', '.join(lacking)}.")
            return {key: known[name][key] for key in pool.keys}
    if truth is None or not truth.is_dir():
        return None
    files = [truth / f"{name}{suffix}" for name in names for suffix in _SUFFIXES]
    found = next((file for file in files if file.is_file()), None)
    return None if found is None else agreement_with(pool, Clip.read(found))


def _table(rows: list[Comparison], *, with_truth: bool) -> object:
    from rich.table import Table

    table = Table(title="Rules on this run")
    truthful = ("gain", "share", "rho truth", "useful") if with_truth else ()
    for title in ("rule", "scenes", *truthful, "rho others", "s/clip", "questions/clip"):
        table.add_column(title)
    for row in rows:
        useful = "" if row.useful is None else ("yes" if row.useful else "no")
        told = (_number(row.gain, "+.2f"), _number(row.share, ".0%"),
                _number(row.truth_correlation, "+.2f"), useful) if with_truth else ()  # fmt: skip
        table.add_row(row.rule, str(row.scenarios), *told, _number(row.other_correlation, "+.2f"),
                      f"{row.seconds:.3f}", f"{row.questions:.2f}")  # fmt: skip
    return table


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
