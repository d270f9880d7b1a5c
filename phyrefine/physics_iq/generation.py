"""All attempts of a benchmark: refine every sample and keep every clip under the official names.

This side sees prompts and conditioning clips only. It ends with folders of videos; scoring them is
another step, in another module, that nothing here imports.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import attrs
from tqdm.auto import tqdm

from phyrefine._atomic import write_bytes
from phyrefine.errors import InvalidInputError, PhyrefineError, RunMismatchError
from phyrefine.physics_iq.allowance import Allowance
from phyrefine.physics_iq.dataset import PhysicsIQ
from phyrefine.physics_iq.layout import PLAIN, RunKey, Sample
from phyrefine.run.many import shard as take_shard
from phyrefine.types import Budget, Candidates, Mode, Pick, Refinement, Scenario, pick_key

PLAN, SAMPLES, VIDEOS = "bench.json", "samples", "videos"
CRITIC = "critic"
_QUALITY = 14  # H.264 constant rate factor of the kept clips


@attrs.frozen
class Plan:
    """What a benchmark run generates; a folder belongs to one plan.

    Attributes:
        vlm: Registry name.
        llm: Registry name.
        generator: Registry name.
        loops: Loops of every sample.
        steps: Denoising steps; 0 is the generator's default.
        seeds: Seeds.
        chain: ``own``: each step count has its own loop; ``rerender``: one loop, re-rendered.
        paper: The method verbatim: the loop may stop early, and its last clip stands for the rest.
        ensemble: Reference-free selector that scores the pool of each sample.
        mode: ``v2v`` or ``i2v``.
        fps: Frames per second of the clips.
        size: (height, width) of the clips.
    """

    vlm: str
    llm: str
    generator: str
    loops: int = 4
    steps: tuple[int, ...] = (16, 32)
    seeds: tuple[int, ...] = (0,)
    chain: Literal["own", "rerender"] = "own"
    paper: bool = False
    ensemble: str = "judge"
    mode: str = Mode.VIDEO.value
    fps: int = 24
    size: tuple[int, int] = (720, 1280)


class Refiner(Protocol):
    """What generation needs of a :class:`phyrefine.refiner.SelfRefiner`."""

    budget: Budget | None

    def refine(self, scenario: Scenario, /) -> Refinement:
        """Refine one scenario."""
        ...


def make_refiner(plan: Plan, run_dir: Path, **rest: Any) -> Refiner:
    """The refiner of a plan, with a run folder that finishes interrupted work.

    Args:
        plan: What to generate.
        run_dir: Folder of replies and clips.
        **rest: Further arguments of :class:`phyrefine.refiner.SelfRefiner`, such as ``budget``.
    """
    from phyrefine.refine.convergence import MaxLoops, paper_policy
    from phyrefine.refine.stages import PAPER, Method
    from phyrefine.refiner import SelfRefiner

    return SelfRefiner(
        plan.vlm,
        plan.llm,
        plan.generator,
        # A table has a row for every loop, so only the paper's own rule may end one early.
        convergence=paper_policy(plan.loops) if plan.paper else MaxLoops(plan.loops),
        ensemble=plan.ensemble,
        candidates=Candidates(tuple(step or None for step in plan.steps), plan.seeds, plan.chain),
        method=PAPER if plan.paper else Method(),
        run_dir=run_dir,
        **rest,
    )


def generate(
    plan: Plan,
    dataset: PhysicsIQ,
    folder: Path,
    *,
    shard: str | None = None,
    refiner: Callable[[Path], Refiner] | None = None,
    allowance: Allowance | None = None,
    progress: bool = False,
) -> list[str]:
    """Make every clip that is not there yet.

    The same call again goes on where the last one ended, however it ended.

    Args:
        plan: What to make.
        dataset: For whom.
        folder: Everything is kept here: ``videos/<row>/``, ``samples/``, ``run/``.
        shard: ``"i/n"``: this machine's share of the samples.
        refiner: Makes the refiner from its run folder; by default the plan's.
        allowance: Budget of this call's samples together. A sample that fails before its first
            clip is not counted. When it is spent the samples that are left are not begun; finished
            ones are kept.
        progress: Show a bar.

    Returns:
        One line for each sample that could not be finished.

    Raises:
        RunMismatchError: The folder belongs to another plan or edition.
        InvalidInputError: Inputs of the data set are missing.
    """
    settle(plan, dataset, folder)
    samples = list(dataset.samples) if shard is None else take_shard(dataset.samples, shard)
    waiting = [sample for sample in samples if not _record(folder, sample).is_file()]
    _require_inputs(plan, dataset, waiting)
    run_dir = folder / ("run" if shard is None else f"run-{shard.replace('/', '-of-')}")
    made = (refiner or (lambda path: make_refiner(plan, path)))(run_dir)
    failures = []
    for sample in tqdm(waiting, desc="Physics-IQ samples", disable=not progress):
        if allowance is not None:
            if spent := allowance.spent:
                failures.append(f"{sample.name}: not begun: the budget is spent ({spent})")
                continue
            made.budget = allowance.left()
        scenario = dataset.scenario(sample, mode=plan.mode, fps=plan.fps, size=plan.size)
        try:
            refinement = made.refine(scenario)
            if allowance is not None:
                allowance.spend(refinement.usage)
            keep(plan, sample, refinement, folder)
        except PhyrefineError as error:
            failures.append(f"{sample.name}: {type(error).__name__}: {error}")
    return failures


def keep(plan: Plan, sample: Sample, refinement: Refinement, folder: Path) -> None:
    """Write every clip of a refinement under its row, and last the sample's record.

    Raises:
        InvalidInputError: The refinement was cut short, so that rows would be missing.
    """
    clips = _clips(refinement)
    record: dict[str, Any] = {"sample": sample.name, "rows": {}, "selectors": {}}
    for key in expected_keys(plan):
        origin = _standing_for(key, clips, plan)
        if origin is None:
            raise InvalidInputError(
                f"there is no clip of {key.name} ({refinement.stopped_by}: {refinement.reason})"
            )
        attempt, candidate = clips[origin].attempt, clips[origin].candidate
        made = refinement.attempts[attempt]
        path = folder / VIDEOS / key.name / f"{sample.name}.mp4"
        made.candidates[candidate].clip.write(path, quality=_QUALITY)
        record["rows"][key.name] = {"from": origin.name, "prompt": made.prompt.text}
        for selector, score in _selector_scores(refinement, clips[origin]).items():
            record["selectors"].setdefault(selector, {})[key.name] = score
    write_bytes(_record(folder, sample), json.dumps(record, indent=1).encode())


def expected_keys(plan: Plan) -> tuple[RunKey, ...]:
    """Every run a finished plan has: the plain description and each loop, by steps and seed."""
    return tuple(
        RunKey(loop, steps, seed)
        for steps in plan.steps
        for loop in range(PLAIN, plan.loops + 1)
        for seed in plan.seeds
    )


def settle(plan: Plan, dataset: PhysicsIQ, folder: Path) -> None:
    """Claim a folder for a plan, or see that it belongs to this one."""
    path = folder / PLAN
    asked = json.loads(json.dumps({"edition": dataset.edition.value, "plan": attrs.asdict(plan)}))
    if not path.is_file():
        write_bytes(path, json.dumps(asked, indent=1).encode())
        return
    there = json.loads(path.read_text())
    if there != asked:
        old, new = ({**item["plan"], "edition": item["edition"]} for item in (there, asked))
        differing = [f"{k}: {old.get(k)!r} there, {v!r} asked" for k, v in new.items()
                     if old.get(k) != v]  # fmt: skip
        raise RunMismatchError(
            f"{folder} belongs to another benchmark run ({'; '.join(differing)}): use a new folder."
        )


def read_plan(folder: Path, dataset: PhysicsIQ) -> Plan:
    """The plan of a benchmark folder.

    Args:
        folder: Of the run.
        dataset: What it is going to be scored against.

    Raises:
        InvalidInputError: It is not one, or it was generated for the other edition.
    """
    path = folder / PLAN
    if not path.is_file():
        raise InvalidInputError(f"{folder} is no benchmark folder: it has no {PLAN}.")
    there = json.loads(path.read_text())
    if there["edition"] != dataset.edition.value:
        raise InvalidInputError(
            f"{folder} was generated for Physics-IQ {there['edition']} and {dataset.root} is "
            f"{dataset.edition}: nothing of one edition may enter the other."
        )
    values: dict[str, Any] = there["plan"]
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Plan(**{**values, **lists})


def read_records(folder: Path, samples: Sequence[Sample]) -> dict[str, Any]:
    """Records of all samples.

    Raises:
        InvalidInputError: Some samples are not finished.
    """
    lacking = [sample.name for sample in samples if not _record(folder, sample).is_file()]
    if lacking:
        raise InvalidInputError(
            f"{len(lacking)} of {len(samples)} samples are not finished, such as {lacking[0]}: run "
            "the same command again, or the other shards."
        )
    return {sample.name: json.loads(_record(folder, sample).read_text()) for sample in samples}


def _clips(refinement: Refinement) -> dict[RunKey, Pick]:
    found = {}
    for index, attempt in enumerate(refinement.attempts):
        loop = PLAIN if attempt.baseline else attempt.index
        for number, candidate in enumerate(attempt.candidates):
            found[RunKey(loop, candidate.steps or 0, candidate.seed)] = Pick(index, number)
    return found


def _standing_for(key: RunKey, clips: dict[RunKey, Pick], plan: Plan) -> RunKey | None:
    """The clip of a row; of the last loop before it where the paper's rule ended the loop."""
    if key in clips or not plan.paper or key.loop == PLAIN:
        return key if key in clips else None
    earlier = [RunKey(loop, key.steps, key.seed) for loop in range(key.loop - 1, PLAIN, -1)]
    return next((other for other in earlier if other in clips), None)


def _selector_scores(refinement: Refinement, pick: Pick) -> dict[str, float]:
    scores = {}
    choice = refinement.choice
    if choice is not None and not choice.oracle and pick_key(pick) in choice.scores:
        scores[choice.selector] = choice.scores[pick_key(pick)]
    critique = refinement.attempts[pick.attempt].critique
    if critique is not None and pick.candidate == 0:
        scores[CRITIC] = -critique.severity
    return scores


def _record(folder: Path, sample: Sample) -> Path:
    return folder / SAMPLES / f"{sample.name}.json"


def _require_inputs(plan: Plan, dataset: PhysicsIQ, samples: Sequence[Sample]) -> None:
    part = attrs.evolve(dataset, samples=tuple(samples))
    problems = part.missing_inputs(mode=plan.mode, fps=plan.fps)
    if problems:
        raise InvalidInputError(f"{len(problems)} inputs cannot be used, such as: {problems[0]}")
