"""Options of ``phyrefine bench NAME``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from attrs import asdict, frozen
from cyclopts import Parameter
from cyclopts.validators import Number

from phyrefine._command_values import Count, Seeds, Size, StepsOrDefault

if TYPE_CHECKING:
    from phyrefine.bench.benchmark import Benchmark, Wanted
    from phyrefine.physics_iq.generation.plan import Plan

Options = Annotated[tuple[str, ...], Parameter(negative="")]


@Parameter(name="*")
@frozen
class PromptFlags:
    """Which prompts.

    Attributes:
        data: The benchmark's download: its file of prompts, or the folder that holds it.
        subset: Part of the benchmark: hard for videophy-2, a folder's name for morpheus.
        limit: Only the first so many prompts.
        field: What a field of the file holds: prompt=NAME, id=NAME, category=NAME, laws=NAME,
            clip=NAME; repeatable.
    """

    data: Path
    subset: str | None = None
    limit: Annotated[int | None, Parameter(validator=Number(gte=1))] = None
    field: Options = ()

    def wanted(self) -> Wanted:
        """The choice that these flags make."""
        from phyrefine.bench.benchmark import Wanted
        from phyrefine.errors import InvalidInputError

        fields = {}
        for item in self.field:
            what, equals, name = item.partition("=")
            if not equals:
                raise InvalidInputError(f"--field takes WHAT=NAME, not {item!r}.")
            fields[what] = name
        return Wanted(self.subset, self.limit, fields)


@Parameter(name="*")
@frozen
class ClipFlags:
    """What is generated.

    Attributes:
        vlm: Backend that watches: NAME or NAME:MODEL.
        llm: Backend that rewrites.
        generator: Backend that generates; a text-to-video one where nothing conditions it.
        vlm_option: key=value; repeatable. See: phyrefine backends NAME.
        llm_option: As --vlm-option.
        generator_option: As --vlm-option.
        loops: Loops of every prompt; the plain prompt's clip is made beside them.
        steps: Step counts: 16,32 or 16 32; 0 is the generator's own.
        seeds: Seeds: 0,1 or 0 1.
        chain: own: every step count has its own loop; rerender: one loop, re-rendered.
        ensemble: Reference-free selector whose scores are stored.
        watch: Clips of each loop that the critic watches.
        search: backtracking: make the chunks from the first violation on anew; chunks: choose
            among several versions of every chunk. Needs a generator that streams.
        search_option: key=value; repeatable; as in phyrefine run.
        mode: t2v, or i2v or v2v where the download brings pictures or clips; by default the
            benchmark's.
        seconds: Length of the clips.
        fps: Frames per second of the clips.
        size: Height and width of the clips.
    """

    vlm: str = "world"
    llm: str = "world"
    generator: str = "world"
    vlm_option: Options = ()
    llm_option: Options = ()
    generator_option: Options = ()
    loops: Count = 1
    steps: StepsOrDefault = (0,)
    seeds: Seeds = (0,)
    chain: Literal["own", "rerender"] = "own"
    ensemble: str = "consensus"
    watch: Count = 1
    search: Annotated[str | None, Parameter()] = None
    search_option: Options = ()
    mode: Literal["t2v", "i2v", "v2v"] | None = None
    seconds: Annotated[float, Parameter(validator=Number(gt=0))] = 5.0
    fps: int = 24
    size: Size = (480, 832)

    def plan(self, suite: Benchmark) -> Plan:
        """The plan these flags describe."""
        from phyrefine.options import join_options
        from phyrefine.physics_iq.generation.plan import Plan
        from phyrefine.run.search.named import join_search

        given = asdict(self)
        del given["seconds"]
        for role in ("vlm", "llm", "generator"):
            given[role] = join_options(given[role], given.pop(f"{role}_option"))
        given["search"] = join_search(given["search"], given.pop("search_option"))
        return Plan(**{**given, "mode": self.mode or suite.mode})


@Parameter(name="*")
@frozen
class JudgingFlags:
    """Who scores.

    Attributes:
        judge: Row of the table of judges; by default the benchmark's. See: phyrefine judges.
        judge_vlm: The VLM that plays it: NAME or NAME:MODEL. Without one nothing is scored.
        judge_option: key=value for it; repeatable. Its rate, frames and size come from the row.
        judge_template: The authors' file of the judge's wording; without it our wording is asked,
            and the table says so.
        laws: Laws asked of every clip, for judges of laws: gravity,collision.
        repeats: Independent looks at each clip.
        given: Judge the clips of the download as well.
        scores: Scores that another program gave, NAME=FILE.csv with videopath and score, in place
            of a VLM; repeatable.
        workers: Clips judged at a time.
    """

    judge: str | None = None
    judge_vlm: str | None = None
    judge_option: Options = ()
    judge_template: Path | None = None
    laws: str = ""
    repeats: Annotated[int, Parameter(validator=Number(gte=1))] = 1
    given: bool = False
    scores: Options = ()
    workers: Annotated[int, Parameter(validator=Number(gte=1))] = 4

    def law_names(self) -> tuple[str, ...]:
        """The laws, each one known."""
        from phyrefine.bench.judges.wording import law_texts

        named = tuple(law.strip() for law in self.laws.split(",") if law.strip())
        for law in named:
            law_texts(law)
        return named
