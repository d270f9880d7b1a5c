"""The example with two services: rehearsed as it is, and as with keys, on the loopback server."""

import functools
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from faulty_server import asks

from phyrefine.run.endings import FINISHED
from phyrefine.testing import MovingDot

EXAMPLE = Path(__file__).parents[3] / "examples" / "03_gemini_gpt4o.py"


@pytest.fixture(scope="module")
def example():
    """The example with a small film: what is tested does not depend on its size."""
    spec = importlib.util.spec_from_file_location("gemini_gpt4o", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.falling_ball = functools.partial(module.falling_ball, height=48)
    return module


@pytest.mark.slow
def test_rehearsed(example, tmp_path, capsys):
    result = example.main(tmp_path, generator=MovingDot())
    said = capsys.readouterr().out
    assert result.stopped_by in FINISHED
    assert "0 files left behind" in said
    assert f"{result.usage.usd:.4f} US dollars" in said
    assert 0 < result.usage.usd < 1


@pytest.mark.slow
def test_with_keys_it_asks_the_services(example, server, tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
    monkeypatch.setenv("GEMINI_API_KEY", "gemini-key-0123456789")
    monkeypatch.setenv("OPENAI_API_KEY", "openai-key-0123456789")
    result = example.main(tmp_path, paid=True, generator=MovingDot())
    assert result.stopped_by in FINISHED
    keys = {
        request.headers.get("x-goog-api-key") or request.headers["authorization"]
        for request in asks(server)
    }
    assert keys == {"gemini-key-0123456789", "Bearer openai-key-0123456789"}
    models = {
        request.path.partition("models/")[2] or request.json["model"] for request in asks(server)
    }
    assert models == {"gemini-3.8-flash:generateContent", "gpt-4o"}
    assert asks(server)[0].json["generationConfig"]["thinkingConfig"] == {"thinking_level": "LOW"}


@pytest.mark.slow
def test_without_keys_it_says_so(tmp_path):
    bare = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(tmp_path), "--paid"], capture_output=True, text=True,
        env=bare, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("--paid needs OPENAI_API_KEY and GEMINI_API_KEY")


@pytest.mark.slow
def test_as_it_is(tmp_path):
    pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(tmp_path / "run")], capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"Stopped: (clean|same_prompt|near_prompt|loop_limit)", done.stdout)
    assert "0 files left behind" in done.stdout
