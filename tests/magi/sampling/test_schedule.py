import json

import pytest

from magi.goldens import read_json
from phyrefine.errors import InvalidInputError
from phyrefine.magi.config import SamplingConfig
from phyrefine.magi.sampling.guidance import guidance_scales
from phyrefine.magi.sampling.schedule import (
    Schedule,
    chunk_count,
    step_intervals,
    step_size,
    time_grid,
)

TABLES = read_json("tables")


def _split(key):
    steps, _, shortcut = key.partition("|")
    return int(steps), shortcut or "8,16,16"


@pytest.mark.parametrize("key", TABLES["t_schedule"])
def test_times_equal_the_original(key):
    assert time_grid(*_split(key)) == TABLES["t_schedule"][key]


@pytest.mark.parametrize("key", TABLES["interval"])
def test_intervals_equal_the_original(key):
    assert step_intervals(*_split(key)) == TABLES["interval"][key]


@pytest.mark.parametrize("key", TABLES["generate_sequences"])
def test_stages_equal_the_original(key):
    setting = {k: int(v) for k, v in (part.split("=") for part in key.split(","))}
    window = setting["window"]
    config = SamplingConfig(num_steps=4 * window, window_size=window)
    schedule = Schedule(config, setting["chunks"], setting["offset"])
    flights = [schedule.in_flight(stage) for stage in range(schedule.stages)]
    golden = TABLES["generate_sequences"][key]
    assert [flight.start for flight in flights] == golden["chunk_start"]
    assert [flight.stop for flight in flights] == golden["chunk_end"]
    for stage in range(schedule.stages):
        step = next(iter(schedule.stage_steps(stage)))
        inner = schedule.inner_steps
        parts = [turn.index // inner for turn in step.noisy]
        last = golden["t_end"][stage] - 1
        assert parts == [last - place for place in range(len(parts))]


@pytest.mark.parametrize("key", TABLES["schedule_trace"])
def test_every_call_equals_the_original(key):
    setting = json.loads(key)
    config = SamplingConfig(
        num_steps=setting["steps"],
        window_size=setting["window"],
        shortcut=setting.get("shortcut", "8,16,16"),
        noise_reach=tuple(setting.get("noise2clean", (5, 4, 3, 2))),
        clean_reach=setting.get("clean_kv", 1),
    )
    prefix = setting["P"] // 6
    schedule = Schedule(config, setting["chunks"], prefix)
    golden = TABLES["schedule_trace"][key]
    calls = [
        {
            "t": [turn.time for turn in step.turns],
            "kv_range_chunks": [list(turn.sees) for turn in step.turns],
            "slice_point": step.cached,
            "chunks_in": len(step.turns),
            "chunk_end": step.turns[-1].chunk + 1,
            "extra_clean": step.refreshes,
            "prefix_pass": step.prefix,
            "nearly_clean": step.near_clean,
            "interval": step.interval,
        }
        for step in schedule
    ]
    assert calls == golden["calls"]
    ends = [
        {"chunk_idx": step.finishes - prefix, "after_forward_calls": number}
        for number, step in enumerate(schedule, 1)
        if step.finishes is not None
    ]
    kept = ("chunk_idx", "after_forward_calls")
    assert ends == [{k: end[k] for k in kept} for end in golden["yields"]]


@pytest.mark.parametrize(("time", "history", "text"), TABLES["cfg_scale"])
def test_guidance_scales_equal_the_original(time, history, text):
    assert guidance_scales(time, SamplingConfig()) == (history, text)


@pytest.mark.parametrize(("steps", "window"), [(8, 1), (16, 4), (12, 2), (64, 4), (32, 4)])
def test_every_chunk_gets_every_step_once(steps, window):
    schedule = Schedule(SamplingConfig(num_steps=steps, window_size=window), 6, 2)
    seen = {chunk: [] for chunk in range(2, 6)}
    for step in schedule:
        for turn in step.noisy:
            seen[turn.chunk].append(turn.index)
    assert all(indices == list(range(steps)) for indices in seen.values())


def test_step_sizes_told_to_distilled_networks():
    assert [step_size(n, 1.0) for n in (8, 16, 32, 64)] == [4, 8, 16, 32]
    assert (step_size(12, 2.0), step_size(12, 1.0)) == (4, 8)


@pytest.mark.parametrize(
    ("frames", "prefix", "chunks"), [(96, 0, 4), (96, 1, 5), (96, 8, 6), (120, 18, 8), (24, 8, 3)]
)
def test_chunk_counts(frames, prefix, chunks):
    assert chunk_count(frames, prefix) == chunks


def test_steps_must_fill_the_window():
    with pytest.raises(InvalidInputError, match="num_steps 10 must be a multiple"):
        SamplingConfig(num_steps=10)
