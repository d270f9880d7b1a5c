"""GPT-4o and every server with a compatible API, as critic and as rewriter: ``openai:MODEL``.

May import ``backends.calling``.
"""

from phyrefine.backends.openai.adapter import (
    BACKEND,
    OpenAILLM,
    OpenAIVLM,
)

__all__ = [
    "BACKEND",
    "OpenAILLM",
    "OpenAIVLM",
]
