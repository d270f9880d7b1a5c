"""An extractive LLM: it chooses and orders sentences, and never invents one.

May import ``world.wordings``; never torch or ``world.truth``.
"""

from phyrefine.world.rewriter.llm import (
    WorldLLM,
    choose,
    sentences,
    shape,
)

__all__ = [
    "WorldLLM",
    "choose",
    "sentences",
    "shape",
]
