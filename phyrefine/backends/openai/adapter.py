"""GPT-4o and everything that speaks its API, as critic and as rewriter: ``openai:MODEL``.

``openai:gpt-4o`` is OpenAI's own service. ``openai:ollama/llama3.2`` and the like ask a server by
name (see ``SERVERS``); ``base_url=`` asks any other.
"""

from __future__ import annotations

import functools
import os
from typing import Any, Self

from attrs import asdict, evolve

from phyrefine._optional import require
from phyrefine.backends.calling.asking import (
    Observed,
    Patience,
    Sampling,
    checked,
    finished,
    identity,
    parameter_fault,
)
from phyrefine.backends.calling.faults import from_reply
from phyrefine.backends.calling.media import Recent
from phyrefine.backends.calling.models import OPENAI_DEFAULT, SERVERS, Server
from phyrefine.backends.calling.policy import Fault, FaultSignalError
from phyrefine.backends.calling.service import Service, check_key, find_key, hide_headers
from phyrefine.backends.openai import reply as openai_reply
from phyrefine.backends.openai.request import Api, Clips, Draft, Looking
from phyrefine.errors import BadOutputError, InvalidInputError, RefusedError
from phyrefine.registry import Backend
from phyrefine.types import Answer, Question

KEYS = ("OPENAI_API_KEY",)
ENDPOINT = "https://api.openai.com/v1"
BILLING = "https://platform.openai.com/settings/organization/billing"


KEPT_ENCODINGS = 4


class OpenAIVLM:
    """An OpenAI-style model watching clips as still frames, dense around motion.

    Args:
        model: Model id; ``SERVER/MODEL`` asks one of ``phyrefine.backends.calling.models.SERVERS``.
        api_key: Else ``OPENAI_API_KEY`` (or the server's own variable). Local servers need none.
        base_url: Another server; else ``OPENAI_BASE_URL``.
        headers: Sent with every request.
        api: ``"chat"`` (chat.completions, which every server speaks) or ``"responses"``.
        clips: ``"frames"``, or ``"video_url"`` where the server takes a whole video.
        fps: Frames a second shown on average.
        max_frames: Most frames of one question.
        side: Longer side of a frame in pixels.
        detail: OpenAI's image detail; ``"low"`` is cheapest.
        max_tokens: Most tokens of an answer, reasoning included.
        temperature: Sent only when given; reasoning models refuse it.
        top_p: Sent only when given.
        seed: Sent only when given; best effort.
        thinking: Reasoning effort in words, sent only when given.
        client: A ready ``openai.OpenAI``; its own retries should be off.
        **patience: ``timeout``, ``max_retries``, ``retry_budget``, ``outage`` (seconds; see
            :class:`~phyrefine.backends.calling.caller.Policy`) and ``clock``.

    Raises:
        AuthError: No key.
        InvalidInputError: An option out of range.
        MissingDependencyError: openai is not installed.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        headers: dict[str, str] | None = None,
        api: Api = "chat",
        clips: Clips = "frames",
        fps: float = Looking().fps,
        max_frames: int = Looking().max_frames,
        side: int | None = Looking().side,
        detail: str = Looking().detail,
        max_tokens: int = 4096,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        thinking: str | None = None,
        client: object | None = None,
        **patience: Any,
    ) -> None:
        if api not in ("chat", "responses"):
            raise InvalidInputError(f"api must be 'chat' or 'responses', not {api!r}.")
        if thinking is not None and not isinstance(thinking, str):
            raise InvalidInputError(f"thinking must be a word such as 'low', not {thinking!r}.")
        if api == "responses" and clips == "video_url":
            raise InvalidInputError("video_url goes with api='chat': responses has no video part.")
        name, server = _server(model or OPENAI_DEFAULT)
        self._looking = checked(Looking, fps=fps, max_frames=max_frames, side=side, detail=detail,
                                clips=clips)  # fmt: skip
        self._sampling = checked(Sampling, max_tokens=max_tokens, temperature=temperature,
                                 top_p=top_p, seed=seed, thinking=thinking)  # fmt: skip
        self._api = api
        address = _address(server, base_url)
        self.service, key, self._official = _service(name, server, api_key, address)
        # A server of one's own, by name, sends no bill.
        self.billed = server is None or server.key is not None
        hide_headers(headers)
        self._client: Any = client or _client(key, address, headers)
        self._observed = Observed()
        self._encodings = Recent(most=KEPT_ENCODINGS)
        classify = functools.partial(openai_reply.classify, self.service)
        self._caller = checked(Patience, **patience).caller(self.service, classify)

    @property
    def identity(self) -> str:
        """Model, server and every setting that changes the output."""
        return identity(self.service, self._official, asdict(self._sampling),
                        asdict(self._looking), {"api": self._api})  # fmt: skip

    @property
    def model(self) -> str:
        """Model asked for; the one that answers is in ``Answer.model``."""
        return self.service.model

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    def ask(self, question: Question) -> Answer:
        """Answer one question about ``question.clips``.

        Raises:
            BackendError: The model could not answer; the subclass says why.
        """
        clock = self._caller.clock
        draft = Draft(question, self._sampling, self._looking, self._observed, self.service,
                      self._official, self._api, self._encodings)  # fmt: skip
        began = clock.now()
        done = self._caller.call(lambda limit: self._send(draft, limit), amend=draft.amend)
        self._observed.answered_by(done.value.model, self.service)
        return finished(done, clock.now() - began)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- one request ---------------------------------------------------------------------------

    def _send(self, draft: Draft, limit: float) -> Answer:
        chat = self._api == "chat"
        create = self._client.chat.completions.create if chat else self._client.responses.create
        try:
            response = create(**draft.body(), timeout=limit)
        except Exception as raised:
            reply = openai_reply.reply_of(raised)
            if reply is None:
                raise
            fault = from_reply(self.service, reply)
            raise FaultSignalError(
                parameter_fault(reply, fault, draft.sent(), self.service)
            ) from raised
        read = openai_reply.read_chat if chat else openai_reply.read_response
        answer = read(self.service, response, draft.sampling.max_tokens)
        self._expect_json(draft, answer)
        return answer

    def _expect_json(self, draft: Draft, answer: Answer) -> None:
        """Tell a refusal in prose from a server that ignores the schema."""
        if draft.question.schema is None or "{" in answer.text:
            return
        words = self.service.words(answer.text)
        if openai_reply.declines(answer.text):
            error = self.service.error(RefusedError, f"{self.service.model} refused: {words}")
            raise FaultSignalError(Fault(error, retries=0, usage=answer.usage))
        form = draft.schema_form()
        if form is not None:
            message = f"{self.service.model} ignored the JSON schema and said: {words}"
            error = self.service.error(BadOutputError, message, raw=answer.text)
            self._observed.drop("json_object", self.service)
            raise FaultSignalError(
                Fault(error, retries=1, change="parameter", detail=form, usage=answer.usage)
            )


class OpenAILLM:
    """An OpenAI-style model as the rewriter. Takes :class:`OpenAIVLM`'s arguments."""

    def __init__(self, model: str | None = None, **options: Any) -> None:
        self._vlm = OpenAIVLM(model, **options)
        self.service, self.billed = self._vlm.service, self._vlm.billed

    @property
    def identity(self) -> str:
        """Model, server and every setting that changes the output."""
        vlm = self._vlm
        return identity(self.service, vlm._official, asdict(vlm._sampling), {"api": vlm._api})  # noqa: SLF001 - one module, one client

    @property
    def model(self) -> str:
        """Model asked for; the one that answers is in ``Answer.model``."""
        return self.service.model

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    def ask(self, question: Question) -> Answer:
        """Answer one question; its clips are not looked at.

        Raises:
            BackendError: The model could not answer; the subclass says why.
        """
        return self._vlm.ask(evolve(question, clips=(), labels=()))

    def close(self) -> None:
        """Close the connections."""
        self._vlm.close()


