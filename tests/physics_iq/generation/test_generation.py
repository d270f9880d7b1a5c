"""All attempts of a benchmark: kept under the official names, resumable, in shards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from piq_helpers import FPS, PLAN, SIZE, Watcher, refiner_of

from phyrefine.errors import GenerationError, InvalidInputError, RunMismatchError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.data.layout import Edition
from phyrefine.physics_iq.generation.generating import generate, make_refiner, read_records
from phyrefine.physics_iq.generation.plan import Plan, expected_keys, read_plan
from phyrefine.physics_iq.scoring.truth import find_run, run_rate
from phyrefine.refiner import SelfRefiner
from phyrefine.testing import MovingDot
from phyrefine.types import Attempt, Choice, Pick, Scenario
from phyrefine.video.clip import Clip


def some(tiny: Path, numbers: tuple[int, ...] = (1, 4)) -> PhysicsIQ:
    """The data set with a part of its samples: one of each scene."""
    data = PhysicsIQ.open(tiny)
    return evolve(data, samples=tuple(s for s in data.samples if s.number in numbers))


def run(plan: Plan, tiny: Path, folder: Path, *, shard: str | None = None, **parts: Any) -> Any:
    return generate(
        plan,
        some(tiny),
        folder,
        shard=shard,
        refiner=lambda at: refiner_of(plan, at, **parts),
    )


def test_every_clip_is_kept_under_its_row_and_name(tiny: Path, tiny_bench: Path) -> None:
    data = PhysicsIQ.open(tiny)
    plan = read_plan(tiny_bench, data)
    assert plan.seeds == (0, 1)
    names = {key.name for key in expected_keys(plan)}
    assert names == {f"{start}-steps4-seed{seed}" for seed in (0, 1)
                     for start in ("plain", "loop1", "loop2")}  # fmt: skip
    assert {path.name for path in (tiny_bench / "videos").iterdir()} == names
    for name in names:
        clips = find_run(tiny_bench / "videos" / name, data.samples)
        assert {path.name for path in clips.values()} == {f"{s.name}.mp4" for s in data.samples}
        assert run_rate(clips.values()) == FPS  # 5 s each, as the official check wants
        assert Clip.read(clips[1]).size == SIZE
    for record in read_records(tiny_bench, data.samples).values():
        assert record["rows"].keys() == names
        assert record["selectors"]["judge"].keys() == names
        # The critic watches each prompt's first clip only.
        assert record["selectors"]["critic"].keys() == {n for n in names if n.endswith("seed0")}
        texts = [record["rows"][f"{start}-steps4-seed0"]["prompt"]
                 for start in ("plain", "loop1", "loop2")]  # fmt: skip
        assert len(set(texts)) == 3


class Mute:
    """Chooses the second attempt's clip without an opinion of any."""

    def __init__(self, name: str) -> None:
        self.name = name

    def choose(self, scenario: Scenario, attempts: Sequence[Attempt]) -> Choice:
        return Choice(Pick(1, 0), self.name, "")


@pytest.mark.parametrize(("name", "scored"), [("mute", True), ("last", False)])
def test_a_rule_without_an_opinion_still_chooses(
    name: str, scored: bool, tiny: Path, tmp_path: Path
) -> None:
    def refiner(at: Path) -> SelfRefiner:
        made = refiner_of(PLAN, at)
        assert isinstance(made, SelfRefiner)
        made.ensemble = Mute(name)
        return made

    data = some(tiny, (1,))
    assert generate(PLAN, data, tmp_path, refiner=refiner) == []
    (record,) = read_records(tmp_path, data.samples).values()
    one = {"plain-steps4-seed0": 0.0, "loop1-steps4-seed0": 1.0, "loop2-steps4-seed0": 0.0}
    assert record["selectors"].get(name) == (one if scored else None)


@pytest.mark.slow
def test_the_same_command_asks_for_nothing_twice(tiny: Path, tmp_path: Path) -> None:
    watcher, dot = Watcher(), MovingDot()
    assert run(PLAN, tiny, tmp_path, watcher=watcher, dot=dot) == []
    asked, shots = len(watcher.asked), len(dot.shots)
    assert shots == 2 * 3
    assert run(PLAN, tiny, tmp_path, watcher=watcher, dot=dot) == []
    assert (len(watcher.asked), len(dot.shots)) == (asked, shots)
    # A sample whose record was not reached is put together from what the run folder holds.
    record = min((tmp_path / "samples").iterdir())
    said = record.read_text()
    record.unlink()
    assert run(PLAN, tiny, tmp_path, watcher=watcher, dot=dot) == []
    assert record.read_text() == said
    # So is one in which a score is another number than it was.
    values = json.loads(said)
    scores = values["selectors"]["critic"]
    scores.update(dict.fromkeys(scores, -7.5))
    record.write_text(json.dumps(values))
    assert run(PLAN, tiny, tmp_path, watcher=watcher, dot=dot) == []
    assert record.read_text() == said
    assert (len(watcher.asked), len(dot.shots)) == (asked, shots)


