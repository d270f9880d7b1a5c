"""What was asked, apart from defaults and secrets, and where it was done."""

import platform
import subprocess

import pytest
from attrs import frozen

from phyrefine._secrets import HIDDEN
from phyrefine.run.spec import Environment, Manifest, RunSpec, as_settings
from phyrefine.serialize import from_json, to_json
from phyrefine.types import Budget, Candidates

SPEC = RunSpec(
    {"candidates": "two"}, {"baseline": True}, {"vlm": "a"}, {"critique": "1f"}, {"budget": 5}
)


def test_equal_specs_do_not_differ():
    assert SPEC.differences(from_json(to_json(SPEC), RunSpec)) == []


def test_passing_a_default_is_no_difference():
    passed = RunSpec({"candidates": "two", "baseline": True}, {}, SPEC.backends, SPEC.prompts)
    assert passed.differences(SPEC) == []


@pytest.mark.parametrize(
    ("spec", "difference"),
    [
        (
            RunSpec({"candidates": "one"}, {"baseline": True}, SPEC.backends, SPEC.prompts),
            "candidates: 'two' there, 'one' now",
        ),
        (
            RunSpec(SPEC.args, {"baseline": False}, SPEC.backends, SPEC.prompts),
            "baseline: True there, False now",
        ),
        (
            RunSpec(SPEC.args, SPEC.defaults, {"vlm": "b"}, SPEC.prompts),
            "backends.vlm: 'a' there, 'b' now",
        ),
        (
            RunSpec(SPEC.args, SPEC.defaults, SPEC.backends, {"critique": "2f"}),
            "prompts.critique: '1f' there, '2f' now",
        ),
        (
            RunSpec({**SPEC.args, "x": None}, SPEC.defaults, SPEC.backends, SPEC.prompts),
            "x: not set there, None now",
        ),
    ],
)
def test_each_difference_is_named_with_both_values(spec, difference):
    assert spec.differences(SPEC) == [difference]


def test_values_of_one_class_are_compared_field_by_field():
    there = RunSpec({"method": "Method(watch=True, tell='a, (b', plan=Plan(x=1))", "steps": "True"})
    here = RunSpec({"method": "Method(watch=False, tell='a, (b', plan=Plan(x=2))", "steps": "None"})
    assert here.differences(there) == [
        "method.watch: True there, False now",
        "method.plan: Plan(x=1) there, Plan(x=2) now",
        "steps: True there, None now",
    ]
    other = RunSpec({"method": "Other(a=1)", "steps": "True"})
    assert other.differences(there) == [
        "method: Method(watch=True, tell='a, (b', plan=Plan(x=1)) there, Other(a=1) now"
    ]


def test_limits_are_free_to_change():
    other = RunSpec(SPEC.args, SPEC.defaults, SPEC.backends, SPEC.prompts, {"budget": 9})
    assert other.differences(SPEC) == []


def test_long_values_are_cut():
    (said,) = RunSpec({"a": "x" * 500}).differences(RunSpec({"a": "y" * 500}))
    assert len(said) < 200


def test_secrets_never_enter(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "a-key-without-shape")
    spec = RunSpec({"api_key": "anything", "url": "http://h/?x=a-key-without-shape"})
    assert spec.args == {"api_key": HIDDEN, "url": f"http://h/?x={HIDDEN}"}


def test_environment(monkeypatch):
    monkeypatch.setattr("sys.argv", ["phyrefine", "run", "--key=sk-abcdefghijklmnopqrst"])
    here = Environment.here()
    assert here.command == ("phyrefine", "run", f"--key={HIDDEN}")
    assert here.python == platform.python_version()
    assert {"phyrefine", "numpy", "av"} <= here.versions.keys()
    assert from_json(to_json(Manifest.new(SPEC)), Manifest).spec == SPEC


def test_git_revision(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert Environment.here().git is None

    def git(*words):
        identity = ("-c", "user.name=n", "-c", "user.email=e@example.com")
        subprocess.run(["git", *identity, *words], check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "one")
    revision = Environment.here().git
    assert len(revision) == 40
    (tmp_path / "a").write_text("2")
    assert Environment.here().git == f"{revision}-dirty"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Environment.here().git is None


def test_settings_of_any_kind_become_json():
    @frozen
    class Policy:
        loops: int
        rules: tuple

    settings = as_settings(
        {"policy": Policy(3, (Budget(usd=1), len)), "set": {"b", "a"}, "candidates": Candidates()}
    )
    assert settings["policy"]["type"] == "Policy"
    assert settings["policy"]["rules"][0]["usd"] == 1
    assert settings["policy"]["rules"][1] == "builtins.len"
    assert settings["set"] == ["a", "b"]
    assert settings["candidates"]["chain"] == "rerender"
