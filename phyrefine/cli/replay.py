"""``phyrefine replay``: decide or score a finished run again; nothing is generated."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from phyrefine._command_values import Count
from phyrefine.cli.asking.judges import stored_vlms
from phyrefine.errors import InvalidInputError
from phyrefine.protocols import VLM, Convergence, PoolScorer
from phyrefine.types import Refinement, pick_key

if TYPE_CHECKING:
    from rich.table import Table

Rule = Literal["default", "paper", "same_prompt", "near_prompt", "clean", "cycle", "bloat"]
Step = Callable[[Refinement], Refinement]
SCORES = "scores.csv"


def replay(
    folder: Path,
    *,
    rule: Annotated[
        list[Rule] | None, Parameter(help="Convergence rules to try; all by default.")
    ] = None,
    loops: Annotated[Count, Parameter(help="Loops at the most, for every rule.")] = 4,
    critic: Annotated[
        str | None, Parameter(help="Criticize the stored clips by this VLM first.")
    ] = None,
    ensemble: Annotated[
        str | None, Parameter(help="Choose again by this rule, as --ensemble of phyrefine run.")
    ] = None,
    people: Annotated[
        Path | None, Parameter(help="Choose what people prefer: a study of phyrefine rate.")
    ] = None,
    score: Annotated[
        list[str] | None,
        Parameter(help="Score every clip by this scorer, or module:factory; repeatable."),
    ] = None,
    vlm: Annotated[str, Parameter(help="Who judges for --ensemble and --score.")] = "world",
    out: Annotated[Path | None, Parameter(help="Keep what was decided as a new run.")] = None,
) -> int:
    """Decide a finished run again by other rules, critics or selectors, or score its clips anew.

    No clip is made. Without further options it shows where each convergence rule would have
    stopped, for which no model is asked. With --critic, --ensemble or --people the run is decided
    anew in this order: critic, rule (one, if given), selector. Replies are kept in the run's store,
    so the same command again asks nothing.

    Parameters
    ----------
    folder
        A run folder, or one scenario's folder in it.
    out
        A new folder; phyrefine report shows it. With --score, scores.csv is written there.
    """
    from phyrefine.cli.report import refinements_in

    if ensemble is not None and people is not None:
        raise InvalidInputError("Choose by --ensemble or by --people, not by both.")
    decides = critic is not None or ensemble is not None or people is not None
    if decides and rule is not None and len(rule) > 1:
        raise InvalidInputError("Beside --critic, --ensemble or --people pass one --rule.")
    if out is not None:
        _refuse_used(out, folder, decides=decides, scores=bool(score))
    found = dict(refinements_in(folder))
    kept = stored_vlms(folder)
    if score:
        scorers = {name: _scorer(name, vlm, kept) for name in score}  # before anything is asked
    if decides:
        policy = None if rule is None else _policy(rule[0], loops)
        steps = _steps(critic, policy, ensemble, people, vlm, kept)
        found = _decided(found, steps, out)
    elif not score:
        _stops(found, rule, loops)
    if score:
        _scores(found, scorers, out)
    return 0


def _stops(found: Mapping[str, Refinement], rule: Sequence[Rule] | None, loops: int) -> None:
    from phyrefine.cli.telling.tables import console
    from phyrefine.run.replay import replay as decide_again

    table = _titled("Where each policy would have stopped", "scenario", "policy", "loops", "why")
    names: Sequence[Rule] = rule or (
        "default", "paper", "same_prompt", "near_prompt", "clean", "cycle", "bloat"
    )  # fmt: skip
    for name, refinement in found.items():
        for chosen in names:
            decided = decide_again(refinement, _policy(chosen, loops))
            made = [attempt for attempt in decided.attempts if not attempt.baseline]
            table.add_row(name, chosen, str(len(made)), decided.reason)
    console().print(table)


def _policy(name: Rule, loops: int) -> Convergence:
    from phyrefine.refine import convergence as rules

    if name == "default":
        return rules.default_policy(loops)
    if name == "paper":
        return rules.paper_policy(loops)
    singles: dict[str, Convergence] = {
        "same_prompt": rules.SamePrompt(),
        "near_prompt": rules.NearPrompt(),
        "clean": rules.Clean(),
        "cycle": rules.Cycle(),
        "bloat": rules.Bloat(),
    }
    return rules.AnyOf((singles[name], rules.MaxLoops(loops)))


def _steps(
    critic: str | None,
    policy: Convergence | None,
    ensemble: str | None,
    people: Path | None,
    vlm: str,
    kept: Callable[[str], VLM],
) -> list[Step]:
    from phyrefine.backends.scorers import WEIGHTED
    from phyrefine.run.comparing.critics import recritique
    from phyrefine.run.replay import rechoose
    from phyrefine.run.replay import replay as decide_again
    from phyrefine.select.named import ensemble as named

    steps: list[Step] = []
    if critic is not None:
        watching = kept(critic)
        steps.append(lambda done: recritique(done, watching))
    if policy is not None:
        steps.append(lambda done: decide_again(done, policy))
    if ensemble is not None:
        selector = named(ensemble, kept(vlm), more=WEIGHTED)
        steps.append(lambda done: rechoose(done, selector))
    if people is not None:
        from phyrefine.rating.results import human_choice

        human = human_choice(people)
        steps.append(lambda done: rechoose(done, human))
    return steps


def _decided(
    found: Mapping[str, Refinement], steps: Sequence[Step], out: Path | None
) -> dict[str, Refinement]:
    """What the steps make of every scenario, told and kept."""
    from phyrefine.cli.telling.tables import console
    from phyrefine.run.results import write_refinement
    from phyrefine.run.store.store import FolderStore

    table = _titled("Decided again", "scenario", "", "violations", "stopped by", "chosen", "by")
    decided: dict[str, Refinement] = {}
    for name, before in found.items():
        after = before
        for step in steps:
            after = step(after)
        decided[name] = after
        table.add_row(name, "before", *_row(before))
        table.add_row("", "now", *_row(after))
        if out is not None:
            write_refinement(out / "scenarios" / name, after, FolderStore(out / "store"))
    screen = console()
    screen.print(table)
    screen.print("violations: in each attempt, - where not judged; chosen: attempt.candidate.")
    if out is not None:
        screen.print(f"Wrote {out}. See it: phyrefine report {out}")
    return decided


def _row(one: Refinement) -> tuple[str, str, str, str]:
    counts = (
        "-" if attempt.critique is None else str(len(attempt.critique.violations))
        for attempt in one.attempts
    )
    choice = one.choice
    picked = ("-", "-") if choice is None else (pick_key(choice.pick), choice.label)
    return (" ".join(counts), one.stopped_by, *picked)


def _scorer(name: str, vlm: str, kept: Callable[[str], VLM]) -> PoolScorer:
    """A scorer by its name in the table, or one of the user's own."""
    from phyrefine import registry
    from phyrefine.backends.scorers import WEIGHTED
    from phyrefine.select.named import NAMES, scorer
    from phyrefine.select.scorers.each import EachClip

    module, colon, _ = name.partition(":")
    if not colon or module in (*NAMES, *WEIGHTED):
        return scorer(name, kept(vlm), WEIGHTED)
    own = registry.make("vlm", name)
    if isinstance(own, PoolScorer):
        return own
    if hasattr(own, "score") and hasattr(own, "name"):
        return EachClip(own)
    raise InvalidInputError(
        f"{name} makes a {type(own).__name__}, which scores no clips: it needs a name and "
        "score(scenario, clip) or score_pool(pool)."
    )


