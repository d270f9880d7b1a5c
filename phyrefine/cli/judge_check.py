"""``phyrefine doctor --judge``: whether a VLM may choose, on the user's own clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import frozen
from cyclopts import Parameter

from phyrefine.cli.run import Options

if TYPE_CHECKING:
    from phyrefine.protocols import VLM
    from phyrefine.select.judging.self_test import JudgeTest
    from phyrefine.types import Scenario
    from phyrefine.video.clip import Clip


@Parameter(name="*")
@frozen
class JudgeFlags:
    """A judge and the clips it is tested on.

    Attributes:
        judge: Test this VLM as judge and as critic: does it like CLIP better than spoiled variants
            of it? It is asked up to 12 questions per clip.
        judge_option: As --vlm-option.
        judge_as: Test it as this row of the table of judges instead: phyrefine judges.
        judge_template: The authors' file of the wording of that row.
        clip: A clip to test it on, real footage is best; repeatable.
        about: One line on what the clips show.
        judge_json: Also write the numbers there.
        irreversible: The clips would be impossible backward; by default looked at.
    """

    judge: str | None = None
    judge_option: Options = ()
    judge_as: str | None = None
    judge_template: Path | None = None
    clip: Annotated[tuple[Path, ...], Parameter(negative="")] = ()
    about: str = "what the clip shows"
    judge_json: Path | None = None
    irreversible: bool | None = None


NO_JUDGE = JudgeFlags()


def check_judge(flags: JudgeFlags) -> bool:
    """Print the self-tests of a judge; gives whether it may choose in every role it was tested in.

    Raises:
        InvalidInputError: No clip, or one in which nothing moves.
        BackendError: The judge could not be asked.
    """
    from phyrefine.cli.telling.tables import console

    screen = console()
    reports = _reports(flags)
    for report in reports:
        screen.print(str(report.table), markup=False, highlight=False)
    if flags.judge_json is not None:
        from phyrefine.run.store.disk import write_json

        write_json(flags.judge_json, [report.to_json() for report in reports])
    return all(report.usable for report in reports)


def _reports(flags: JudgeFlags) -> tuple[JudgeTest, ...]:
    from phyrefine.adapt import as_vlm
    from phyrefine.options import join_options
    from phyrefine.select.judging.roles import self_tests
    from phyrefine.select.judging.self_test import self_test

    clips = _clips(flags)
    spec = join_options(str(flags.judge), flags.judge_option)
    if flags.judge_as is None:
        return self_tests(as_vlm(spec), clips, irreversible=flags.irreversible)
    from phyrefine.bench.judges.row_judge import RowJudge
    from phyrefine.bench.judges.table import find
    from phyrefine.bench.judges.view import fitted
    from phyrefine.bench.judges.wording import law_names, wording_of

    row = find(flags.judge_as)
    spec, notes = fitted(row, spec)
    vlm: VLM = as_vlm(spec)
    laws = law_names() if any(question.each_law for question in row.questions) else ()
    wording = wording_of(row, flags.judge_template)
    scorer = RowJudge(vlm, row, wording, laws, label=str(flags.judge))
    report = self_test(
        scorer, clips, irreversible=flags.irreversible, alarm_below=row.marks.get("pc")
    )
    for note in notes:
        _say(note)
    return (report,)


def _say(line: str) -> None:
    from phyrefine.cli.telling.tables import console

    console().print(line, markup=False, highlight=False)


def _clips(flags: JudgeFlags) -> dict[str, tuple[Scenario, Clip]]:
    from phyrefine.errors import InvalidInputError
    from phyrefine.types import Scenario
    from phyrefine.video.clip import Clip

    if not flags.clip:
        raise InvalidInputError(
            "A judge is tested on clips of yours: add --clip FILE, of real footage if you have it."
        )
    return {path.name: (Scenario(flags.about), Clip.read(path)) for path in flags.clip}
