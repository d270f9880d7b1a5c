"""Ray itself: imported on use, quiet about its users, connected once."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from phyrefine._optional import require
from phyrefine.errors import ConnectionFaultError

NAMESPACE = "phyrefine"
# A new one, of this machine alone: without an address Ray would join any that it finds here.
_LOCAL = {"address": "local", "include_dashboard": False}
# Ray itself tries for many minutes where nobody is.
ANSWER_SECONDS = 10.0
_AUTHENTICATION = "RAY_AUTH_MODE"


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
        ConnectionFaultError: There is no cluster at the address, or it does not let us in.
    """
    ray = ray_module()
    if ray.is_initialized():
        return False
    where = _LOCAL if address is None else {"address": address}
    answers = address is not None and _answers(address)
    try:
        ray.init(
            **where,
            namespace=NAMESPACE,
            runtime_env=dict(runtime_env) or None,
            logging_level="warning",
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if answers and os.environ.get(_AUTHENTICATION, "").lower() != "token":
            raise _refused(address, line) from error
        raise _nobody(address, line) from error
    return True


def _answers(address: str) -> bool:
    """Whether somebody listens at ``HOST:PORT``; ``False`` for addresses of another form.

    Raises:
        ConnectionFaultError: Nobody does.
    """
    found = re.fullmatch(r"(?:ray://)?\[?([^/\[\]]+)\]?:(\d{1,5})", address)
    if found is None:
        return False
    try:
        socket.create_connection((found[1], int(found[2])), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _nobody(address, f"{error}.") from error
    return True


def _nobody(address: str | None, why: str) -> ConnectionFaultError:
    return ConnectionFaultError(
        f"No Ray cluster answers at {address!r}: {why} Start one with `ray start --head`, "
        "pass its address, or leave the address out for a cluster of this machine.",
        provider="ray",
    )


def _refused(address: str | None, why: str) -> ConnectionFaultError:
    return ConnectionFaultError(
        f"Something answers at {address!r}, but not as a Ray cluster does: {why}. Newer Rays let "
        f"in only who has the cluster's token: set {_AUTHENTICATION}=token here and on all "
        "machines, with the head's ~/.ray/auth_token or the token in RAY_AUTH_TOKEN; or "
        f"{_AUTHENTICATION}=disabled on all.",
        provider="ray",
    )