def _scores(
    found: Mapping[str, Refinement], scorers: Mapping[str, PoolScorer], out: Path | None
) -> None:
    from phyrefine.cli.telling.tables import console
    from phyrefine.run.replay import rescore

    table = _titled("Scores, higher is better", "scenario", "clip", *scorers)
    rows: list[tuple[object, ...]] = []
    for name, refinement in found.items():
        if not any(attempt.candidates for attempt in refinement.attempts):
            continue
        scores = rescore(refinement, scorers)
        for key in next(iter(scores.values())):
            each = [scores[scorer][key] for scorer in scorers]
            rows.append((name, key, *each))
            table.add_row(name, key, *(f"{value:.4g}" for value in each))
    screen = console()
    screen.print(table)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        with (out / SCORES).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([("scenario", "clip", *scorers), *rows])
        screen.print(f"Wrote {out / SCORES}.")


def _titled(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title)
    for column in columns:
        table.add_column(column)
    return table


def _refuse_used(out: Path, folder: Path, *, decides: bool, scores: bool) -> None:
    if not decides and not scores:
        raise InvalidInputError("--out keeps nothing without --critic, --ensemble or --score.")
    if decides and (out.resolve() == folder.resolve() or (out / "scenarios").exists()):
        raise InvalidInputError(f"{out} holds a run already: pass a new folder as --out.")
