"""The options of ``--ray``, common to ``bench`` and ``sweep``."""

from __future__ import annotations

import contextlib
from typing import Annotated

from attrs import asdict, frozen
from cyclopts import Parameter
from cyclopts.validators import Number

from phyrefine._command_values import Positive
from phyrefine.errors import InvalidInputError
from phyrefine.run.cluster.fleet import PATIENCE_SECONDS
from phyrefine.run.cluster.ray_cluster import RayCluster, where_of
from phyrefine.run.estimating.estimate import Workers

_Whole = Annotated[int | None, Parameter(validator=Number(gte=1))]
_Share = Annotated[float | None, Parameter(validator=Number(gte=0))]


@Parameter(name="*")
@frozen
class RayFlags:
    """On many machines.

    Attributes:
        ray: Make the clips on a Ray cluster: --ray ADDRESS, --ray auto for the one running on this
            machine, or --ray alone to start one here.
        ray_generators: With --ray: workers that hold the model; by default one per GPU.
        ray_gpus: With --ray: GPUs of each worker, a fraction for small models.
        ray_cpus: With --ray: CPUs of each worker; 1 by default.
        ray_in_flight: With --ray: scenarios in progress at once; by default twice the workers and
            two more.
        ray_patience: With --ray: seconds that workers may wait for room; 900 by default.

    Raises:
        InvalidInputError: One of the others is given without --ray.
    """

    ray: Annotated[
        tuple[str, ...] | None, Parameter(consume_multiple=(0, 1), negative_iterable=())
    ] = None
    ray_generators: _Whole = None
    ray_gpus: _Share = None
    ray_cpus: _Share = None
    ray_in_flight: _Whole = None
    ray_patience: Positive | None = None

    def __attrs_post_init__(self) -> None:
        given = asdict(self)
        alone = [name for name, value in given.items() if value is not None and name != "ray"]
        if self.ray is None and alone:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in alone)
            raise InvalidInputError(f"{names} says how --ray works: add --ray, or leave it out.")

    def workers(self) -> Workers | None:
        """The workers there will be; the cluster is asked only where their number is not stated.

        Raises:
            MissingDependencyError: The cluster is asked, and Ray is not installed.
            ConnectionFaultError: The cluster is asked, and none is at the address.
        """
        if self.ray is None:
            return None
        if self.ray_generators is None:
            with self._made() as cluster:
                return cluster.plan
        count = self.ray_generators
        gpus = 1.0 if self.ray_gpus is None else self.ray_gpus
        return Workers(count, gpus, self.ray_in_flight or 2 * count + 2, where_of(self._address))

    def cluster(self) -> contextlib.AbstractContextManager[RayCluster | None]:
        """The cluster asked for, or a context of ``None``."""
        return contextlib.nullcontext() if self.ray is None else self._made()

    @property
    def _address(self) -> str | None:
        return self.ray[0] if self.ray else None

    def _made(self) -> RayCluster:
        return RayCluster(
            self._address,
            generators=self.ray_generators,
            gpus_per_generator=self.ray_gpus,
            cpus_per_generator=1.0 if self.ray_cpus is None else self.ray_cpus,
            in_flight=self.ray_in_flight,
            patience=PATIENCE_SECONDS if self.ray_patience is None else self.ray_patience,
        )


HERE = RayFlags()
