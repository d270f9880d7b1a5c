"""Ray itself: imported on use, quiet about its users, connected once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from phyrefine._optional import require
from phyrefine.errors import ConnectionFaultError

NAMESPACE = "phyrefine"
# A new one, of this machine alone: without an address Ray would join any that it finds here.
_LOCAL = {"address": "local", "include_dashboard": False}


def ray_module() -> ModuleType:
    """Ray, without statistics sent to its makers, and without a print of its own.

    Raises:
        MissingDependencyError: It is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")  # print stays Python's own
    return require("ray", extra="ray", feature="A run on a cluster")


def connect(address: str | None, runtime_env: Mapping[str, Any]) -> bool:
    """Connect this process to a cluster, or start one on this machine.

    Args:
        address: As ``ray.init`` takes it; ``None`` starts a cluster of this machine alone.
        runtime_env: What workers need besides the driver's own environment.

    Returns:
        Whether this call connected it; ``False`` when the process was connected before.

    Raises:
        ConnectionFaultError: There is no cluster at the address.
    """
    ray = ray_module()
    if ray.is_initialized():
        return False
    where = _LOCAL if address is None else {"address": address}
    try:
        ray.init(
            **where,
            namespace=NAMESPACE,
            runtime_env=dict(runtime_env) or None,
            logging_level="warning",
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConnectionFaultError(
            f"No Ray cluster answers at {address!r}: {line} Start one with `ray start --head`, "
            "pass its address, or leave the address out for a cluster of this machine.",
            provider="ray",
        ) from error
    return True
