"""Views scored in processes: the same numbers and errors, and nothing is left behind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from phyrefine.errors import RunError, VideoError
from phyrefine.physics_iq.data.dataset import PhysicsIQ
from phyrefine.physics_iq.scoring import workers
from phyrefine.physics_iq.scoring.evaluate import Evaluator
from phyrefine.physics_iq.scoring.truth import GroundTruth
from phyrefine.video.clip import Clip


@pytest.mark.slow
def test_processes_measure_what_threads_do(
    tiny: Path, tiny_bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = GroundTruth(PhysicsIQ.open(tiny), 8)
    folder = tiny_bench / "videos/loop1-steps4-seed0"
    crew = Evaluator(real, cache=tmp_path / "crew", jobs=5, progress=True)
    alone = Evaluator(real, cache=tmp_path / "alone", jobs=1)
    assert crew.measure(folder) == alone.measure(folder)
    assert "6/6" in capsys.readouterr().err
    entries = {path.name for path in (tmp_path / "crew" / "clips").iterdir()}
    assert entries == {path.name for path in (tmp_path / "alone" / "clips").iterdir()}
    shutil.rmtree(tmp_path / "crew")
    crew.prepare(real.dataset.samples[:1])
    assert len(list((tmp_path / "crew" / "clips").iterdir())) == 2


@pytest.mark.slow
def test_what_is_wrong_in_a_process_is_told_as_in_a_thread(
    tiny: Path, tiny_bench: Path, tmp_path: Path
) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(tiny_bench / "videos/loop1-steps4-seed0", videos)
    short = min(videos.iterdir())
    Clip(Clip.read(short).frames[:30], 8).write(short)
    real = GroundTruth(PhysicsIQ.open(tiny), 8)
    with pytest.raises(VideoError, match="holds 30 frames and 40 are scored"):
        Evaluator(real, jobs=5).measure(videos, check=False)


def test_a_process_that_dies_is_named(tiny: Path, tiny_bench: Path) -> None:
    real = GroundTruth(PhysicsIQ.open(tiny), 8)
    crew = workers.Crew(workers.Setup(real, None, packed=False, lossless=False))
    sample = real.dataset.samples[0]
    clip = tiny_bench / f"videos/loop1-steps4-seed0/{sample.name}.mp4"
    try:
        crew.ask(sample, clip)
        (process,) = crew._all
        process.kill()
        process.wait()
        with pytest.raises(RunError, match=rf"ended with code -9 at {sample.name}.* fewer --jobs"):
            crew.ask(sample, clip)
    finally:
        crew.stop()
    with pytest.raises(RunError):
        crew.ask(sample, clip)


@pytest.mark.slow
def test_an_interruption_ends_every_process(
    tiny: Path, tiny_bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent gets Ctrl-C while processes work; none of them is left."""
    crews: list[workers.Crew] = []

    class Watched(workers.Crew):
        def ask(self, sample: Any, clip: Path | None) -> Any:
            crews.append(self)
            done = super().ask(sample, clip)
            if sample.number == 1 and len({id(crew) for crew in crews}) == 1:
                raise KeyboardInterrupt
            return done

    monkeypatch.setattr("phyrefine.physics_iq.scoring.evaluate.Crew", Watched)
    real = GroundTruth(PhysicsIQ.open(tiny), 8)
    evaluator = Evaluator(real, cache=tmp_path / "cache", jobs=5)
    with pytest.raises(KeyboardInterrupt):
        evaluator.measure(tiny_bench / "videos/loop1-steps4-seed0")
    assert crews
    assert all(process.poll() is not None for crew in crews for process in crew._all)
    # What was finished is kept, and the same call goes on.
    assert len(evaluator.measure(tiny_bench / "videos/loop1-steps4-seed1")) == 6
