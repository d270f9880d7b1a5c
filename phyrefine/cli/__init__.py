"""The command line: one door, one file per command, each loaded on use."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from cyclopts import App

from phyrefine.errors import PhyrefineError

# Exit codes: 0 done; 1 an error, told in one line; 2 a wrong command line; 3 stopped early, with
# what was finished kept; 130 interrupted.
FAILED, USAGE, STOPPED_EARLY, INTERRUPTED = 1, 2, 3, 130

# name: (where, one line for --help); commands load on use, so the line stands here.
COMMANDS = {
    "demo": ("phyrefine.cli.demo:demo", "The whole method on a small world: no GPU, no keys."),
    "run": ("phyrefine.cli.run:run", "Continue a video so that it obeys physics."),
    "prompt": ("phyrefine.cli.prompt:prompt", "Print the prompt in any dialect, no video."),
    "ablate": ("phyrefine.cli.ablate:ablate", "What each statement of a prompt does."),
    "replay": ("phyrefine.cli.replay:replay", "Decide a finished run again by other rules."),
    "scorers": ("phyrefine.cli.scorers:scorers", "Compare rules on the clips of a finished run."),
    "report": ("phyrefine.cli.report:report", "Write the HTML page of a finished run."),
    "doctor": ("phyrefine.cli.doctor:doctor", "Check packages, GPU, keys, codecs and disk."),
    "backends": ("phyrefine.cli.backends:backends", "List the backends and their options."),
    "generators": ("phyrefine.cli.generators:generators", "List the video generators."),
    "bench": (
        "phyrefine.physics_iq.commands.bench:bench",
        "Run a benchmark, resumable, to its table.",
    ),
    "score": ("phyrefine.physics_iq.commands.scores:score", "Score folders of generated videos."),
    "ensemble": ("phyrefine.physics_iq.commands.scores:ensemble", "Ensembles over scored folders."),
    "pack": ("phyrefine.physics_iq.commands.scores:pack", "Write a leaderboard's submission pack."),
}


def _version() -> str:
    from importlib.metadata import version

    return version("phyrefine")


def build() -> App:
    """The application with every command."""
    app = App(
        name="phyrefine",
        help="Make video models obey physics, without training them.",
        version=_version,
        version_flags=["--version"],
        suppress_keyboard_interrupt=False,  # main tells of it, and what to do
    )
    for name, (target, line) in COMMANDS.items():
        app.command(target, name=name, help=line)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code.

    Args:
        argv: Words after ``phyrefine``; the process's own by default.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        code = build()(argv, exit_on_error=False, print_error=True, result_action="return_value")
    except PhyrefineError as error:
        notes = getattr(error, "__notes__", ())
        print(" ".join([f"{type(error).__name__}: {error}", *notes]), file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as interruption:
        print(f"Interrupted. {interruption}".strip(), file=sys.stderr)
        return INTERRUPTED
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else FAILED
    except Exception as error:
        if type(error).__module__.startswith("cyclopts"):
            return USAGE  # cyclopts has told what is wrong
        raise
    return code if isinstance(code, int) else 0
