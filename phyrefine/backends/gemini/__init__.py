"""Gemini as critic and as rewriter, through google-genai: ``gemini:MODEL``.

May import ``backends.calling``.
"""

from phyrefine.backends.gemini.adapter import (
    BACKEND,
    GeminiLLM,
    GeminiVLM,
)

__all__ = [
    "BACKEND",
    "GeminiLLM",
    "GeminiVLM",
]
