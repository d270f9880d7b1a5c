"""A server on this machine that speaks Gemini's and OpenAI's wire formats.

It rehearses a complete run through the real SDKs: no key, no cost, nothing leaves the machine.
Gemini's Files API is there too, with a count of the files left alive. Token counts are estimates by
the services' published rules.
"""

from phyrefine.backends.loopback.gemini import gemini_body, google_error
from phyrefine.backends.loopback.openai import chat_body, openai_error, responses_body
from phyrefine.backends.loopback.server import Loopback
from phyrefine.backends.loopback.wire import Asked, Request, Response, Sender, StoredFile

__all__ = [
    "Asked",
    "Loopback",
    "Request",
    "Response",
    "Sender",
    "StoredFile",
    "chat_body",
    "gemini_body",
    "google_error",
    "openai_error",
    "responses_body",
]
