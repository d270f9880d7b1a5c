"""Optional dependencies: import on first use, or say in one line how to install."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from phyrefine.errors import MissingDependencyError


def require(module: str, *, extra: str, feature: str) -> ModuleType:
    """Import ``module``, or say which extra brings it.

    Args:
        module: Dotted module name, for example ``"google.genai"``.
        extra: Name of the extra in ``pip install "phyrefine[extra]"``.
        feature: What the user asked for, for example ``"The Gemini backend"``.

    Raises:
        MissingDependencyError: ``module`` is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A package that is there but misses one of its own parts is another fault: show it.
        if error.name is None or module.partition(".")[0] != error.name.partition(".")[0]:
            raise
        raise MissingDependencyError(
            f'{feature} needs {module}. Run: pip install "phyrefine[{extra}]"',
            name=module,
        ) from error


def installed(module: str) -> bool:
    """Whether ``module`` can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
