"""What goes in and out of the loopback server, whatever the dialect."""

from __future__ import annotations

import http.server
import io
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import av
from attrs import define, field, frozen

from phyrefine.types import JSON

CHARS_PER_TOKEN = 4
# Tokens of a sampled frame by resolution, as Google's model pages told on 2026-11-27.
TOKENS_PER_FRAME = (
    (re.compile(r"gemini-[12]"), {"": 258, "low": 66, "medium": 258, "high": 258}),
    (re.compile(r""), {"": 70, "low": 70, "medium": 70, "high": 280}),
)
TOKENS_PER_PICTURE = 258
KIND = "application/json; charset=UTF-8"


@frozen
class Request:
    """What came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> JSON:
        """The body, parsed."""
        return json.loads(self.body or b"{}")


class Sender(Protocol):
    """Anything that can answer a request; faults are made by other kinds than Response."""

    def send(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Write the answer."""
        ...


@frozen
class Response:
    """A regular answer."""

    body: JSON | bytes = field(factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)
    kind: str = KIND

    @property
    def data(self) -> bytes:
        """The body as sent."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def send(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Write it whole."""
        handler.send_response(self.status)
        for name, value in {"Content-Type": self.kind, **self.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(self.data)))
        handler.end_headers()
        handler.wfile.write(self.data)


@frozen
class Asked:
    """A question as it arrived over the wire.

    Attributes:
        model: Model asked for.
        text: All text of the user's message, media left out.
        instruction: System message.
        schema: JSON schema asked for, if any.
        media: (MIME type, bytes) of each video or image, in order.
        fps: Sampling rate of the first video, as Gemini is told.
        limit: Most tokens of the answer.
        resolution: ``low``, ``medium``, ``high``, as Gemini is told; empty for its own choice.
    """

    model: str
    text: str
    instruction: str
    schema: Mapping[str, JSON] | None
    media: tuple[tuple[str, bytes], ...]
    fps: float = 1.0
    limit: int = 0
    resolution: str = ""


@define
class StoredFile:
    """A file of the Files API."""

    name: str
    mime_type: str
    data: bytes = b""
    state: str = "UPLOADING"
    polls: int = 0


class Host(Protocol):
    """What the routes of a wire format need of the server they run on."""

    reply: Callable[[Asked], str]
    processing_polls: int
    failed: str | None
    files: dict[str, StoredFile]

    @property
    def url(self) -> str:
        """Base URL."""
        ...


def spelled(value: Mapping[str, Any], *names: str) -> Any:
    """The first of several spellings: outer keys are camelCase, nested ones snake_case."""
    return next((value[name] for name in names if name in value), None)


def tokens(asked: Asked, *, per_image: int) -> int:
    """Estimated tokens of a request: text by length, images and video frames at a flat rate."""
    schema = json.dumps(asked.schema) if asked.schema else ""
    words = (len(asked.text) + len(asked.instruction) + len(schema)) // CHARS_PER_TOKEN
    return words + sum(_media_tokens(asked, *item, per_image) for item in asked.media) + 1


def _media_tokens(asked: Asked, kind: str, data: bytes, per_image: int) -> int:
    if not kind.startswith("video/"):
        return per_image
    with av.open(io.BytesIO(data), mode="r") as container:
        seconds = (container.duration or 0) / av.time_base
    each = next(counts for family, counts in TOKENS_PER_FRAME if family.match(asked.model))
    return round(seconds * asked.fps) * each[asked.resolution]
