"""``phyrefine bench``, ``score``, ``ensemble`` and ``pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def bench(
    benchmark: Literal["physics-iq"] = "physics-iq",  # noqa: ARG001 - leaves room for others
    *,
    data: Path,
    vlm: str = "world",
    llm: str = "world",
    generator: str = "world",
    out: Path = Path("runs/physics-iq"),
    loops: int = 4,
    steps: Annotated[str, Parameter(help="Step counts, for example 16,32; 0 is default.")] = "0",
    seeds: Annotated[str, Parameter(help="Seeds, for example 0,1,2,3.")] = "0",
    chain: Literal["own", "rerender"] = "own",
    paper: Annotated[bool, Parameter(help="The paper's method, verbatim.")] = False,
    ensemble: str = "judge",
    mode: Literal["v2v", "i2v"] = "v2v",
    fps: int = 24,
    size: tuple[int, int] = (720, 1280),
    edition: Literal["original", "verified"] | None = None,
    descriptions: Path | None = None,
    subsets: Annotated[str | None, Parameter(help="Rows of ensembles: 1,2,5;1,2,3.")] = None,
    shard: Annotated[str | None, Parameter(help="This machine's share: i/n.")] = None,
    score_only: Annotated[bool, Parameter(help="Never generate; score what is there.")] = False,
    cache: Annotated[Path | None, Parameter(help="Folder of the real side.")] = None,
    jobs: Annotated[int | None, Parameter(help="Views scored at a time.")] = None,
    make_scenes: Annotated[
        int, Parameter(help="Render that many small scenes as the data set first.")
    ] = 0,
) -> int:
    """Run Physics-IQ: refine every sample, score every clip, print the table.

    OUT keeps everything; the same command again goes on where the last one ended. With --shard
    only this machine's samples are generated: run once more without it, or with --score-only, for
    the table when all shards are done.

    Parameters
    ----------
    data
        The benchmark's folder as downloaded, or the folder that holds it.
    vlm
        Backend that watches: NAME or NAME:MODEL.
    llm
        Backend that rewrites.
    generator
        Backend that generates.
    out
        Folder of this benchmark run.
    loops
        Loops of every sample.
    chain
        own: every step count has its own loop; rerender: one loop, re-rendered.
    ensemble
        Reference-free selector: judge, tournament, critics_pick, consensus, last or random.
    mode
        v2v conditions on 3 s of video, i2v on one frame.
    size
        Height and width of the clips.
    edition
        Which ground truth DATA is; by default told by the folder's name.
    descriptions
        Prompts; by default descriptions.csv beside the data.
    """
    from phyrefine.physics_iq.dataset import PhysicsIQ
    from phyrefine.physics_iq.generation import Plan, generate
    from phyrefine.physics_iq.scoring import score_bench

    if make_scenes and not (data / "descriptions.csv").is_file():
        from phyrefine.physics_iq.world_set import build_world_dataset

        build_world_dataset(data, scenes=make_scenes, rates=dict.fromkeys((30, fps)))
    dataset = PhysicsIQ.open(data, edition=edition, descriptions=descriptions)
    plan = Plan(
        vlm=vlm,
        llm=llm,
        generator=generator,
        loops=loops,
        steps=_numbers(steps),
        seeds=_numbers(seeds),
        chain=chain,
        paper=paper,
        ensemble=ensemble,
        mode=mode,
        fps=fps,
        size=size,
    )
    if not score_only:
        failures = generate(plan, dataset, out, shard=shard, progress=True)
        for failure in failures:
            _say(failure)
        if failures or shard is not None:
            _say(f"{len(failures)} samples are not finished." if failures else "Shard done.")
            return 3 if failures else 0
    rows = None if subsets is None else [_numbers(part) for part in subsets.split(";")]
    table = score_bench(out, dataset, cache=cache, subsets=rows, jobs=jobs, progress=True)
    _say(table.shown())
    _say(f"Wrote {out / 'table.txt'}, table.csv, table.json, table.svg and loops.svg.")
    return 0


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
    _say(score_table(runs))
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
    rows = [] if subsets is None else [_numbers(part) for part in subsets.split(";")]
    table = table_one(attempts, subsets=rows)
    _say(f"Runs: {', '.join(names)}")
    _say(table.shown())
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

    entry = Entry(row, ensemble, () if subset is None else _numbers(subset))
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
        _say(str(finding))
    _say(f"Wrote {out}; {len(findings)} findings to settle before it is sent.")
    return 3 if findings else 0


def _say(text: object) -> None:
    print(text)  # noqa: T201 - the command line prints


def _numbers(text: str) -> tuple[int, ...]:
    from phyrefine.errors import InvalidInputError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidInputError(f"{text!r} is not numbers with commas, such as 16,32.") from error
