"""Wrong values end in a line and the right exit code, before a model is loaded."""

import logging
import os
import signal
import subprocess
import sys
import time

import pytest

from phyrefine.cli import FAILED, INTERRUPTED, USAGE, main
from phyrefine.cli.telling import failures
from phyrefine.testing import moving_clip


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return str(moving_clip(24, (48, 64), 8.0).write(tmp_path_factory.mktemp("cli") / "dot.mkv"))


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch):
    def refuse(*_):
        raise AssertionError("a model was loaded before the values were checked")

    from phyrefine.cli.asking.settings import Settings

    monkeypatch.setattr(Settings, "refiner", refuse)


USAGE_ERRORS = [
    ["-d", ""], ["-d", "   "], ["--seconds", "0"], ["--seconds", "-1"], ["--seconds", "nan"],
    ["--seconds", "inf"], ["--seconds", "1e9"], ["--prefix-seconds", "nan"],
    ["--prefix-seconds", "0"], ["--fps", "nan"], ["--fps", "inf"], ["--fps", "1e6"],
    ["--loops", "0"], ["--loops", "-1"], ["--loops", "1.5"], ["--empty-size"], ["--empty-seeds"],
    ["--size", "0", "0"], ["--size", "-1", "64"], ["--size", "1000000", "1000000"],
    ["--seeds", "x"], ["--seeds", "-1"], ["--seeds", "0,1.5"], ["--seeds", ","], ["--steps", "0"],
    ["--max-usd", "0"], ["--max-tokens", "-5"], ["--max-minutes", "nan"], ["--best-of", "0"], ["--watch", "0"],
    ["--max-chunks", "0"],
]  # fmt: skip


@pytest.mark.parametrize("words", USAGE_ERRORS, ids=" ".join)
def test_wrong_values_are_usage_errors(words, video, capsys):
    given = ["run", video, *([] if words[0] == "-d" else ["-d", "A dot."]), *words]
    assert main(given) == USAGE
    told = capsys.readouterr()
    assert "Traceback" not in told.out + told.err
    assert told.out + told.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-d", "\udced\udca0"], "no text"),
        (["-d", "A dot.", "--seconds", "0.0001"], "at least 0.125 seconds"),
        (["--ensemble", "x", "-d", "A dot."], "'x'"),
        (["--seconds", "80000", "--size", "2000", "2000", "-d", "A dot."], "GiB"),
        (["--best-of", "2", "--seeds", "1", "-d", "A dot."], "--seeds"),
        (["--best-of", "2", "--watch", "2", "-d", "A dot."], "--watch"),
        (["--watch", "3", "--seeds", "0,1", "-d", "A dot."], "Give more seeds"),
        (["--search", "backtrack", "-d", "A dot."], "Did you mean 'backtracking'"),
        (["--search", "chunks", "--search-option", "widht=3", "-d", "A dot."], "'width'"),
        (["--search-option", "width=3", "-d", "A dot."], "belongs to --search"),
        (["--draft", "finals=2", "-d", "A dot."], "must be cheaper"),
        (["--check-draft", "-d", "A dot."], "--draft steps=2"),
    ],
)
def test_other_wrong_values_are_one_line(words, told, video, capsys):
    assert main(["run", video, *words]) == FAILED
    error = capsys.readouterr().err.strip()
    assert told in error
    assert "\n" not in error


@pytest.mark.parametrize(
    "words",
    [["--seeds", "7"], ["--steps", "4", "8"], ["--steps", "4,8"], ["--ensemble", "judge"],
     ["--chain", "own"], ["--redraw"], ["--baseline"], ["--no-baseline"], ["--best-of", "2"],
     ["--adaptive"], ["--watch", "2"], ["--search", "chunks"], ["--draft", "steps=2"]],
    ids=" ".join,
)  # fmt: skip
def test_what_paper_fixes_is_refused_beside_it(words, video, capsys):
    assert main(["run", video, "-d", "A dot.", "--paper", *words]) == FAILED
    assert "--paper is the method verbatim" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--seeds", "0,1"], ["--seeds", "0", "1"],
                                   ["--seeds", "0", "--seeds", "1"]], ids=" ".join)  # fmt: skip
