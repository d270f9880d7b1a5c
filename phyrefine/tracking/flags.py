"""``--track``, common to ``run``, ``bench`` and ``sweep``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from phyrefine.protocols import Listener
from phyrefine.tracking.spans import Spans
from phyrefine.tracking.tracker import Tracker

Track = Annotated[
    Literal["wandb", "trackio", "mlflow", "tensorboard", "otel"] | None,
    Parameter(
        help="Follow it in this tracker, set up by its own environment variables; otel sends "
        "OpenTelemetry spans to the provider of opentelemetry-instrument."
    ),
]
# Beside the run folders, where everybody looks for them.
LOGDIR = "runs/tensorboard"


@contextlib.contextmanager
def tracked(name: str | None) -> Iterator[Sequence[Listener]]:
    """Listeners for a tracker's name, ended with the block; none for ``None``.

    Raises:
        MissingDependencyError: The tracker, or OpenTelemetry's API, is not installed.
    """
    if name is None:
        yield ()
        return
    if name == "otel":
        yield (Spans(),)
        return
    options: dict[str, Any] = {"logdir": LOGDIR} if name == "tensorboard" else {}
    with Tracker(name, **options) as tracker:
        yield (tracker,)
