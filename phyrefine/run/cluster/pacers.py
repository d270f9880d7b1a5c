"""One pacer for each model and the whole cluster, so that all its processes share one quota.

The retry layer stays where it is, in :mod:`phyrefine.backends.calling`; only the decision when the
next request may go out is taken in one place. Several drivers on one cluster share it too, so that
it stays when a driver ends: a process that waits and takes no CPU.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from typing import Any

from attrs import define, evolve, field

from phyrefine.backends.calling.pacing import (
    LocalPacer,
    Pace,
    Pacer,
    PacerKey,
    Report,
    host_pacers,
)
from phyrefine.run.cluster.connecting import NAMESPACE, ray_module

log = logging.getLogger(__name__)
# A pacer only does sums; one that takes longer is lost.
ANSWER_SECONDS = 60.0


class PacingActor:
    """The actor around a pacer; its own clock stands for those of all machines."""

    def __init__(self) -> None:
        self._pacer = LocalPacer()

    def pace(self, report: Report) -> Pace:
        """Take a report; say what the worker shall do."""
        return self._pacer.pace(evolve(report, now=time.monotonic()))


@define
class ClusterPacer:
    """A handle of the one pacer of a model.

    When the machine of that pacer is lost a new one takes its place, and learns the limits anew.

    Attributes:
        key: Provider, endpoint and model.
    """

    key: PacerKey
    _actor: Any = field(default=None, init=False, repr=False)
    _local: LocalPacer = field(factory=LocalPacer, init=False, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    def pace(self, report: Report, /) -> Pace:
        """Take a report; say what the worker shall do."""
        ray = ray_module()
        for fresh in (False, True):
            try:
                said: Pace = ray.get(
                    self._found(fresh=fresh).pace.remote(report), timeout=ANSWER_SECONDS
                )
            except (ray.exceptions.RayError, ValueError, RuntimeError) as error:
                lost: Exception = error
            else:
                return said
        log.warning("The cluster's pacer of %s is lost (%s); pacing here.", self.key[2], lost)
        return self._local.pace(report)

    def _found(self, *, fresh: bool) -> Any:
        with self._lock:
            if self._actor is None or fresh:
                digest = hashlib.blake2b("\x00".join(self.key).encode(), digest_size=8)
                self._actor = (
                    ray_module()
                    .remote(PacingActor)
                    .options(
                        name=f"pacer-{digest.hexdigest()}",
                        namespace=NAMESPACE,
                        get_if_exists=True,
                        # Not this process's own: others ask it too, and it must remember.
                        lifetime="detached",
                        max_restarts=-1,
                        num_cpus=0,
                    )
                    .remote()
                )
            return self._actor


def host_on_cluster() -> None:
    """Let all clients of services in this process ask the cluster's pacers."""
    host_pacers(_pacer)


def _pacer(key: PacerKey) -> Pacer:
    return ClusterPacer(key)