def test_seeds_in_every_form(words, video, tmp_path, monkeypatch, capsys):
    from phyrefine.cli.asking.settings import Settings
    from phyrefine.errors import InvalidInputError

    def asked(settings, **_):
        raise InvalidInputError(f"seeds {settings.seeds} steps {settings.steps}")

    monkeypatch.setattr(Settings, "refiner", asked)
    assert main(["run", video, "-d", "A dot.", "--steps", "16,32", *words]) == FAILED
    assert "seeds (0, 1) steps (16, 32)" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--seeds", "0,1"], ["--seeds", "0", "1"],
                                   ["--seeds", "0", "--seeds", "1"]], ids=" ".join)  # fmt: skip
@pytest.mark.parametrize("benchmark", ["physics-iq", "videophy-2"])
def test_seeds_in_every_form_on_bench(benchmark, words, tmp_path, monkeypatch, capsys):
    from phyrefine.errors import InvalidInputError
    from phyrefine.physics_iq.generation import plan

    def asked(**given):
        raise InvalidInputError(f"seeds {given['seeds']} steps {given['steps']}")

    monkeypatch.setattr(plan, "Plan", asked)
    (tmp_path / "prompts.csv").write_text("caption\nA dot moves.\n")
    given = ["bench", benchmark, "--data", str(tmp_path), "--steps", "16", "32", *words]
    if benchmark == "physics-iq":
        given += ["--make-scenes", "1"]
        from phyrefine.physics_iq.commands.bench import DataFlags

        monkeypatch.setattr(DataFlags, "dataset", lambda *_: None)
    assert main(given) == FAILED
    assert "seeds (0, 1) steps (16, 32)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["--seeds", "x"], ["--seeds", "0", "-1"], ["--steps", "-1"], ["--loops", "0"],
     ["--size", "0", "0"], ["--max-usd", "nan"], ["--max-minutes", "-1"]],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("benchmark", ["physics-iq", "videophy-2"])
def test_bench_checks_its_numbers(benchmark, words, capsys):
    assert main(["bench", benchmark, "--data", "x", *words]) == USAGE


def test_a_folder_of_images_is_told_its_option(video, tmp_path, capsys):
    moving_clip(3, (48, 64), 8.0).write(tmp_path / "frames")
    assert main(["run", str(tmp_path / "frames"), "-d", "A dot."]) == FAILED
    assert "pass --fps" in capsys.readouterr().err


def test_results_of_another_video_are_never_overwritten(video, tmp_path, capsys):
    (tmp_path / "scenarios" / "other-0123").mkdir(parents=True)
    (tmp_path / "result.mp4").write_bytes(b"kept")
    assert main(["run", video, "-d", "A dot.", "--out", str(tmp_path)]) == FAILED
    assert "another video" in capsys.readouterr().err
    assert (tmp_path / "result.mp4").read_bytes() == b"kept"


def test_every_input_has_a_folder_of_its_own(video):
    from phyrefine.cli.asking.inputs import folder_for, scenario_of

    one = folder_for(scenario_of(None, "A dot.", 3, 5, None, (48, 64)), None)
    other = folder_for(scenario_of(None, "A cup.", 3, 5, None, (48, 64)), None)
    again = folder_for(scenario_of(None, "A dot.", 3, 5, None, (48, 64)), None)
    assert one == again != other
    assert one.parent.name == "runs"


def test_only_the_end_of_a_long_video_is_decoded(tmp_path, monkeypatch):
    from phyrefine.cli.asking.inputs import scenario_of
    from phyrefine.video.collecting import Stack

    path, held, add = moving_clip(200, (48, 64), 8.0).write(tmp_path / "long.mkv"), [], Stack.add

    def counted(stack, picture):
        held.append(1)
        add(stack, picture)

    monkeypatch.setattr(Stack, "add", counted)
    assert len(scenario_of(path, "A dot.", 2, 5, None, None).prefix) == 16
    assert len(held) < 30


