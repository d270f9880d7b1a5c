"""All attempts of a benchmark: refine every sample and keep every clip under the official names.

This side sees prompts and conditioning clips only. It ends with folders of videos; scoring them is
another step, in another module, that nothing here imports.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs
from tqdm.auto import tqdm

from phyrefine._atomic import write_bytes
from phyrefine.errors import InvalidInputError, PhyrefineError
from phyrefine.physics_iq.data.inputs import Inputs, Prompted
from phyrefine.physics_iq.data.layout import GIVEN, PLAIN, RunKey
from phyrefine.physics_iq.generation.allowance import Allowance
from phyrefine.physics_iq.generation.at_once import finish_at_once
from phyrefine.physics_iq.generation.plan import (
    Plan,
    claim,
    expected_keys,
    note_origin,
    require_same,
)
from phyrefine.protocols import Listener
from phyrefine.run.cost import ExpectedCost
from phyrefine.run.endings import INTERRUPTED
from phyrefine.run.estimating.flags import STAND_INS
from phyrefine.run.many import shard as take_shard
from phyrefine.run.store.disk import read_json
from phyrefine.run.store.lock import RunLock
from phyrefine.select.named import RULES
from phyrefine.types import (
    Attempt,
    Budget,
    Candidates,
    Pick,
    Prompt,
    Refinement,
    Scenario,
    pick_key,
)

if TYPE_CHECKING:
    from phyrefine.refiner import SelfRefiner
    from phyrefine.run.cluster.ray_cluster import RayCluster

SAMPLES, VIDEOS = "samples", "videos"
CRITIC = "critic"
_QUALITY = 14  # H.264 constant rate factor of the kept clips
_CHECKSUM = "checksum"


class Refiner(Protocol):
    """What generation needs of a :class:`phyrefine.refiner.SelfRefiner`."""

    budget: Budget | None

    def render(
        self, scenario: Scenario, prompt: Prompt, /, *, candidates: Candidates | None = None
    ) -> Attempt:
        """Clips of a prompt."""
        ...

    def refine(self, scenario: Scenario, /) -> Refinement:
        """Refine one scenario."""
        ...


def make_refiner(
    plan: Plan, run_dir: Path | None, *, models: tuple[Any, Any, Any] | None = None, **rest: Any
) -> SelfRefiner:
    """The refiner of a plan, with a run folder that finishes interrupted work.

    Args:
        plan: What to generate.
        run_dir: Folder of replies and clips.
        models: VLM, LLM and video generator in place of those that the plan names.
        **rest: Further arguments of :class:`phyrefine.refiner.SelfRefiner`, such as ``budget``.
    """
    from phyrefine.refine.convergence import MaxLoops, paper_policy
    from phyrefine.refine.stages import PAPER, Method
    from phyrefine.refiner import SelfRefiner
    from phyrefine.run.search.named import searching

    models = models or (plan.vlm, plan.llm, plan.generator)
    return SelfRefiner(
        *(searching(plan.search, models) if plan.search else models),
        # A table has a row for every loop, so only the paper's own rule may end one early.
        convergence=paper_policy(plan.loops) if plan.paper else MaxLoops(plan.loops),
        ensemble=plan.ensemble,
        candidates=Candidates(
            tuple(step or None for step in plan.steps), plan.seeds, plan.chain, watch=plan.watch
        ),
        method=PAPER if plan.paper else Method(),
        run_dir=run_dir,
        **rest,
    )


def generate(
    plan: Plan,
    dataset: Inputs[Any],
    folder: Path,
    *,
    shard: str | None = None,
    refiner: Callable[[Path], Refiner] | None = None,
    allowance: Allowance | None = None,
    given: Mapping[str, Prompt] | None = None,
    on: RayCluster | None = None,
    listeners: Sequence[Listener] = (),
    progress: bool = False,
) -> list[str]:
    """Make every clip that is not there yet.

    The same call again goes on where the last one ended, however it ended.

    Args:
        plan: What to make.
        dataset: For whom.
        folder: Everything is kept here: ``videos/<row>/``, ``samples/``, ``run/``.
        shard: ``"i/n"``: this machine's share of the samples.
        refiner: Makes the refiner from its run folder; by default the plan's. With ``on``, a
            :class:`phyrefine.refiner.SelfRefiner` with a generator of the cluster.
        allowance: Budget of this call's samples together. A sample that fails before its first
            clip is not counted. When it is spent the samples that are left are not begun; finished
            ones are kept.
        given: Prompts of others by sample, for a plan that has them.
        on: Cluster that makes the clips of several samples at once.
        listeners: Hear what happens, for a plan's own refiner.
        progress: Show a bar.

    Returns:
        One line for each sample that could not be finished.

    Raises:
        RunMismatchError: The folder belongs to another plan or edition.
        RunLockedError: Another process makes this share.
        InvalidInputError: Inputs of the data set are missing.
    """
    _, waiting = samples_of(plan, dataset, folder, shard)
    _require_inputs(plan, dataset, waiting)
    run_dir = folder / ("run" if shard is None else f"run-{shard.replace('/', '-of-')}")

    def own(path: Path) -> SelfRefiner:
        if on is None:
            return make_refiner(plan, path, listeners=listeners)
        models = (plan.vlm, plan.llm, on.generator(plan.generator))
        return make_refiner(plan, path, models=models, listeners=listeners, progress=progress)

    made: Any = (refiner or own)(run_dir)
    # Only now: a wrong name or a missing input leaves the folder to whoever comes next.
    claim(plan, dataset, folder)

    def scenario(sample: Prompted) -> Scenario:
        return dataset.scenario(sample, mode=plan.mode, fps=plan.fps, size=plan.size)

    def finish(sample: Prompted, refinement: Refinement) -> None:
        if refinement.stopped_by == INTERRUPTED:
            raise KeyboardInterrupt
        if allowance is not None:
            allowance.spend(refinement.usage)
        if plan.given:
            own = (given or {})[sample.name]
            refinement = _with_given(made, refinement, own, allowance)
        keep(plan, sample, refinement, folder)

    with RunLock(folder / f"generating{run_dir.name.removeprefix('run')}.lock"):
        if on is not None:
            failures = finish_at_once(made, waiting, scenario, finish, on=on, allowance=allowance)
        else:
            bar = tqdm(waiting, desc=f"{dataset.title} samples", disable=not progress)
            failures = _one_by_one(made, bar, scenario, finish, allowance)
    note_origin(folder)
    return failures


def _one_by_one(
    refiner: Refiner,
    samples: Iterable[Prompted],
    scenario: Callable[[Prompted], Scenario],
    finish: Callable[[Prompted, Refinement], None],
    allowance: Allowance | None,
) -> list[str]:
    failures = []
    for sample in samples:
        if allowance is not None:
            if spent := allowance.spent:
                failures.append(f"{sample.name}: not begun: the budget is spent ({spent})")
                continue
            refiner.budget = allowance.left()
        try:
            finish(sample, refiner.refine(scenario(sample)))
        except PhyrefineError as error:
            failures.append(f"{sample.name}: {type(error).__name__}: {error}")
    return failures


def samples_of(
    plan: Plan, dataset: Inputs[Any], folder: Path, shard: str | None = None
) -> tuple[list[Any], list[Any]]:
    """All samples of a share, and those that are not finished yet.

    Raises:
        RunMismatchError: The folder belongs to another plan or edition.
    """
    require_same(plan, dataset, folder)
    samples = list(dataset.samples) if shard is None else take_shard(dataset.samples, shard)
    return samples, [sample for sample in samples if not _finished(plan, sample, folder)]


def cost_of_a_sample(plan: Plan) -> ExpectedCost | None:
    """What one sample takes at the most without a search, and without loading any model."""
    cost = make_refiner(attrs.evolve(plan, search=""), None, models=STAND_INS).cost()
    if cost is None or not plan.given:
        return cost
    more = len(plan.steps) * len(plan.seeds)
    return cost + ExpectedCost(more, 0, 0, 0)


def _with_given(
    refiner: Refiner, refinement: Refinement, prompt: Prompt, allowance: Allowance | None
) -> Refinement:
    """The refinement with clips of a prompt of others behind its own."""
    if allowance is not None:
        refiner.budget = allowance.left()
    attempt = refiner.render(refinement.scenario, prompt)
    if allowance is not None:
        allowance.spend(attempt.usage)
    return attrs.evolve(
        refinement, attempts=(*refinement.attempts, attrs.evolve(attempt, index=GIVEN))
    )


def keep(plan: Plan, sample: Prompted, refinement: Refinement, folder: Path) -> None:
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
        record["rows"][key.name] = {
            "from": origin.name,
            "prompt": made.prompt.text,
            "bytes": path.stat().st_size,
        }
        for selector, score in _selector_scores(refinement, clips[origin]).items():
            record["selectors"].setdefault(selector, {})[key.name] = score
    record[_CHECKSUM] = _checksum(record)
    write_bytes(_record(folder, sample), json.dumps(record, indent=1).encode())


def read_records(folder: Path, samples: Sequence[Prompted]) -> dict[str, Any]:
    """Records of all samples.

    Raises:
        InvalidInputError: Some samples are not finished.
    """
    records = {sample.name: _read_record(folder, sample) for sample in samples}
    lacking = [name for name, record in records.items() if record is None]
    if lacking:
        raise InvalidInputError(
            f"{len(lacking)} of {len(samples)} samples are not finished, such as {lacking[0]}: run "
            "the same command again, or the other shards."
        )
    return records


def _clips(refinement: Refinement) -> dict[RunKey, Pick]:
    found = {}
    for index, attempt in enumerate(refinement.attempts):
        loop = PLAIN if attempt.baseline else attempt.index
        for number, candidate in enumerate(attempt.candidates):
            found[RunKey(loop, candidate.steps or 0, candidate.seed)] = Pick(index, number)
    return found


def _standing_for(key: RunKey, clips: dict[RunKey, Pick], plan: Plan) -> RunKey | None:
    """The clip of a row; of the last loop before it where the paper's rule ended the loop."""
    if key in clips or not plan.paper or key.loop <= PLAIN:
        return key if key in clips else None
    earlier = [RunKey(loop, key.steps, key.seed) for loop in range(key.loop - 1, PLAIN, -1)]
    return next((other for other in earlier if other in clips), None)


