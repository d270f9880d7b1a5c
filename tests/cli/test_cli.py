import json
import os
import shutil
import subprocess
import sys

import pytest

from phyrefine.cli import COMMANDS, FAILED, INTERRUPTED, STOPPED_EARLY, USAGE, main
from phyrefine.testing import moving_clip


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    for name in COMMANDS:
        assert name in told


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    assert main([name, "--help"]) == 0
    assert "Usage: phyrefine" in capsys.readouterr().out


def test_version(capsys):
    from phyrefine import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    "words", [["dmo"], ["run"], ["demo", "--scenes", "many"], ["doctor", "--x"]]
)
def test_wrong_command_lines(words, capsys):
    assert main(words) == USAGE
    assert capsys.readouterr()


def test_our_errors_are_one_line(capsys, tmp_path):
    assert main(["replay", str(tmp_path)]) == FAILED
    told = capsys.readouterr().err.strip()
    assert told.startswith("StoreError: ")
    assert "\n" not in told


def test_interruption(monkeypatch, capsys):
    from phyrefine.cli import doctor

    def interrupted(out):
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "checks", interrupted)
    assert main(["doctor"]) == INTERRUPTED


def test_doctor_tells_what_is_there_and_never_a_key(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    assert main(["doctor", "--out", str(tmp_path / "runs")]) == 0
    told = capsys.readouterr().out
    assert "key in OPENAI_API_KEY" in " ".join(told.split())
    assert "sk-very-secret" not in told
    for row in ("H.264", "VP9", "disk", "GPU", "gemini", "world"):
        assert row in told


def test_doctor_says_which_models_end_when(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 20)
    asked = ["--vlm", "gemini:gemini-2.5-pro", "--llm", "openai:gpt-4o"]
    assert main(["doctor", "--out", str(tmp_path / "runs"), *asked]) == 0
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "gpt-4o ends on 2027-01-14" in told
    assert "gemini-2.5-pro ends on 2026-12-01" in told
    assert "gpt-6-luna" in told


def test_doctor_fails_on_a_folder_that_cannot_be_written(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert main(["doctor", "--out", str(tmp_path)]) == FAILED
    assert "not writable" in capsys.readouterr().out


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run folder made by the command itself, with the embedded world."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("cli")
    moving_clip(24, (48, 64), 8.0).write(folder / "dot.mkv")
    words = ["run", str(folder / "dot.mkv"), "-d", "A white dot moves over noise.",
             "--seconds", "1", "--loops", "2", "--out", str(folder / "run")]  # fmt: skip
    assert main(words) == 0
    return folder, words


def test_run_writes_video_page_and_records(finished, capsys):
    folder, words = finished
    for name in ("result.mp4", "report.html", "manifest.json", "events.jsonl"):
        assert (folder / "run" / name).stat().st_size > 0
    manifest = json.loads((folder / "run" / "manifest.json").read_text())
    assert manifest["spec"]["backends"]["vlm"].startswith("world")
    stamp = next((folder / "run" / "scenarios").glob("*/refinement.json")).read_bytes()
    assert main(words) == 0  # again: nothing is made twice, the same comes out
    assert "Stopped by " in " ".join(capsys.readouterr().out.split())
    assert next((folder / "run" / "scenarios").glob("*/refinement.json")).read_bytes() == stamp


def test_a_budget_stops_early_with_its_own_exit_code(finished, capsys):
    folder, words = finished
    again = [*words[:-1], str(folder / "poor"), "--max-minutes", "0.0000001"]
    assert main(again) in (FAILED, STOPPED_EARLY)
    assert "budget" in " ".join(capsys.readouterr()).lower()


def test_replay_and_report(finished, capsys):
    folder, _ = finished
    assert main(["replay", str(folder / "run"), "--rule", "paper", "--rule", "clean"]) == 0
    told = capsys.readouterr().out
    assert "paper" in told
    assert "clean" in told
    assert main(["report", str(folder / "run"), "--out", str(folder / "page.html")]) == 0
    assert (folder / "page.html").read_text().startswith("<!")


def test_a_video_shorter_than_the_prefix(finished, capsys):
    folder, _ = finished
    words = ["run", str(folder / "dot.mkv"), "-d", "x", "--prefix-seconds", "9"]
    assert main(words) == FAILED
    assert "3.00 s long, shorter than --prefix-seconds 9" in capsys.readouterr().err


@pytest.mark.slow
def test_demo_speaks_before_it_imports_what_takes_seconds(tmp_path):
    program = (
        "import os, sys\n"
        "class First:\n"
        "    def write(self, text):\n"
        "        sys.stderr.write(text.strip() + str('torch' in sys.modules)); sys.stderr.flush()\n"
        "        os._exit(0)\n"
        "    def flush(self): pass\n"
        "    def isatty(self): return False\n"
        "from phyrefine.cli import main\n"
        "sys.stdout = First()\n"
        f"main(['demo', {str(tmp_path / 'demo')!r}, '--scenes', '2'])\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stderr.startswith("Refining 2 small scenes")
    assert told.stderr.endswith("False")


@pytest.mark.slow
def test_demo_scores_every_clip_against_the_truth(tmp_path, capsys):
    pytest.importorskip("torch")
    pytest.importorskip("pymunk")
    words = ["demo", str(tmp_path / "demo"), "--scenes", "1", "--loops", "1"]
    assert main(words) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "true score" in told
    assert "say nothing about large models" in told
    scene = next((tmp_path / "demo" / "demo").glob("drop-*"))
    assert (scene / "contact_sheet.png").read_bytes().startswith(b"\x89PNG")
    assert (scene / "report.html").stat().st_size > 0
    assert (tmp_path / "demo" / "demo" / "index.html").exists()


@pytest.mark.slow
def test_a_gallery_links_to_a_report_of_each_scenario(finished, tmp_path, capsys):
    folder = tmp_path / "two"
    shutil.copytree(finished[0] / "run", folder)
    (one,) = (folder / "scenarios").iterdir()
    shutil.copytree(one, one.with_name("other"))
    assert main(["report", str(folder)]) == 0
    page = (folder / "report.html").read_text()
    for name in (one.name, "other"):
        assert f'href="./scenarios/{name}/report.html"' in page
        assert "<html" in (folder / "scenarios" / name / "report.html").read_text()
    elsewhere = tmp_path / "elsewhere" / "gallery.html"
    assert main(["report", str(folder), "--out", str(elsewhere)]) == 0
    assert "scenarios/" not in elsewhere.read_text()
    capsys.readouterr()


@pytest.mark.slow
def test_searches_and_drafts_from_the_command_line(finished, capsys):
    folder, _ = finished
    video = [str(folder / "dot.mkv"), "-d", "A white dot moves over noise.", "--seconds", "1"]
    search = ["--search", "chunks", "--search-option", "width=2", "--max-chunks", "50"]
    out = folder / "searched"
    assert main(["run", *video, "--loops", "1", *search, "--out", str(out)]) == 0
    assert "Not counted: chunks?width=2" in " ".join(capsys.readouterr().out.split())
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["spec"]["backends"]["generator"].startswith("chunk-search(")
    record = next((out / "scenarios").glob("*/refinement.json")).read_text()
    assert '"chunk_search"' in record
    draft = ["--best-of", "2", "--draft", "steps=2", "--check-draft"]
    assert main(["run", *video, *draft, "--out", str(folder / "drafted")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Checked: drafts" in told
    assert "over 8 clips" in told