def test_shards_share_the_samples_and_make_one_whole(tiny: Path, tmp_path: Path) -> None:
    data = some(tiny)
    assert run(PLAN, tiny, tmp_path, shard="1/2") == []
    with pytest.raises(InvalidInputError, match=r"1 of 2 samples are not finished.*other shards"):
        read_records(tmp_path, data.samples)
    assert run(PLAN, tiny, tmp_path, shard="2/2") == []
    assert list(read_records(tmp_path, data.samples)) == [s.name for s in data.samples]
    assert {path.name for path in tmp_path.glob("run*")} == {"run-1-of-2", "run-2-of-2"}
    with pytest.raises(InvalidInputError, match="3/2"):
        run(PLAN, tiny, tmp_path, shard="3/2")


def test_a_sample_that_fails_does_not_take_the_others(tiny: Path, tmp_path: Path) -> None:
    def fails(shot: Any) -> None:
        if "falls" in shot.prompt.text:
            raise GenerationError("out of memory")

    failures = run(PLAN, tiny, tmp_path, dot=MovingDot(fail=fails))
    assert len(failures) == 1
    assert failures[0].startswith("0004_perspective-left_trimmed-square-falls: GenerationError")
    assert "out of memory" in failures[0]
    assert len(list((tmp_path / "samples").iterdir())) == 1
    assert run(PLAN, tiny, tmp_path) == []
    assert len(list((tmp_path / "samples").iterdir())) == 2


def test_a_refinement_cut_short_is_not_kept(tiny: Path, tmp_path: Path) -> None:
    calls = []

    def fails_late(shot: Any) -> None:
        calls.append(shot)
        if len(calls) == 3:
            raise GenerationError("lost")

    failures = run(PLAN, tiny, tmp_path, dot=MovingDot(fail=fails_late))
    assert len(failures) == 1
    assert "no clip of loop2-steps4-seed0" in failures[0]
    assert "lost" in failures[0]


def test_a_folder_belongs_to_one_plan_and_one_edition(tiny: Path, tmp_path: Path) -> None:
    data = some(tiny, (1,))
    generate(PLAN, data, tmp_path, refiner=lambda at: refiner_of(PLAN, at))
    with pytest.raises(RunMismatchError, match="loops: 2 there, 3 asked"):
        run(evolve(PLAN, loops=3), tiny, tmp_path)
    verified = evolve(data, edition=Edition.VERIFIED)
    with pytest.raises(RunMismatchError, match="edition: 'original' there"):
        generate(PLAN, verified, tmp_path, refiner=lambda at: refiner_of(PLAN, at))
    assert read_plan(tmp_path, data) == PLAN
    with pytest.raises(InvalidInputError, match="no benchmark folder"):
        read_plan(tiny, data)


def test_missing_inputs_stop_it_before_any_call(tiny: Path, tmp_path: Path) -> None:
    data = PhysicsIQ.open(tiny)
    lost = evolve(data, samples=(evolve(data.samples[0], scene="trimmed-lost"),))
    watcher = Watcher()
    with pytest.raises(InvalidInputError, match=r"1 inputs cannot be used.*trimmed-lost"):
        generate(PLAN, lost, tmp_path, refiner=lambda at: refiner_of(PLAN, at, watcher=watcher))
    assert watcher.asked == []


