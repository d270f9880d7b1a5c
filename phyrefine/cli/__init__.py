"""The command line: one entry point, one file per command, each loaded on use."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from phyrefine.cli.telling import failures

# Exit codes: 0 done; 1 error, with a one-line message; 2 invalid command line; 3 stopped early,
# finished work kept; 130 interrupted.
FAILED, USAGE, STOPPED_EARLY, INTERRUPTED = 1, 2, 3, 130

# name: (where, one line for --help); commands load on use, so the line stands here.
COMMANDS = {
    "demo": ("phyrefine.cli.demo:demo", "The whole method on a small world: no GPU, no keys."),
    "run": ("phyrefine.cli.run:run", "Continue a video so that it obeys physics."),
    "prompt": ("phyrefine.cli.prompt:prompt", "Print the prompt in any dialect, no video."),
    "ablate": ("phyrefine.cli.ablate:ablate", "What each statement of a prompt does."),
    "replay": ("phyrefine.cli.replay:replay", "Decide a finished run again by other rules."),
    "scorers": ("phyrefine.cli.scorers:scorers", "Compare rules on the clips of a finished run."),
    "rate": ("phyrefine.cli.rate:rate", "Let people rate clips of finished runs, blinded."),
    "report": ("phyrefine.cli.report:report", "Write the HTML page of a finished run."),
    "prompts": (
        "phyrefine.cli.experiments.prompts:prompts",
        "List the prompts, or copy them to be edited.",
    ),
    "sweep": (
        "phyrefine.cli.experiments.sweep:sweep",
        "Run every combination of an experiment file.",
    ),
    "ls": ("phyrefine.cli.runs.ls:ls", "List runs, benchmarks and sweeps."),
    "show": ("phyrefine.cli.runs.show:show", "What a run was asked and what came out."),
    "compare": ("phyrefine.cli.runs.compare:compare", "Runs side by side, with intervals."),
    "export": ("phyrefine.cli.runs.export:export", "A run as a table, a data set or a bundle."),
    "gc": ("phyrefine.cli.runs.gc:gc", "What a run folder can lose; nothing unless named."),
    "watch": ("phyrefine.cli.runs.watch:watch", "Follow a run until it ends."),
    "doctor": ("phyrefine.cli.doctor:doctor", "Check packages, GPU, keys, codecs and disk."),
    "backends": ("phyrefine.cli.backends:backends", "List the backends and their options."),
    "generators": ("phyrefine.cli.generators:generators", "List the video generators."),
    "bench": (
        "phyrefine.physics_iq.commands.bench:bench",
        "Run a benchmark, resumable, to its table.",
    ),
    "benchmarks": ("phyrefine.bench.commands.listing:benchmarks", "List the benchmarks."),
    "glitches": (
        "phyrefine.bench.commands.glitches:glitches",
        "Test when a critic sees annotated glitches.",
    ),
    "judges": ("phyrefine.bench.commands.listing:judges", "List the judges of benchmarks."),
    "score": ("phyrefine.physics_iq.commands.scores:score", "Score folders of generated videos."),
    "ensemble": ("phyrefine.physics_iq.commands.scores:ensemble", "Ensembles over scored folders."),
    "check": (
        "phyrefine.physics_iq.commands.check:check",
        "Check a benchmark's download or a submission pack.",
    ),
    "pack": ("phyrefine.physics_iq.commands.scores:pack", "Write a leaderboard's submission pack."),
}


def _version() -> str:
    from importlib.metadata import version

    return version("phyrefine")


EPILOGUE = """Exit codes: 0 done; 1 error, with a one-line message; 2 invalid command line;
3 stopped early (budget, rate limit, ...), finished work kept; 130 interrupted. After 3 or
130, run the same command again to resume; you never pay twice for finished work.

Examples:

phyrefine demo

phyrefine run clip.mp4 -d "A ball falls." --vlm gemini --llm gemini --generator diffusers:PATH

phyrefine run photo.jpg -d "The cup tips over." --seeds 0,1 --size 480 832

phyrefine report runs/NAME"""
# These keep what is finished in a folder, so that the same command goes on.
RESUMABLE = ("demo", "run", "bench", "ablate", "sweep")


def build(words: Sequence[str] = ()) -> App:
    """The application with every command.

    Args:
        words: What is asked for, command first: its help is its whole docstring.

    Raises:
        InvalidInputError: ``bench`` with a name that no benchmark has.
    """
    command = words[0] if words else None
    app = App(
        name="phyrefine",
        help="Make video models obey physics, without training them.",
        help_epilogue=EPILOGUE,
        version=_version,
        version_flags=["--version"],
        default_parameter=Parameter(negative_iterable=()),  # no --empty-... for every list
        suppress_keyboard_interrupt=False,  # main tells of it, and what to do
    )
    app.register_install_completion_command()
    for name, (target, line) in COMMANDS.items():
        if name == command:
            app.command(_bench(words[1:]) if name == "bench" else target, name=name)
        else:
            app.command(target, name=name, help=line)
    return app


def _bench(words: Sequence[str]) -> str:
    """Where the command for one benchmark is: each has options of its own."""
    from phyrefine.bench.registry import command_of

    return command_of(words)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code. No input ends in a traceback.

    Args:
        argv: Words after ``phyrefine``; the process's own by default.
    """
    _set_up_output()
    words = list(sys.argv[1:] if argv is None else argv)
    command = words[0] if words else None
    try:
        code = build(words)(
            words, exit_on_error=False, print_error=True, result_action="return_value"
        )
    except KeyboardInterrupt as interruption:
        again = str(interruption) or (_GOES_ON if command in RESUMABLE else "")
        print(f"Interrupted. {again}".strip(), file=sys.stderr)
        return INTERRUPTED
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else FAILED
    except CycloptsError:
        return USAGE  # cyclopts has told what is wrong
    except Exception as error:  # noqa: BLE001 - whatever it is, the user gets one line
        failures.tell(error)
        return FAILED
    return code if isinstance(code, int) else 0


_GOES_ON = "Run the same command again to go on: nothing finished is made or paid for twice."


def _set_up_output() -> None:
    """Log lines in one form; letters that the terminal cannot show become escapes."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    if not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(failures.Formatter("%(levelname)s %(name)s: %(message)s"))
        logging.basicConfig(level=logging.WARNING, handlers=[handler])
