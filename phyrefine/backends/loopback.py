"""A server on this machine that speaks Gemini's and OpenAI's wire formats.

It lets a whole run be rehearsed through the real SDKs: no key, no cost, nothing leaves the
machine. Gemini's Files API is there too, with a count of the files left alive. Token counts are
estimates by the services' published rules.
"""

from __future__ import annotations

import base64
import http.server
import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self, cast

from attrs import define, field, frozen

from phyrefine.types import JSON

CHARS_PER_TOKEN = 4
# Gemini 2's documented count per sampled frame; OpenAI's for an image at detail "low".
TOKENS_PER_FRAME = 258
TOKENS_PER_IMAGE = 85
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
    """

    model: str
    text: str
    instruction: str
    schema: Mapping[str, JSON] | None
    media: tuple[tuple[str, bytes], ...]
    fps: float = 1.0
    limit: int = 0


@define
class StoredFile:
    """A file of the Files API."""

    name: str
    mime_type: str
    data: bytes = b""
    state: str = "UPLOADING"
    polls: int = 0


@define(eq=False)
class Loopback:
    """The server. Use it as a context manager.

    Attributes:
        reply: Answers a question in words.
        interfere: Sees every request first; gives another answer than the regular one, or
            ``None``.
        processing_polls: Polls during which a new file stays in processing.
        failed: Why every new file fails, or ``None``.
        requests: Everything that came in.
        files: Files by name; deleted ones are gone.
    """

    reply: Callable[[Asked], str]
    interfere: Callable[[Request], Sender | None] = lambda _: None
    processing_polls: int = 0
    failed: str | None = None
    requests: list[Request] = field(factory=list)
    files: dict[str, StoredFile] = field(factory=dict)
    _server: http.server.ThreadingHTTPServer | None = None
    _lock: threading.Lock = field(factory=threading.Lock)

    def __enter__(self) -> Self:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Base URL for Gemini's SDK."""
        assert self._server is not None, "use the server as a context manager"
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def openai_url(self) -> str:
        """Base URL for OpenAI's SDK."""
        return f"{self.url}/v1"

    @property
    def alive(self) -> list[str]:
        """Names of files that were uploaded and not deleted."""
        return [name for name, file in self.files.items() if file.state != "UPLOADING"]

    def answer(self, request: Request) -> Sender:
        """The answer to one request."""
        with self._lock:
            self.requests.append(request)
        other = self.interfere(request)
        if other is not None:
            return other
        for method, pattern, route in ROUTES:
            found = re.fullmatch(pattern, request.path)
            if found and method == request.method:
                return route(self, request, *found.groups())
        return Response({"error": {"code": 404, "message": f"no {request.path}"}}, 404)


Route = Callable[..., Sender]


