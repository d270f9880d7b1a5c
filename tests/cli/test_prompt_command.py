import json

import pytest

from phyrefine.cli import FAILED, main
from phyrefine.testing import moving_clip


@pytest.fixture(scope="module")
def ball(tmp_path_factory):
    path = tmp_path_factory.mktemp("prompt") / "ball.mp4"
    moving_clip(24, (64, 64)).write(path)
    return str(path)


@pytest.mark.parametrize("dialect", ["prose", "timed", "structured", "per_chunk"])
def test_the_prompt_in_any_dialect_without_generating(ball, capsys, dialect):
    words = ["prompt", ball, "-d", "A red ball falls onto the floor.", "--dialect", dialect]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "A red ball falls onto the floor." in out
    assert ("predicted_timeline" in out) == (dialect == "structured")
    assert ("[0.0-" in out) == (dialect == "timed")


def test_everything_as_json_and_a_dialect_of_ones_own(ball, capsys, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('name = "own"\nsummary = "s"\nsource = "me"\nkind = "prose"\n'
                   'instruction = "i"\nexample = "A ball."\n'
                   'template = "OWN {{ plan.description }}"\nsays = ["description"]\n')  # fmt: skip
    words = ["prompt", ball, "-d", "A red ball falls.", "--dialect", str(own), "--json"]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["plan"]["events"]
    assert said["plan"]["description"] == "A red ball falls."


def test_a_wrong_dialect_is_told_before_anything_is_asked(ball, capsys):
    assert main(["prompt", ball, "-d", "x", "--vlm", "gemini:m", "--dialect", "prosa"]) == FAILED
    assert "Did you mean 'prose'" in capsys.readouterr().err
