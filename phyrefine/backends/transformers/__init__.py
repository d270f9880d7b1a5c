"""Models of transformers in this process, as critic and as rewriter: ``transformers:PATH``.

May import ``backends.calling``.
"""

from phyrefine.backends.transformers.adapter import BACKEND, TransformersLLM, TransformersVLM
from phyrefine.backends.transformers.chats import Answering

__all__ = [
    "BACKEND",
    "Answering",
    "TransformersLLM",
    "TransformersVLM",
]