def test_in_paper_mode_the_last_clip_stands_for_loops_that_were_not_needed(
    tiny: Path, tmp_path: Path
) -> None:
    from piq_helpers import Writer

    from phyrefine import Candidates, SelfRefiner
    from phyrefine.refine.convergence import paper_policy
    from phyrefine.refine.stages import PAPER

    plan = evolve(PLAN, loops=3, paper=True)

    def verbatim(at: Path) -> SelfRefiner:
        return SelfRefiner(
            Watcher(settled=True), Writer(), MovingDot(), convergence=paper_policy(3),
            candidates=Candidates((4,), chain="own"), method=PAPER, run_dir=at,
        )  # fmt: skip

    assert generate(plan, some(tiny, (1,)), tmp_path, refiner=verbatim) == []
    record = json.loads(min((tmp_path / "samples").iterdir()).read_text())
    origins = {name: row["from"] for name, row in record["rows"].items()}
    assert origins["loop1-steps4-seed0"] == "loop1-steps4-seed0"
    assert origins["loop3-steps4-seed0"] == "loop1-steps4-seed0"
    first, third = (min((tmp_path / f"videos/loop{n}-steps4-seed0").iterdir()) for n in (1, 3))
    assert Clip.read(first).digest == Clip.read(third).digest


@pytest.mark.slow  # imports torch
def test_plans_become_refiners(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    world = Plan("world", "world", "world", loops=3, steps=(0, 4), seeds=(0, 1), ensemble="last")
    made: Any = make_refiner(world, tmp_path)
    assert made.candidates.steps == (None, 4)
    assert made.candidates.seeds == (0, 1)
    assert made.candidates.chain == "own"
    assert made.baseline
    assert "MaxLoops(loops=3)" in repr(made.convergence)
    assert "SamePrompt" not in repr(made.convergence)
    paper: Any = make_refiner(evolve(world, paper=True, chain="rerender"), tmp_path)
    assert paper.candidates.chain == "rerender"
    assert "SamePrompt" in repr(paper.convergence)
    assert not paper.method.tell_description


@pytest.mark.slow  # imports torch and renders
def test_a_plan_may_search(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    plan = Plan(
        "world", "world", "world", loops=1, steps=(2,), ensemble="last", fps=FPS,
        size=(48, 64), watch=2, seeds=(0, 1), search="chunks?width=2",
    )  # fmt: skip
    refiner: Any = make_refiner(plan, tmp_path / "run")
    assert refiner.candidates.watch == 2
    assert generate(plan, some(tiny, (1,)), tmp_path) == []
    for row in ("plain-steps2-seed0", "loop1-steps2-seed0", "loop1-steps2-seed1"):
        assert len(list((tmp_path / "videos" / row).iterdir())) == 1
    plain = generate(evolve(plan, search=""), some(tiny, (1,)), tmp_path / "without")
    assert plain == []
    clips = [min((at / "videos/loop1-steps2-seed0").iterdir()).read_bytes()
             for at in (tmp_path, tmp_path / "without")]  # fmt: skip
    assert clips[0] != clips[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage", ["clip lost", "clip cut", "record cut", "record of another kind"]
)
def test_what_is_lost_of_a_finished_sample_is_made_again(
    damage: str, tiny: Path, tmp_path: Path
) -> None:
    dot = MovingDot()
    assert run(PLAN, tiny, tmp_path, dot=dot) == []
    shots = len(dot.shots)
    clip = min((tmp_path / "videos" / "loop1-steps4-seed0").iterdir())
    record = min((tmp_path / "samples").iterdir())
    whole, said = clip.read_bytes(), record.read_text()
    if damage == "clip lost":
        clip.unlink()
    elif damage == "clip cut":
        clip.write_bytes(whole[: len(whole) // 2])
    else:
        record.write_text(said[:40] if damage == "record cut" else "[]")
        with pytest.raises(InvalidInputError, match="1 of 2 samples are not finished"):
            read_records(tmp_path, some(tiny).samples)
    assert run(PLAN, tiny, tmp_path, dot=dot) == []
    assert len(dot.shots) == shots  # from the run folder, not generated again
    assert clip.read_bytes() == whole
    assert record.read_text() == said


def test_an_input_that_breaks_late_does_not_take_the_others(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    shutil.copytree(tiny, root)
    data = evolve(PhysicsIQ.open(root), samples=some(tiny).samples)
    path = data.conditioning(data.samples[0], FPS)
    assert data.missing_inputs(fps=FPS) == []
    # Cut after it was looked at, as when a disk fails during the run.
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    monkeypatch.setattr(PhysicsIQ, "missing_inputs", lambda *_, **__: [])
    folder = tmp_path / "out"
    failures = generate(PLAN, data, folder, refiner=lambda at: refiner_of(PLAN, at))
    assert len(failures) == 1
    assert "VideoError" in failures[0]
    assert path.name in failures[0]
    assert len(list((folder / "samples").iterdir())) == 1
