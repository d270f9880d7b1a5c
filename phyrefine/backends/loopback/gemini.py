"""Gemini's ``generateContent`` and Files API on the loopback server."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from phyrefine.backends.loopback.wire import (
    CHARS_PER_TOKEN,
    TOKENS_PER_PICTURE,
    Asked,
    Host,
    Request,
    Response,
    Sender,
    StoredFile,
    spelled,
    tokens,
)
from phyrefine.types import JSON


def _generate(server: Host, request: Request, model: str) -> Sender:
    try:
        asked = _asked_gemini(server, request.json, model)
    except KeyError as error:
        said = f"You do not have permission to access the File {error} or it may not exist."
        return google_error(403, "PERMISSION_DENIED", said)
    text = server.reply(asked)
    return Response(gemini_body(text, model, asked))


def gemini_body(text: str, model: str, asked: Asked | None = None, **candidate: Any) -> JSON:
    """The body of a regular answer of ``generateContent``."""
    given = tokens(asked, per_image=TOKENS_PER_PICTURE) if asked else 1
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


def _asked_gemini(server: Host, body: Any, model: str) -> Asked:
    texts, media, fps = [], [], 1.0
    for content in body["contents"]:
        for part in content["parts"]:
            if "text" in part:
                texts.append(part["text"])
                continue
            blob, file = (
                spelled(part, "inlineData", "inline_data"),
                spelled(part, "fileData", "file_data"),
            )
            if blob is not None:
                kind = spelled(blob, "mimeType", "mime_type")
                data = blob["data"].replace("+", "-").replace("/", "_")
                media.append((kind, base64.urlsafe_b64decode(data)))
            else:
                name = spelled(file, "fileUri", "file_uri").rpartition("/")[2]
                media.append((server.files[name].mime_type, server.files[name].data))
            fps = (spelled(part, "videoMetadata", "video_metadata") or {}).get("fps", fps)
    config = spelled(body, "generationConfig", "generation_config") or {}
    system = spelled(body, "systemInstruction", "system_instruction") or {"parts": []}
    return Asked(
        model,
        "\n".join(texts),
        "\n".join(part.get("text", "") for part in system["parts"]),
        spelled(config, "responseJsonSchema", "response_json_schema"),
        tuple(media),
        fps,
        spelled(config, "maxOutputTokens", "max_output_tokens") or 0,
        str(spelled(config, "mediaResolution", "media_resolution") or "")
        .removeprefix("MEDIA_RESOLUTION_")
        .lower(),
    )


def _start_upload(server: Host, request: Request) -> Sender:
    wanted = request.json["file"]
    name = (wanted.get("name") or f"files/loop-{len(server.files)}").removeprefix("files/")
    server.files[name] = StoredFile(name, wanted.get("mime_type") or wanted.get("mimeType"))
    url = f"{server.url}/upload-bytes/{name}"
    return Response({}, headers={"x-goog-upload-url": url, "x-goog-upload-status": "active"})


def _upload_chunk(server: Host, request: Request, name: str) -> Sender:
    file = server.files[name]
    file.data += request.body
    if "finalize" not in request.headers.get("x-goog-upload-command", ""):
        return Response({}, headers={"x-goog-upload-status": "active"})
    file.state = "PROCESSING" if server.processing_polls or server.failed else "ACTIVE"
    file.polls = server.processing_polls
    return Response({"file": _file_body(server, file)}, headers={"x-goog-upload-status": "final"})


def _file_body(server: Host, file: StoredFile) -> JSON:
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


def _get_file(server: Host, _: Request, name: str) -> Sender:
    file = server.files.get(name)
    if file is None:
        return google_error(403, "PERMISSION_DENIED", f"no access to the File {name}")
    file.polls -= 1
    if file.state == "PROCESSING" and file.polls < 0:
        file.state = "FAILED" if server.failed else "ACTIVE"
    return Response(_file_body(server, file))


def _delete_file(server: Host, _: Request, name: str) -> Sender:
    if server.files.pop(name, None) is None:
        return google_error(404, "NOT_FOUND", f"no File {name}")
    return Response({})


# Vertex AI names project, place and publisher before the model.
_VERTEX = r"(?:projects/[^/]+/locations/[^/]+/)?publishers/google/"
ROUTES = (
    ("POST", rf"/v\w+/(?:{_VERTEX})?models/([^:]+):generateContent", _generate),
    ("POST", r"/upload/v\w+/files", _start_upload),
    ("POST", r"/upload-bytes/([\w-]+)", _upload_chunk),
    ("GET", r"/v\w+/files/([\w-]+)", _get_file),
    ("DELETE", r"/v\w+/files/([\w-]+)", _delete_file),
)