def _server(model: str) -> tuple[str, Server | None]:
    """``"ollama/llama3.2"`` is a model of a known server; others are names as they are."""
    prefix, slash, rest = model.partition("/")
    return (rest, SERVERS[prefix]) if slash and rest and prefix in SERVERS else (model, None)


def _address(server: Server | None, base_url: str | None) -> str:
    usual = server.base_url if server is not None else os.environ.get("OPENAI_BASE_URL")
    return (base_url or usual or ENDPOINT).rstrip("/")


def _service(
    model: str, server: Server | None, api_key: str | None, address: str
) -> tuple[Service, str, bool]:
    """Who is asked, with which key, and whether it is OpenAI itself."""
    official = address == ENDPOINT
    own = (server.key,) if server is not None and server.key is not None else ()
    # A key meant for OpenAI goes to no named server, but to a base_url=, as in the SDK.
    keys = own if server is not None else KEYS
    key = find_key(api_key, keys)
    title = server.title if server is not None else "OpenAI" if official else "The server"
    service = Service("openai", title, model, address, keys or KEYS, BILLING if official else "",
                      secrets=(key,) if key else ())  # fmt: skip
    if official or own:
        key = check_key(key, service)
    return service, key or "none", official


def _client(key: str, address: str, headers: dict[str, str] | None) -> Any:
    sdk = require("openai", extra="openai", feature="The OpenAI backend")
    # max_retries=0: the one retry layer is ours.
    return sdk.OpenAI(api_key=key, base_url=address, max_retries=0, default_headers=headers or {})


BACKEND = Backend(
    name="openai",
    summary="GPT-4o, and servers that speak its API: vLLM, Ollama, LM Studio, llama.cpp, ...",
    extra="openai",
    needs=("openai", "PIL"),
    keys=KEYS,
    vlm=OpenAIVLM,
    llm=OpenAILLM,
    options_from={"vlm": (OpenAIVLM, Patience), "llm": (OpenAIVLM, Patience)},
)
