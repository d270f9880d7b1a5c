"""``--track``, common to ``run``, ``bench`` and ``sweep``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from phyrefine.tracking.tracker import Tracker

Track = Annotated[
    Literal["wandb", "trackio", "mlflow", "tensorboard"] | None,
    Parameter(help="Follow it in this tracker, set up by its own environment variables."),
]
# Beside the run folders, where everybody looks for them.
LOGDIR = "runs/tensorboard"


@contextlib.contextmanager
def tracked(name: str | None) -> Iterator[tuple[Tracker, ...]]:
    """Listeners for a tracker's name, ended with the block; none for ``None``.

    Raises:
        MissingDependencyError: The tracker is not installed.
    """
    if name is None:
        yield ()
        return
    options: dict[str, Any] = {"logdir": LOGDIR} if name == "tensorboard" else {}
    with Tracker(name, **options) as tracker:
        yield (tracker,)
