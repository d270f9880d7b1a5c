"""``phyrefine rate``: blinded ratings by people, of the clips of finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from phyrefine._command_values import Count, Whole
from phyrefine.cli.asking.inputs import refuse_file
from phyrefine.cli.asking.judges import check_rules, stored_vlms

if TYPE_CHECKING:
    from phyrefine.protocols import Selector
    from phyrefine.rating.answers import RatingLog
    from phyrefine.rating.study import Study

QUESTION = "Which video obeys physics better?"


def rate(
    *runs: Path,
    out: Annotated[Path, Parameter(help="Folder of the study.")] = Path("runs/rating"),
    rater: Annotated[str, Parameter(help="Who rates; several people, several names.")] = "rater-1",
    of: Annotated[
        Literal["clips", "chosen"] | None,
        Parameter(help="Every two clips of a run, or the chosen ones of several and the plain."),
    ] = None,
    pairs: Annotated[Count | None, Parameter(help="Pairs per scenario at the most.")] = None,
    repeat: Annotated[
        float,
        Parameter(help="Share of pairs shown twice, mirrored.", validator=Number(gte=0, lte=1)),
    ] = 0.1,
    question: Annotated[str, Parameter(help="What is asked.")] = QUESTION,
    seed: Annotated[Whole, Parameter(help="Of pairs, sides and orders.")] = 0,
    port: Annotated[
        int, Parameter(help="0 for a free one.", validator=Number(gte=0, lte=65535))
    ] = 0,
    page: Annotated[
        Path | None, Parameter(help="Write one HTML file to send instead of serving it here.")
    ] = None,
    add: Annotated[
        tuple[Path, ...],
        Parameter(help="CSV files that such pages gave; repeatable.", negative=""),
    ] = (),
    results: Annotated[bool, Parameter(help="Only count what is there.")] = False,
    rule: Annotated[
        tuple[str, ...],
        Parameter(help="Further selectors to hold against people; repeatable.", negative=""),
    ] = (),
    vlm: Annotated[str, Parameter(help="Who judges for --rule.")] = "world",
) -> int:
    """Let people rate two clips side by side, blinded, and count their answers.

    Serves a page on this machine only, at an address that nobody can guess. Every answer is on disk
    before the next pair is shown; the same command again goes on where it stopped. At the end, or
    at Ctrl-C, it prints Bradley-Terry strengths with intervals, how consistent each person is and
    how far the runs' selectors agree with people, and writes them as CSV into --out.

    Parameters
    ----------
    runs
        Run folders; needed for a new study only.
    rule
        As --ensemble of phyrefine run. Selectors that the runs recorded are counted anyway.
    """
    from phyrefine.cli.telling.tables import console
    from phyrefine.rating.answers import RatingLog, add_csv
    from phyrefine.rating.page import write_page
    from phyrefine.rating.study import make_study, read_study

    refuse_file(out)
    check_rules(rule)
    screen = console()
    if runs or not (results or add):
        study = make_study(
            out,
            runs,
            of=of,
            pairs=pairs,
            repeat=repeat,
            question=question,
            seed=seed,
            progress=True,
        )
    else:
        study = read_study(out)
    for path in add:
        name, new = add_csv(out, study, path)
        screen.print(f"{path}: {new} new answers of {name}.")
    if not (results or add):
        with RatingLog(out, study, rater) as log:
            if page is not None:
                screen.print(f"Wrote {write_page(log, page)} for {rater}: {_amount(log)}.")
                screen.print(f"Take over the answers: phyrefine rate --out {out} --add FILE.csv")
                return 0
            _serve(log, port)
    return _count(out, study, rule, vlm)


def _amount(log: RatingLog) -> str:
    done, total = len(log.ratings), len(log.trials)
    return f"{total} pairs" if not done else f"{done} of {total} pairs are rated"


def _serve(log: RatingLog, port: int) -> None:
    from phyrefine.cli.telling.tables import console
    from phyrefine.errors import InvalidInputError
    from phyrefine.rating.serving import RatingServer

    server = RatingServer(log, port)
    try:
        server.__enter__()
    except OSError as error:
        raise InvalidInputError(f"Port {port} cannot be used: {error.strerror}.") from error
    try:
        print(f"Open {server.address} in a browser on this machine ({_amount(log)}).", flush=True)
        print("Finish there, or press Ctrl-C here; every answer is stored at once.", flush=True)
        while not server.finished.wait(0.5):  # a wait without end hears no Ctrl-C on Windows
            pass
    except KeyboardInterrupt:
        console().print("Stopped. Run the same command again to go on.")
    finally:
        server.__exit__()


def _selectors(study: Study, rules: Sequence[str], vlm: str) -> dict[str, Selector]:
    """Rules by name; replies of their VLM are kept in the store of the study's first run."""
    from phyrefine.backends.scorers import WEIGHTED
    from phyrefine.select.named import ensemble

    if not rules:
        return {}
    judge = stored_vlms(Path(next(iter(study.runs.values()))))(vlm)
    return {name: ensemble(name, judge, more=WEIGHTED) for name in rules}


def _count(out: Path, study: Study, rules: Sequence[str], vlm: str) -> int:
    from phyrefine.cli.telling.tables import console
    from phyrefine.errors import StoreError
    from phyrefine.rating.answers import read_logs
    from phyrefine.rating.results import results, write_results
    from phyrefine.rating.study import read_runs

    screen = console()
    logs = read_logs(out, study)
    try:
        found = results(study, logs, read_runs(study), _selectors(study, rules, vlm))
    except StoreError as error:
        screen.print(f"No agreement with selectors: {error}", markup=False)
        found = results(study, logs)
    for table in found.tables.values():
        if table.rows or table.notes:
            print(table, end="\n\n")
    written = ", ".join(str(path) for path in write_results(found, out))
    screen.print(f"Wrote {written}.")
    return 0
