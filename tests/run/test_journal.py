"""Events for people: one line each, cut lines harmless, no secrets anywhere."""

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from phyrefine._secrets import HIDDEN, hide, is_secret_name, scrub, scrub_json
from phyrefine.run.journal import Journal, read_journal
from phyrefine.testing import moving_clip
from phyrefine.types import Attempt, Candidate, Prompt

KEYS = {
    "openai": "sk-proj-Ab3dEf6hIj9lMn2pQr5t",
    "google": "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "hugging face": "hf_abcdefghijklmnopqrstuvwxyz0123",
    "github": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "slack": "xoxb-1234567890-abcdefghij",
    "aws": "AKIAABCDEFGHIJKLMNOP",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
}


def test_lines(tmp_path):
    journal = Journal(tmp_path / "run" / "events.jsonl")
    journal.on_event("attempt", {"attempt": Attempt(1, Prompt("ü"), (Candidate(moving_clip()),))})
    journal.on_event("odd", {"value": object(), "nan": {1}})
    journal.close()
    journal.on_event("later", {})
    journal.close()
    lines = (tmp_path / "run" / "events.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["attempt", "odd", "later"]
    first = json.loads(lines[0])
    assert first["attempt"]["prompt"]["text"] == "ü"
    assert first["attempt"]["candidates"][0]["clip"]["clip"] == moving_clip().digest
    assert first["time"].endswith("+00:00")


def test_a_cut_last_line_does_no_harm(tmp_path):
    path = tmp_path / "events.jsonl"
    Journal(path).on_event("one", {})
    with path.open("a") as file:
        file.write('{"time": "2026-01-01", "event": "cu')
    Journal(path).on_event("two", {"text": "\ud800"})
    assert [event["event"] for event in read_journal(path)] == ["one", "two"]
    assert list(read_journal(tmp_path / "none")) == []


def test_a_line_from_each_thread(tmp_path):
    journal = Journal(tmp_path / "events.jsonl")
    threads = [
        threading.Thread(
            target=lambda: [journal.on_event("x", {"text": "y" * 3000}) for _ in range(40)]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(event["text"]) for event in read_journal(journal.path)) == 160 * 3000


def test_a_killed_process_leaves_whole_lines(tmp_path):
    path = tmp_path / "events.jsonl"
    script = (
        "import sys; from phyrefine.run.journal import Journal\n"
        "journal = Journal(sys.argv[1])\n"
        "while True: journal.on_event('tick', {'text': 'x' * 500})\n"
    )
    running = subprocess.Popen([sys.executable, "-c", script, str(path)])
    deadline = time.monotonic() + 30
    while not (path.exists() and path.stat().st_size > 20_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    lines = path.read_bytes().splitlines()
    assert len(lines) > 20
    assert all(json.loads(line)["text"] == "x" * 500 for line in lines[:-1])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_silences_it_with_one_warning(caplog):
    journal = Journal("/dev/full")
    with caplog.at_level(logging.WARNING):
        journal.on_event("one", {})
        journal.on_event("two", {})
    assert len(caplog.records) == 1
    assert "No space left" in caplog.text


class TestSecrets:
    @pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
    def test_shapes(self, key):
        assert key not in scrub(f"said {key}, and '{key}'")
        assert scrub(f"said {key}.").startswith(f"said {HIDDEN}")

    @pytest.mark.parametrize(
        ("text", "secret"),
        [
            ("Authorization: Bearer abc.def-123456", "abc.def-123456"),
            ("https://api.example.com/v1?key=qwerty123&alt=json", "qwerty123"),
            ("https://user:hunter2pass@example.com", "hunter2pass"),
            ("x-goog-api-key: zxcvbn987654", "zxcvbn987654"),
        ],
    )
    def test_places(self, text, secret):
        assert secret not in scrub(text)
        assert HIDDEN in scrub(text)

    def test_environment(self, monkeypatch):
        monkeypatch.setenv("MY_SERVICE_API_KEY", "correct horse battery")
        monkeypatch.setenv("SHORT_TOKEN", "true")
        monkeypatch.setenv("PLAIN_SETTING", "gravity pulls down")
        text = "true: correct horse battery, gravity pulls down"
        assert scrub(text) == f"true: {HIDDEN}, gravity pulls down"

    def test_told(self):
        hide("a-key-without-shape")
        hide(None)
        hide("short")
        assert scrub("a-key-without-shape is short") == f"{HIDDEN} is short"

    @pytest.mark.parametrize(
        "text",
        [
            "The ball keeps its key position; the risk-free basketball task-oriented",
            "a1c0ffee" * 4,
            "tokens: 512, api_key handling, keyboard",
            "https://example.com/watch?v=abcdefghijk",
        ],
    )
    def test_ordinary_text_stays(self, text):
        assert scrub(text) == text

    @pytest.mark.parametrize(
        ("name", "secret"),
        [
            ("api_key", True),
            ("OPENAI_API_KEY", True),
            ("HF_TOKEN", True),
            ("client_secret", True),
            ("db_password", True),
            ("key", True),
            ("tokens", False),
            ("prompt_tokens", False),
            ("keyboard", False),
            ("monkey", False),
            ("max_tokens", False),
        ],
    )
    def test_names(self, name, secret):
        assert is_secret_name(name) is secret

    def test_json(self):
        value = {"api_key": "abc", "n": 1, "deep": [{"text": KEYS["aws"]}, None]}
        assert scrub_json(value) == {"api_key": HIDDEN, "n": 1, "deep": [{"text": HIDDEN}, None]}

    def test_events(self, tmp_path, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "not-of-any-known-shape")
        journal = Journal(tmp_path / "events.jsonl")
        journal.on_event(
            "call",
            {
                "error": f"401 for not-of-any-known-shape and {KEYS['google']}",
                "api_key": "whatever it is",
                "prompt": Prompt(KEYS["openai"]),
            },
        )
        text = journal.path.read_text()
        for secret in ("not-of-any-known-shape", KEYS["google"], KEYS["openai"], "whatever it is"):
            assert secret not in text
