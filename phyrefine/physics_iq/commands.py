"""``phyrefine score``, ``ensemble`` and ``pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def score(
    folders: list[Path],
    *,
    data: Path,
    fps: int,
    out: Path | None = None,
    edition: Literal["original", "verified"] | None = None,
    descriptions: Path | None = None,
    cache: Path | None = None,
    lossless: Annotated[bool, Parameter(help="Skip the lossy mask file (unofficial).")] = False,
    allow_made_masks: Annotated[
        bool, Parameter(help="Verified: make masks at a rate without shipped ones (unofficial).")
    ] = False,
    jobs: int | None = None,
) -> int:
    """Score folders of generated videos: both scores, official tables, mean and deviation.

    Parameters
    ----------
    folders
        Each holds one .mp4 per sample, named from its id; nothing in them is changed.
    data
        The benchmark's folder as downloaded.
    fps
        Frames per second of the videos.
    out
        Folder for the official result tables.
    edition
        Which ground truth DATA is; by default told by the folder's name.
    descriptions
        The prompts' file; by default beside the data.
    cache
        Folder of the real side, worth keeping: later runs only read it.
    """
    from phyrefine.physics_iq.dataset import PhysicsIQ
    from phyrefine.physics_iq.evaluate import Evaluator
    from phyrefine.physics_iq.report import score_table
    from phyrefine.physics_iq.truth import GroundTruth

    dataset = PhysicsIQ.open(data, edition=edition, descriptions=descriptions)
    truth = GroundTruth(dataset, fps, allow_made_masks=allow_made_masks)
    evaluator = Evaluator(truth, cache=cache, lossless=lossless, jobs=jobs, progress=True)
    runs = {folder.name: evaluator.evaluate(folder) for folder in folders}
    if out is not None:
        for name, run in runs.items():
            run.table.write(out / f"{name}.csv")
    say(score_table(runs))
    return 0


def ensemble(
    folders: list[Path],
    *,
    data: Path,
    fps: int,
    subsets: Annotated[str | None, Parameter(help="Rows of ensembles: 1,2,5;1,2,3.")] = None,
    out: Path | None = None,
    edition: Literal["original", "verified"] | None = None,
    descriptions: Path | None = None,
    cache: Path | None = None,
    jobs: int | None = None,
) -> int:
    """Ensembles over folders of generated videos, by the oracle; a bound, not a method.

    Parameters
    ----------
    folders
        One run each, in the order in which subsets number them; folders named like
        loop2-steps16-seed0 keep that place.
    data
        The benchmark's folder as downloaded.
    fps
        Frames per second of the videos.
    out
        Folder for table.txt, table.csv, table.json and table.svg.
    edition
        Which ground truth DATA is; by default told by the folder's name.
    descriptions
        The prompts' file; by default beside the data.
    cache
        Folder of the real side, worth keeping.
    """
    from phyrefine.physics_iq.dataset import PhysicsIQ
    from phyrefine.physics_iq.evaluate import Evaluator
    from phyrefine.physics_iq.scoring import score_folders, write_table
    from phyrefine.physics_iq.table_one import table_one
    from phyrefine.physics_iq.truth import GroundTruth

    dataset = PhysicsIQ.open(data, edition=edition, descriptions=descriptions)
    evaluator = Evaluator(GroundTruth(dataset, fps), cache=cache, jobs=jobs, progress=True)
    attempts, names = score_folders(evaluator, dataset, folders)
    rows = [] if subsets is None else [numbers(part) for part in subsets.split(";")]
    table = table_one(attempts, subsets=rows)
    say(f"Runs: {', '.join(names)}")
    say(table.shown())
    if out is not None:
        write_table(table, out)
    return 0


def pack(
    bench: Path,
    *,
    data: Path,
    out: Path,
    row: int | None = None,
    ensemble: str | None = None,
    subset: Annotated[str | None, Parameter(help="Rows the ensemble picks from: 1,2,5.")] = None,
    info: Path | None = None,
    edition: Literal["original", "verified"] | None = None,
    descriptions: Path | None = None,
    cache: Path | None = None,
    jobs: int | None = None,
) -> int:
    """Write a submission pack of a finished benchmark folder and check it as the leaderboard does.

    Parameters
    ----------
    bench
        Folder of the benchmark run.
    data
        Its data set; the other edition is refused.
    out
        A new folder for the pack.
    row
        Enter this row of the table.
    ensemble
        Or enter what this stored reference-free selector picks; never the oracle.
    info
        YAML file with fields of the card's public_info, such as organization.
    edition
        Which ground truth DATA is; by default told by the folder's name.
    descriptions
        The prompts' file; by default beside the data.
    cache
        Folder of the real side; by default inside BENCH.
    """
    from phyrefine.physics_iq.dataset import PhysicsIQ
    from phyrefine.physics_iq.packing import Entry, pack_bench
    from phyrefine.physics_iq.submission import read_card

    entry = Entry(row, ensemble, () if subset is None else numbers(subset))
    findings = pack_bench(
        bench,
        PhysicsIQ.open(data, edition=edition, descriptions=descriptions),
        out,
        entry,
        info=None if info is None else read_card(info.read_text(encoding="utf-8")),
        cache=cache,
        jobs=jobs,
    )
    for finding in findings:
        say(str(finding))
    say(f"Wrote {out}; {len(findings)} findings to settle before it is sent.")
    return 3 if findings else 0


def say(text: object) -> None:
    """Print, as a command may."""
    print(text)  # noqa: T201 - the command line prints


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between.

    Raises:
        InvalidInputError: It is not that.
    """
    from phyrefine.errors import InvalidInputError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidInputError(f"{text!r} is not numbers with commas, such as 16,32.") from error
