"""The table that ages: what ends when, which levels a family takes, which default is there."""

import datetime as dt

import pytest

from phyrefine.backends.calling import models
from phyrefine.backends.loopback import Asked
from phyrefine.backends.loopback.wire import tokens
from phyrefine.testing import moving_clip

BEFORE, AFTER = dt.date(2026, 11, 27), dt.date(2027, 2, 1)


def test_the_defaults_work_next_year():
    assert models.retirement_of("gemini", models.GEMINI_DEFAULT) is None
    assert models.retirement_of("openai", models.OPENAI_DEFAULT) is None


@pytest.mark.parametrize(
    ("provider", "model", "on"),
    [("openai", "gpt-4o", "2027-01-14"), ("openai", "gpt-4.1-mini", "2027-01-14"),
     ("openai", "gpt-4o-2024-05-13", "2026-10-23"), ("openai", "gpt-5-nano", "2026-12-11"),
     ("openai", "gpt-5.1", "2027-04-01"), ("gemini", "models/gemini-2.5-pro", "2026-12-01"),
     ("vertex", "gemini-2.5-flash", "2026-10-20")],
)  # fmt: skip
def test_what_ends_when(provider, model, on):
    assert str(models.retirement_of(provider, model).on) == on


def test_what_to_use_instead():
    assert "Others: gpt-6-luna" in models.alternatives("openai", "gpt-4o", today=AFTER)
    assert "Known names" in models.alternatives("openai", "gpt-4o", today=BEFORE)
    assert "gpt-4o" not in models.alternatives("openai", "gpt-4-o", today=AFTER)
    assert "From 2026-12-01" in models.substituted("gemini", "gemini-2.5-pro", "gemini-3.8-flash")
    assert "From" not in models.substituted("openai", "gpt-4o", "gpt-6-luna")


def test_the_soonest_end_is_told_first():
    told = models.retirements_told(today=BEFORE)
    assert told == sorted(told)
    assert any("2026-10-23 ended: gpt-4o-2024-05-13" in line for line in told)
    assert any("2027-01-14 end: gpt-4o," in line for line in told)
    assert models.retirements_told(today=dt.date(2030, 1, 1)) == []


@pytest.mark.parametrize(
    ("provider", "model", "asked", "nearest"),
    [("openai", "o3", "minimal", "low"), ("openai", "gpt-5-mini", "none", "minimal"),
     ("openai", "gpt-5.4", "max", "xhigh"), ("gemini", "gemini-3-pro-preview", "medium", "low"),
     ("gemini", "gemini-3.8-flash", "none", "low"), ("openai", "gpt-5.1", "minimal", "low")],
)  # fmt: skip
def test_the_nearest_level(provider, model, asked, nearest):
    assert models.nearest_level(asked, models.levels_of(provider, model)) == nearest


def test_a_model_we_do_not_know_is_asked_as_it_is():
    assert models.levels_of("openai", "gpt-6-luna") is None


@pytest.mark.parametrize(
    ("model", "resolution", "each"),
    [("gemini-3.8-flash", "", 70), ("gemini-3.8-flash", "low", 70), ("gemini-3.8-flash", "high", 280),
     ("gemini-2.5-pro", "", 258), ("gemini-2.5-pro", "low", 66)],
)  # fmt: skip
def test_a_rehearsal_counts_frames_as_the_family_does(model, resolution, each):
    video = ("video/mp4", moving_clip(16, fps=8.0).to_bytes("mp4"))
    asked = Asked(model, "", "", None, (video,), fps=4.0, resolution=resolution)
    assert tokens(asked, per_image=1) == 8 * each + 1
