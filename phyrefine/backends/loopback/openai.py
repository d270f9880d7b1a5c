"""OpenAI's ``chat.completions`` and ``responses`` on the loopback server."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from phyrefine.backends.loopback.wire import (
    CHARS_PER_TOKEN,
    Asked,
    Host,
    Request,
    Response,
    Sender,
    spelled,
    tokens,
)
from phyrefine.types import JSON

# OpenAI's documented count for an image at detail "low".
TOKENS_PER_IMAGE = 85


def _chat(server: Host, request: Request) -> Sender:
    body = request.json
    asked = _asked_openai(body, body["messages"], spelled(body, "response_format"))
    return Response(chat_body(server.reply(asked), asked.model, asked))


def chat_body(text: str | None, model: str, asked: Asked | None = None, **choice: Any) -> JSON:
    """The body of a regular answer of ``chat.completions``."""
    given = tokens(asked, per_image=TOKENS_PER_IMAGE) if asked else 1
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


def _responses(server: Host, request: Request) -> Sender:
    body = request.json
    form = (body.get("text") or {}).get("format") or {}
    asked = _asked_openai(body, body["input"], {"json_schema": form} if form else None)
    text = server.reply(asked)
    part = {"type": "output_text", "text": text, "annotations": []}
    return Response(responses_body([part], asked.model, asked))


def responses_body(parts: list[JSON], model: str, asked: Asked | None = None, **more: Any) -> JSON:
    """The body of an answer of ``responses``."""
    given = tokens(asked, per_image=TOKENS_PER_IMAGE) if asked else 1
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
    limit = spelled(body, "max_completion_tokens", "max_tokens", "max_output_tokens") or 0
    return Asked(body["model"], "\n".join(texts), system, schema, tuple(media), limit=limit)


def _models(_: Host, __: Request) -> Sender:
    return Response({"object": "list", "data": [{"id": "loopback", "object": "model"}]})


# Azure puts the model's deployment into the address.
_AZURE = r"/openai(?:/deployments/[^/]+)?"
ROUTES = (
    ("POST", rf"(?:/v1|{_AZURE})/chat/completions", _chat),
    ("POST", r"/v1/responses", _responses),
    ("GET", r"/v1/models", _models),
)
