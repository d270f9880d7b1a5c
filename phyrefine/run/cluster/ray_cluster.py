"""``RayCluster``: where clips are made when one machine is not enough."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from attrs import define, field, validators

from phyrefine.errors import InvalidInputError
from phyrefine.run.cluster.connecting import connect, ray_module
from phyrefine.run.cluster.fleet import PATIENCE_SECONDS, Fleet, Needs, Tell
from phyrefine.run.cluster.guard import guarded
from phyrefine.run.cluster.pacers import host_on_cluster
from phyrefine.run.cluster.recipe import Recipe
from phyrefine.run.cluster.remote import RemoteGenerator
from phyrefine.run.cluster.worker import Busy
from phyrefine.run.estimating.estimate import Workers
from phyrefine.run.search.recording import Search

log = logging.getLogger(__name__)


@define(eq=False)
class RayCluster:
    """A Ray cluster that makes clips; the loop, its calls and its results stay in this process.

    Use it as a context manager, or call :meth:`close`. The same object serves several runs, one
    after the other or at once: a model is loaded once per worker and stays loaded.

    Args:
        address: Address of a running cluster, ``"auto"`` for the one of this machine, or ``None``
            to start one of this machine alone.
        generators: Workers, each with the model loaded; by default as many as the cluster's GPUs
            (its CPUs, where there is no GPU) suffice for.
        gpus_per_generator: GPUs of each worker: more than 1 for a model that spans several, a
            fraction for small models; by default 1, or 0 on a cluster without GPUs.
        cpus_per_generator: CPUs of each worker, a fraction if you like.
        resources: What else each worker needs, of kinds that the cluster's nodes declare.
        in_flight: Scenarios in progress at once; by default twice the workers and two more. Each
            holds its clips in this process's memory.
        ahead: Clips that wait at every worker, so that no device waits for the driver.
        tries: How often one clip is tried when workers are lost under it, before its scenario is
            set aside.
        patience: Seconds that a generator's workers may wait for room on a machine, one of them
            at least; then what was asked and what the cluster has is an error. Loading the model
            does not count.
        runtime_env: Ray's description of what workers need besides the driver's environment.

    Raises:
        MissingDependencyError: Ray is not installed.
        ConnectionFaultError: There is no cluster at the address.
    """

    address: str | None = None
    generators: int | None = field(
        default=None, kw_only=True, validator=validators.optional(validators.ge(1))
    )
    gpus_per_generator: float | None = field(
        default=None, kw_only=True, validator=validators.optional(validators.ge(0))
    )
    cpus_per_generator: float = field(default=1.0, kw_only=True, validator=validators.ge(0))
    resources: Mapping[str, float] = field(factory=dict, kw_only=True)
    in_flight: int | None = field(
        default=None, kw_only=True, validator=validators.optional(validators.ge(1))
    )
    ahead: int = field(default=1, kw_only=True, validator=validators.ge(0))
    tries: int = field(default=3, kw_only=True, validator=validators.ge(1))
    patience: float = field(default=PATIENCE_SECONDS, kw_only=True, validator=validators.gt(0))
    runtime_env: Mapping[str, Any] = field(factory=dict, kw_only=True, repr=False)
    _made: dict[str, RemoteGenerator] = field(factory=dict, init=False, repr=False)
    _connected: bool | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    # -- making clips there --------------------------------------------------------------------

    def generator(self, generator: Any) -> Any:
        """A video generator whose clips the cluster makes; a name is loaded there, not here.

        Args:
            generator: As ``SelfRefiner`` takes it: a registry name, an object that can be
                pickled, or a function of one shot. Of a search, only its generator goes there.

        Raises:
            UnknownBackendError: The name stands for nothing.
            InvalidInputError: The object cannot be pickled, or the cluster can never hold such a
                worker.
        """
        if isinstance(generator, Search):
            inner = self.generator(generator.generator)
            return generator.with_parts(inner, lambda model: model)
        if isinstance(generator, RemoteGenerator):
            return generator
        recipe = Recipe.of(generator)
        name = recipe.spec or str(id(recipe.backend))
        with self._lock:
            if name not in self._made:
                self._connect()
                recipe.check_portable(ray_module().cloudpickle.dump)
                self._made[name] = RemoteGenerator(self._fleet(recipe), recipe.backend)
            return self._made[name]

    @property
    def workers(self) -> int:
        """How many workers each generator gets."""
        with self._lock:
            self._connect()
            return self._count(self._needs())

    @property
    def scenarios(self) -> int:
        """Scenarios in progress at once."""
        return self.in_flight or 2 * self.workers + 2

    @property
    def plan(self) -> Workers:
        """The workers there will be, for an estimate; none is started by asking."""
        with self._lock:
            self._connect()
            needs = self._needs()
            count = self._count(needs)
        return Workers(count, needs.gpus, self.in_flight or 2 * count + 2, where_of(self.address))

    @contextlib.contextmanager
    def guarding(self, run_dir: str | Path | None, tell: Tell | None = None) -> Iterator[None]:
        """Within the block no other driver of this cluster may work in the run folder.

        Args:
            run_dir: The folder; nothing is guarded without one.
            tell: Hears when workers come and go, as an event's name and its details.

        Raises:
            RunLockedError: Another driver works there.
        """
        with self._lock:
            self._connect()
        name = None if run_dir is None else str(Path(run_dir).resolve())
        with contextlib.nullcontext() if name is None else guarded(name):
            self._tell(tell)
            try:
                yield
            finally:
                self._tell(None)

    def spent(self) -> list[Busy]:
        """How each worker that is there spent its time so far: clips, busy seconds, span."""
        return [one for made in self._made.values() for one in made.fleet.spent()]

    def close(self) -> None:
        """End the workers, and leave the cluster if this object joined it."""
        with self._lock:
            for made in self._made.values():
                made.fleet.close()
            self._made.clear()
            if self._connected:
                ray_module().shutdown()
            self._connected = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside --------------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._connected is None:
            self._connected = connect(self.address, self.runtime_env)
            host_on_cluster()

    def _tell(self, tell: Tell | None) -> None:
        with self._lock:
            for made in self._made.values():
                made.fleet.tell = tell

    def _fleet(self, recipe: Recipe) -> Fleet:
        needs = self._needs()
        self._refuse_what_never_fits(needs)
        return Fleet(
            recipe,
            self._count(needs),
            needs,
            ahead=self.ahead,
            tries=self.tries,
            patience=self.patience,
            make_room=self._make_room,
        )

    def _make_room(self, fleet: Fleet) -> None:
        """Let workers of other generators that have nothing to do give their machines back."""
        free = ray_module().available_resources()
        needs = fleet.needs
        asked = {"GPU": needs.gpus, "CPU": needs.cpus, **needs.resources}
        if all(free.get(name, 0.0) >= fleet.count * it for name, it in asked.items()):
            return
        for made in tuple(self._made.values()):
            if made.fleet is not fleet:
                made.fleet.rest()

    def _needs(self) -> Needs:
        gpus = self.gpus_per_generator
        if gpus is None:
            gpus = 1.0 if ray_module().cluster_resources().get("GPU") else 0.0
        return Needs(gpus, self.cpus_per_generator, self.resources)

    def _count(self, needs: Needs) -> int:
        if self.generators is not None:
            return self.generators
        there = ray_module().cluster_resources()
        asked = {"GPU": needs.gpus, "CPU": needs.cpus, **needs.resources}
        fits = [int(there.get(name, 0.0) / amount) for name, amount in asked.items() if amount]
        return max(1, min(fits, default=1))

    def _refuse_what_never_fits(self, needs: Needs) -> None:
        nodes = [node["Resources"] for node in ray_module().nodes() if node["Alive"]]
        asked = {"GPU": needs.gpus, "CPU": needs.cpus, **needs.resources}
        if any(all(node.get(name, 0.0) >= it for name, it in asked.items()) for node in nodes):
            return
        most = {name: max((node.get(name, 0.0) for node in nodes), default=0.0) for name in asked}
        said = (
            f"A worker asks for {asked}, and no machine of the cluster has that; the most one has "
            f"is {most}. Change gpus_per_generator or cpus_per_generator"
        )
        if self.generators is None:
            raise InvalidInputError(f"{said}, or say how many generators= to wait for.")
        log.warning("%s; waiting for a machine that has.", said)


def where_of(address: str | None) -> str:
    """Where a cluster is, in words."""
    return "a Ray cluster of this machine" if address is None else f"the Ray cluster at {address}"