def test_an_out_that_is_a_file(video, tmp_path, capsys):
    (tmp_path / "file").touch()
    for words in (["run", video, "-d", "A dot.", "--out", str(tmp_path / "file")],
                  ["demo", "--out", str(tmp_path / "file")]):  # fmt: skip
        assert main(words) == FAILED
        assert "is a file" in capsys.readouterr().err


def test_doctor_tells_an_out_that_is_a_file(tmp_path, capsys):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "within"):
        assert main(["doctor", "--out", str(out)]) == FAILED
        assert "cannot work here" in capsys.readouterr().out


def test_doctor_fails_for_a_backend_that_does_not_exist(capsys):
    assert main(["doctor", "--generator", "nope"]) == FAILED
    assert "'nope'" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--scenes", "0"], ["--scenes", "-1"], ["--loops", "0"],
                                   ["--seed", "99999999999999999999"]], ids=" ".join)  # fmt: skip
def test_demo_checks_its_numbers(words, capsys):
    assert main(["demo", *words]) == USAGE


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left", "x.mp4"),
        MemoryError(),
        ZeroDivisionError("division"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"),
    ],
)
def test_whatever_is_raised_is_one_line(error, monkeypatch, capsys):
    from phyrefine.cli import doctor

    def broken(*_):
        raise error

    monkeypatch.setattr(doctor, "checks", broken)
    assert main(["doctor"]) == FAILED
    told = capsys.readouterr().err.strip()
    assert "\n" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("number", "remedy"), [(28, "Make room"), (30, "another place"), (13, "another place")]
)
def test_a_page_that_cannot_be_written_names_the_page_and_the_remedy(
    number, remedy, tmp_path, monkeypatch, capsys
):
    """A full disk, a read-only one, a folder of someone else's."""
    from phyrefine.report import html

    def fails(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match=r"page\.html") as caught:
        html.save("<p>", tmp_path / "page.html")
    failures.tell(caught.value)
    told = capsys.readouterr().err
    assert f"{tmp_path / 'page.html'}: " in told
    assert remedy in told
    assert not list(tmp_path.iterdir())


def test_an_interruption_says_how_to_go_on(monkeypatch, video, capsys):
    from phyrefine.cli.asking.settings import Settings

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Settings, "refiner", interrupted)
    assert main(["run", video, "-d", "A dot."]) == INTERRUPTED
    assert "Run the same command again" in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_ctrl_c_says_how_to_go_on_and_the_same_command_does(video, tmp_path):
    words = [sys.executable, "-m", "phyrefine", "run", video, "-d", "A dot.", "--out", tmp_path]
    words += ["--loops", "30", "--seconds", "0.5"]
    running = subprocess.Popen(
        [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    replies = tmp_path / "store" / "replies"
    while not list(replies.glob("*/*.json")) and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    told, _ = running.communicate(timeout=300)
    assert running.returncode == INTERRUPTED, told
    assert "Run the same command again" in told
    assert "Traceback" not in told


def test_log_lines_have_no_traceback_unless_asked_for(monkeypatch):
    formatter = failures.Formatter("%(message)s")
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "It broke.", (), sys.exc_info())
    assert formatter.format(record) == "It broke."
    record.exc_text = None
    monkeypatch.setenv(failures.TRACEBACK, "1")
    assert "ZeroDivisionError" in formatter.format(record)


def test_help_tells_what_video_may_be_the_long_text_and_the_exit_codes(capsys):
    assert main(["run", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for text in ("A video, an animation, a photo", "finishes an interrupted run"):
        assert text in told
    assert "--empty" not in told
    assert main(["--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for text in ("Exit codes: 0 done", "130 interrupted", "phyrefine run clip.mp4",
                 "--install-completion"):  # fmt: skip
        assert text in told