def _handler(server: Loopback) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = self.path.partition("?")[0]
            request = Request(self.command, path, headers, self.rfile.read(length))
            try:
                server.answer(request).send(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - the names http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
            """Keep quiet."""

    return Handler


# -- Gemini ------------------------------------------------------------------------------------


def _generate(server: Loopback, request: Request, model: str) -> Sender:
    try:
        asked = _asked_gemini(server, request.json, model)
    except KeyError as error:
        said = f"You do not have permission to access the File {error} or it may not exist."
        return google_error(403, "PERMISSION_DENIED", said)
    text = server.reply(asked)
    return Response(gemini_body(text, model, asked))


def gemini_body(text: str, model: str, asked: Asked | None = None, **candidate: Any) -> JSON:
    """The body of a regular answer of ``generateContent``."""
    given = _tokens(asked, per_image=TOKENS_PER_FRAME) if asked else 1
    out = len(text) // CHARS_PER_TOKEN + 1
    regular = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
    return {
        "candidates": [regular | candidate],
        "modelVersion": model,
        "responseId": "loopback",
        "usageMetadata": {
            "promptTokenCount": given,
            "candidatesTokenCount": out,
            "totalTokenCount": given + out,
        },
    }


def google_error(
    status: int, word: str, message: str, *details: JSON, headers: Mapping[str, str] | None = None
) -> Response:
    """An error as Google's APIs send it."""
    error = {"code": status, "message": message, "status": word, "details": list(details)}
    return Response({"error": error}, status, headers or {})


def _key(value: Mapping[str, Any], *names: str) -> Any:
    """The first of several spellings: outer keys are camelCase, nested ones snake_case."""
    return next((value[name] for name in names if name in value), None)


def _asked_gemini(server: Loopback, body: Any, model: str) -> Asked:
    texts, media, fps = [], [], 1.0
    for content in body["contents"]:
        for part in content["parts"]:
            if "text" in part:
                texts.append(part["text"])
                continue
            blob, file = (
                _key(part, "inlineData", "inline_data"),
                _key(part, "fileData", "file_data"),
            )
            if blob is not None:
                kind = _key(blob, "mimeType", "mime_type")
                data = blob["data"].replace("+", "-").replace("/", "_")
                media.append((kind, base64.urlsafe_b64decode(data)))
            else:
                name = _key(file, "fileUri", "file_uri").rpartition("/")[2]
                media.append((server.files[name].mime_type, server.files[name].data))
            fps = (_key(part, "videoMetadata", "video_metadata") or {}).get("fps", fps)
    config = _key(body, "generationConfig", "generation_config") or {}
    system = _key(body, "systemInstruction", "system_instruction") or {"parts": []}
    return Asked(
        model,
        "\n".join(texts),
        "\n".join(part.get("text", "") for part in system["parts"]),
        _key(config, "responseJsonSchema", "response_json_schema"),
        tuple(media),
        fps,
        _key(config, "maxOutputTokens", "max_output_tokens") or 0,
    )


def _start_upload(server: Loopback, request: Request) -> Sender:
    wanted = request.json["file"]
    name = (wanted.get("name") or f"files/loop-{len(server.files)}").removeprefix("files/")
    server.files[name] = StoredFile(name, wanted.get("mime_type") or wanted.get("mimeType"))
    url = f"{server.url}/upload-bytes/{name}"
    return Response({}, headers={"x-goog-upload-url": url, "x-goog-upload-status": "active"})


def _upload_chunk(server: Loopback, request: Request, name: str) -> Sender:
    file = server.files[name]
    file.data += request.body
    if "finalize" not in request.headers.get("x-goog-upload-command", ""):
        return Response({}, headers={"x-goog-upload-status": "active"})
    file.state = "PROCESSING" if server.processing_polls or server.failed else "ACTIVE"
    file.polls = server.processing_polls
    return Response({"file": _file_body(server, file)}, headers={"x-goog-upload-status": "final"})


def _file_body(server: Loopback, file: StoredFile) -> JSON:
    body: dict[str, JSON] = {
        "name": f"files/{file.name}",
        "uri": f"{server.url}/v1/files/{file.name}",
        "mimeType": file.mime_type,
        "sizeBytes": str(len(file.data)),
        "state": file.state,
    }
    if file.state == "FAILED":
        body["error"] = {"code": 3, "message": server.failed}
    return body


def _get_file(server: Loopback, _: Request, name: str) -> Sender:
    file = server.files.get(name)
    if file is None:
        return google_error(403, "PERMISSION_DENIED", f"no access to the File {name}")
    file.polls -= 1
    if file.state == "PROCESSING" and file.polls < 0:
        file.state = "FAILED" if server.failed else "ACTIVE"
    return Response(_file_body(server, file))


def _delete_file(server: Loopback, _: Request, name: str) -> Sender:
    if server.files.pop(name, None) is None:
        return google_error(404, "NOT_FOUND", f"no File {name}")
    return Response({})


# -- OpenAI ------------------------------------------------------------------------------------


def _chat(server: Loopback, request: Request) -> Sender:
    body = request.json
    asked = _asked_openai(body, body["messages"], _key(body, "response_format"))
    return Response(chat_body(server.reply(asked), asked.model, asked))


def chat_body(text: str | None, model: str, asked: Asked | None = None, **choice: Any) -> JSON:
    """The body of a regular answer of ``chat.completions``."""
    given = _tokens(asked, per_image=TOKENS_PER_IMAGE) if asked else 1
    out = len(text or "") // CHARS_PER_TOKEN + 1
    message = {"role": "assistant", "content": text} | choice.pop("message", {})
    return {
        "id": "loopback",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"} | choice],
        "usage": {
            "prompt_tokens": given,
            "completion_tokens": out,
            "total_tokens": given + out,
        },
    }


def openai_error(
    status: int, message: str, *, headers: Mapping[str, str] | None = None, **fields: JSON
) -> Response:
    """An error as OpenAI sends it."""
    error = {"message": message, "type": "error", "param": None, "code": None} | fields
    return Response({"error": error}, status, headers or {}, kind="application/json")


def _responses(server: Loopback, request: Request) -> Sender:
    body = request.json
    form = (body.get("text") or {}).get("format") or {}
    asked = _asked_openai(body, body["input"], {"json_schema": form} if form else None)
    text = server.reply(asked)
    part = {"type": "output_text", "text": text, "annotations": []}
    return Response(responses_body([part], asked.model, asked))


def responses_body(parts: list[JSON], model: str, asked: Asked | None = None, **more: Any) -> JSON:
    """The body of an answer of ``responses``."""
    given = _tokens(asked, per_image=TOKENS_PER_IMAGE) if asked else 1
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed",
               "content": parts}  # fmt: skip
    regular = {
        "id": "loopback",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "model": model,
        "output": [message],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": given,
            "output_tokens": 10,
            "total_tokens": given + 10,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }
    return regular | more


