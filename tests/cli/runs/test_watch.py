"""``phyrefine watch``: on a terminal, in a log, as a page; it ends when the run ends."""

import threading

import pytest
from made_runs import SCENES, Gate, refiner
from rich.console import Console
from test_refiner import Watcher

from phyrefine.cli import FAILED, STOPPED_EARLY, main
from phyrefine.cli.runs import watch as watching
from phyrefine.errors import RateLimitedError
from phyrefine.testing import MovingDot


def told(capsys):
    return " ".join(capsys.readouterr().out.split())


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ended")
    vlm = Watcher(fail_at=2, error=RateLimitedError("slow down [bold]now"))
    refiner(folder, vlm=vlm).refine_many(SCENES[:3], workers=1)
    return folder


def test_once(ended, capsys, tmp_path):
    assert (
        main(["watch", str(ended), "--once", "--page", str(tmp_path / "p.html")]) == STOPPED_EARLY
    )
    said = told(capsys)
    assert "2 done 0 running 1 failed 0 stopped 0 waiting 3 in all" in said
    assert "rate_limit" in said
    assert "slow down [bold]now" in said
    assert "attempt-1.mp4" in said
    assert (tmp_path / "p.html").read_text().startswith("<!doctype html>")


def test_it_ends_with_the_run_and_tells_what_changed(tmp_path, capsys, monkeypatch):
    gate = Gate()
    working = threading.Thread(
        target=refiner(tmp_path / "run", MovingDot(fail=gate)).refine_many, args=(SCENES[:2],)
    )
    working.start()
    assert gate.reached.wait(60)

    def sleep(seconds):
        gate.open.set()
        working.join()

    monkeypatch.setattr(watching.time, "sleep", sleep)
    assert main(["watch", str(tmp_path / "run"), "--page", str(tmp_path / "p.html")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "0 done, 1 running" in lines[0]
    assert "1 of 1 generators busy, 0 idle" in lines[0]
    assert "2 done, 0 running" in lines[1]
    assert 'data-reload="0"' in (tmp_path / "p.html").read_text()


def test_on_a_terminal_the_view_stays_in_place(ended, monkeypatch):
    screen = Console(force_terminal=True, width=80, height=24, record=True, color_system=None)
    monkeypatch.setattr("phyrefine.cli.telling.tables.Console", lambda **_: screen)
    with screen.capture() as shown:
        assert main(["watch", str(ended)]) == STOPPED_EARLY
    text = shown.get()
    assert "2 done" in text
    assert "Not finished" in text
    assert all(len(line) <= 80 for line in screen.export_text().splitlines())


def test_a_folder_that_is_none(tmp_path, capsys):
    assert main(["watch", str(tmp_path)]) == FAILED
    assert "is no run folder" in capsys.readouterr().err
    (tmp_path / "file").touch()
    for command in (["watch"], ["show"], ["gc"], ["report"], ["replay"]):
        assert main([*command, str(tmp_path / "file")]) == FAILED
        assert "is a file" in capsys.readouterr().err
        assert main([*command, str(tmp_path / "nowhere")]) == FAILED
        assert "is not there" in capsys.readouterr().err
