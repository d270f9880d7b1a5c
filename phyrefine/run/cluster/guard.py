"""One driver for one run on a cluster, also where no file lock reaches."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import platform
import time
from collections.abc import Iterator
from typing import Any

from phyrefine.errors import RunLockedError
from phyrefine.run.cluster.connecting import NAMESPACE, ray_module

# So long Ray may need to notice that a killed driver is gone; its guard goes with it.
NOTICE_SECONDS = 30.0
LOOK_SECONDS = 0.5
ANSWER_SECONDS = 30.0


class Guard:
    """The named actor: it lives as long as the driver that made it."""

    def __init__(self, holder: str) -> None:
        self._holder = holder

    def holder(self) -> str:
        """Who made it, for the message."""
        return self._holder


@contextlib.contextmanager
def guarded(run: str, *, patience: float = NOTICE_SECONDS) -> Iterator[None]:
    """Within the block no other driver on this cluster may work on ``run``.

    Args:
        run: What names the run for every driver: the path of its folder on a shared disk, or the
            address of its store.
        patience: Seconds to wait for a guard whose driver may have been killed just now.

    Raises:
        RunLockedError: Another driver works on it; names process, machine and time.
    """
    actor = _placed(run, patience)
    try:
        yield
    finally:
        with contextlib.suppress(Exception):  # the cluster may be gone before us
            ray_module().kill(actor)


def _placed(run: str, patience: float) -> Any:
    ray = ray_module()
    since = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    holder = f"process {os.getpid()} on {platform.node()} since {since}"
    name = f"run-{hashlib.blake2b(run.encode(), digest_size=8).hexdigest()}"
    # Beside its driver: the loss of another machine must not take it.
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=True
    )
    options = {"name": name, "namespace": NAMESPACE, "num_cpus": 0, "scheduling_strategy": here}
    until = time.monotonic() + patience
    while True:
        try:
            actor = ray.remote(Guard).options(**options).remote(holder)
        except ValueError:  # the name is taken
            if time.monotonic() >= until:
                raise RunLockedError(
                    f"{run} is in use by {_holder(name)}. Wait for it to end, stop it, or choose "
                    "another run folder."
                ) from None
            time.sleep(LOOK_SECONDS)
        else:
            return actor


def _holder(name: str) -> str:
    ray = ray_module()
    try:
        said: str = ray.get(ray.get_actor(name, NAMESPACE).holder.remote(), timeout=ANSWER_SECONDS)
    except (ValueError, ray.exceptions.RayError):
        return "another process"
    return said
