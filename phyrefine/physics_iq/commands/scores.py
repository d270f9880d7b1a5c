"""``phyrefine score``, ``ensemble`` and ``pack``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

if TYPE_CHECKING:
    from phyrefine.physics_iq.data.layout import Sample
    from phyrefine.physics_iq.scoring.evaluation import Evaluation

Jobs = Annotated[int | None, Parameter(help="Views at a time.", validator=Number(gte=1))]


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
    jobs: Jobs = None,
) -> int:
    """Score folders of generated videos: both scores, official tables, mean and deviation.

    Parameters
    ----------
    folders
        Each holds one .mp4 per sample, named from its id; nothing in them is changed. Runs are
        named after their folders; folders with the same name also get the part of the path in
        which they differ.
    data
        The benchmark's folder as downloaded.
    fps
        Frames per second of the videos.
    out
        Folder for the official result tables; each is written as soon as its run is scored.
    edition
        Which ground truth DATA is; by default taken from the folder's name.
    descriptions
        The prompts' file; by default beside the data.
    cache
        Cache folder for data from real clips; later runs reuse it.
    """
    from phyrefine.physics_iq.data.dataset import PhysicsIQ
    from phyrefine.physics_iq.scoring.evaluate import Evaluator
    from phyrefine.physics_iq.scoring.report import score_table
    from phyrefine.physics_iq.scoring.truth import GroundTruth

    named = run_names(folders)
    if out is not None:
        require_folder(out)
    dataset = PhysicsIQ.open(data, edition=edition, descriptions=descriptions)
    require_runs(named.values(), dataset.samples, fps)
    truth = GroundTruth(dataset, fps, allow_made_masks=allow_made_masks)
    evaluator = Evaluator(truth, cache=cache, lossless=lossless, jobs=jobs, progress=True)
    runs: dict[str, Evaluation] = {}
    for name, folder in named.items():
        runs[name] = evaluator.evaluate(folder)
        if out is not None:
            runs[name].table.write(out / f"{name}.csv")
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
    jobs: Jobs = None,
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
        Which ground truth DATA is; by default taken from the folder's name.
    descriptions
        The prompts' file; by default beside the data.
    cache
        Cache folder for data from real clips; later runs reuse it.
    """
    from phyrefine.physics_iq.data.dataset import PhysicsIQ
    from phyrefine.physics_iq.scoring.evaluate import Evaluator
    from phyrefine.physics_iq.scoring.truth import GroundTruth
    from phyrefine.physics_iq.tables.scoring import score_folders, write_table
    from phyrefine.physics_iq.tables.table_one import table_one

    rows = [] if subsets is None else [numbers(part) for part in subsets.split(";")]
    if out is not None:
        require_folder(out)
    named = run_names(folders)
    dataset = PhysicsIQ.open(data, edition=edition, descriptions=descriptions)
    require_runs(named.values(), dataset.samples, fps)
    evaluator = Evaluator(GroundTruth(dataset, fps), cache=cache, jobs=jobs, progress=True)
    attempts, names = score_folders(evaluator, dataset, named)
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
    seed: int | None = None,
    info: Path | None = None,
    edition: Literal["original", "verified"] | None = None,
    descriptions: Path | None = None,
    cache: Path | None = None,
    jobs: Jobs = None,
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
    seed
        Enter this seed's run only; by default a run for each seed. Original takes one run.
    info
        YAML file with fields of the card's public_info, such as organization.
    edition
        Which ground truth DATA is; by default taken from the folder's name.
    descriptions
        The prompts' file; by default beside the data.
    cache
        Cache folder for data from real clips; by default inside BENCH.
    """
    from phyrefine.physics_iq.data.dataset import PhysicsIQ
    from phyrefine.physics_iq.submission.card_files import read_card_file
    from phyrefine.physics_iq.submission.packing import Entry, pack_bench

    require_folder(out.parent)
    entry = Entry(row, ensemble, () if subset is None else numbers(subset), seed)
    findings = pack_bench(
        bench,
        PhysicsIQ.open(data, edition=edition, descriptions=descriptions),
        out,
        entry,
        info=None if info is None else read_card_file(info),
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


def run_names(folders: Sequence[Path]) -> dict[str, Path]:
    """Folders by a name of their own: the folder's, with what lies above it where names repeat.

    Raises:
        InvalidInputError: A folder is given twice, or no part of the paths gives different names.
    """
    from phyrefine.errors import InvalidInputError

    given: dict[Path, Path] = {}
    for folder in folders:
        place = folder.resolve()
        if place in given:
            raise InvalidInputError(f"{folder} is given twice (before as {given[place]}).")
        given[place] = folder
    # A folder keeps the name it is given under, but "." and ".." are no names.
    parts = {
        folder: (place if folder.name in ("", "..") else folder.absolute()).parts[1:]
        for place, folder in given.items()
    }
    named: dict[str, Path] = {}
    for folder, own in parts.items():
        alike = [other for other in parts.values() if other != own and other[-1:] == own[-1:]]
        depth = 1
        while depth < len(own) and any(other[-depth:] == own[-depth:] for other in alike):
            depth += 1
        name = "-".join(own[-depth:])
        if name in named:
            raise InvalidInputError(
                f"{named[name]} and {folder} would both be called {name}: rename one."
            )
        named[name] = folder
    return named


def require_runs(folders: Iterable[Path], samples: Sequence[Sample], fps: int) -> None:
    """See that every folder holds clips that can be scored, before the first one is.

    Raises:
        InvalidInputError: A folder is not there, lacks clips, or runs at another rate.
    """
    from phyrefine.errors import InvalidInputError
    from phyrefine.physics_iq.scoring.truth import find_run, run_rate

    for folder in folders:
        clips = find_run(folder, samples)
        try:
            rate = run_rate(clips.values())
        except InvalidInputError as error:
            error.add_note(f"(In {folder}.)")
            raise
        if rate != fps:
            raise InvalidInputError(
                f"The clips in {folder} run at {rate} FPS, not {fps}: pass --fps {rate} (folders "
                "of different rates one at a time)."
            )


def require_folder(path: Path) -> None:
    """See that a folder is there or can be made.

    Raises:
        InvalidInputError: A file is in its place, or above it.
    """
    from phyrefine.errors import InvalidInputError

    there = next((item for item in (path, *path.absolute().parents) if item.exists()), path)
    if there.exists() and not there.is_dir():
        raise InvalidInputError(f"{there} is a file: name a folder to write into.")


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