def _selector_scores(refinement: Refinement, pick: Pick) -> dict[str, float]:
    scores = {}
    choice = refinement.choice
    if choice is not None and not choice.oracle:
        if pick_key(pick) in choice.scores:
            scores[choice.selector] = choice.scores[pick_key(pick)]
        elif not choice.scores and choice.selector not in RULES:
            # No opinion, as of a pool in which one clip alone moves, and still a choice.
            scores[choice.selector] = float(pick == choice.pick)
    critique = refinement.attempts[pick.attempt].critique
    if critique is not None and pick.candidate == 0:
        scores[CRITIC] = -critique.severity
    return scores


def _record(folder: Path, sample: Prompted) -> Path:
    return folder / SAMPLES / f"{sample.name}.json"


def _read_record(folder: Path, sample: Prompted) -> Any:
    """A sample's record; ``None`` if it is not there, or damaged and to be made anew."""
    try:
        record = read_json(_record(folder, sample))
    except ValueError:
        return None
    if not isinstance(record, dict) or not {"rows", "selectors"} <= record.keys():
        return None
    # Records of earlier versions have no checksum.
    return record if record.get(_CHECKSUM) in (None, _checksum(record)) else None


def _checksum(record: dict[str, Any]) -> str:
    """Of everything else in a record: a changed score is as good a number as the right one."""
    rest = {name: value for name, value in record.items() if name != _CHECKSUM}
    return hashlib.blake2b(json.dumps(rest, sort_keys=True).encode(), digest_size=8).hexdigest()


def _finished(plan: Plan, sample: Prompted, folder: Path) -> bool:
    record = _read_record(folder, sample)
    return record is not None and all(
        _size(folder / VIDEOS / key.name / f"{sample.name}.mp4")
        == record["rows"].get(key.name, {}).get("bytes")
        for key in expected_keys(plan)
    )


def _size(path: Path) -> int:
    """Bytes of a file; -1 if it is not there."""
    return path.stat().st_size if path.is_file() else -1


def _require_inputs(plan: Plan, dataset: Inputs[Any], samples: Sequence[Prompted]) -> None:
    problems = dataset.part(samples).missing_inputs(mode=plan.mode, fps=plan.fps)
    if problems:
        raise InvalidInputError(f"{len(problems)} inputs cannot be used, such as: {problems[0]}")
