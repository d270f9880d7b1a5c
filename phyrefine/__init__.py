"""Make video models obey physics, without training them.

    from phyrefine import SelfRefiner
    refined = SelfRefiner("gemini", "openai", "magi").refine(scenario)

Importing phyrefine imports neither torch nor any SDK: every name is loaded on first use.
"""

import logging
from typing import Any

import lazy_loader

_lazy_getattr, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("phyrefine")
    return _lazy_getattr(name)


logging.getLogger(__name__).addHandler(logging.NullHandler())