def _asked_openai(body: Any, messages: list[Any], form: Any) -> Asked:
    texts, media, system = [], [], body.get("instructions") or ""
    for message in messages:
        content = message["content"]
        parts = [{"text": content}] if isinstance(content, str) else content
        for part in parts:
            url = part.get("image_url") or part.get("video_url")
            if url is not None:
                url = url if isinstance(url, str) else url["url"]
                head, _, data = url.partition(";base64,")
                media.append((head.removeprefix("data:"), base64.b64decode(data)))
            elif message["role"] == "system":
                system += part["text"]
            else:
                texts.append(part["text"])
    schema = ((form or {}).get("json_schema") or {}).get("schema") or (form or {}).get("schema")
    limit = _key(body, "max_completion_tokens", "max_tokens", "max_output_tokens") or 0
    return Asked(body["model"], "\n".join(texts), system, schema, tuple(media), limit=limit)


def _models(_: Loopback, __: Request) -> Sender:
    return Response({"object": "list", "data": [{"id": "loopback", "object": "model"}]})


# -- counting ----------------------------------------------------------------------------------


def _tokens(asked: Asked, *, per_image: int) -> int:
    words = (len(asked.text) + len(asked.instruction)) // CHARS_PER_TOKEN
    return words + sum(_media_tokens(asked, *item, per_image) for item in asked.media) + 1


def _media_tokens(asked: Asked, kind: str, data: bytes, per_image: int) -> int:
    if not kind.startswith("video/"):
        return per_image
    import io

    import av

    with av.open(io.BytesIO(data)) as container:
        seconds = float(cast("int", container.duration or 0) / av.time_base)
    return round(seconds * asked.fps) * TOKENS_PER_FRAME


ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("POST", r"/v\w+/models/([^:]+):generateContent", _generate),
    ("POST", r"/upload/v\w+/files", _start_upload),
    ("POST", r"/upload-bytes/([\w-]+)", _upload_chunk),
    ("GET", r"/v\w+/files/([\w-]+)", _get_file),
    ("DELETE", r"/v\w+/files/([\w-]+)", _delete_file),
    ("POST", r"/v1/chat/completions", _chat),
    ("POST", r"/v1/responses", _responses),
    ("GET", r"/v1/models", _models),
)
