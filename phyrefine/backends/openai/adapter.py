"""OpenAI's models and everything that speaks their API, as critic and rewriter: ``openai:MODEL``.

``openai:gpt-4o`` is OpenAI's own service. ``openai:ollama/llama3.2`` and the like ask a server by
name (see ``SERVERS``); ``base_url=`` asks any other, ``client=`` takes a client of the SDK.
"""

from __future__ import annotations

import functools
import json
import logging
import weakref
from collections.abc import Callable
from typing import Any, Self

from attrs import asdict

from phyrefine.backends.calling.asking import (
    FREE_OPTIONS,
    Patience,
    Portable,
    Sampling,
    TextOnly,
    checked,
    finished,
    identity,
)
from phyrefine.backends.calling.faults import from_reply
from phyrefine.backends.calling.learned import Learned, learned_of, parameter_fault
from phyrefine.backends.calling.media import Recent
from phyrefine.backends.calling.models import Effort
from phyrefine.backends.calling.policy import Fault, FaultSignalError
from phyrefine.backends.openai import reply as openai_reply
from phyrefine.backends.openai.connection import KEYS, Asked, Connection, connect
from phyrefine.backends.openai.request import Api, Clips, Draft, Looking
from phyrefine.errors import BadOutputError, InvalidInputError, RefusedError
from phyrefine.registry import Backend
from phyrefine.types import Answer, Question

logger = logging.getLogger(__name__)

KEPT_ENCODINGS = 4


class OpenAIVLM(Portable):
    """An OpenAI-style model watching clips as still frames, dense around motion.

    Args:
        model: Model id; ``SERVER/MODEL`` asks one of ``phyrefine.backends.calling.models.SERVERS``.
        api_key: Else ``OPENAI_API_KEY`` (or the server's own variable); a function gives a fresh
            one for each request. Local servers need none.
        base_url: Another server; else ``OPENAI_BASE_URL``.
        headers: Sent with every request.
        organization: Else ``OPENAI_ORG_ID``.
        project: Else ``OPENAI_PROJECT_ID``.
        default_query: Added to every address, for example ``{"api-version": "..."}``.
        extra_body: Fields of the body that only the server at hand knows, for example
            ``{"enable_thinking": False}``; they go before ours.
        api: ``"chat"`` (chat.completions, which every server speaks) or ``"responses"``.
        clips: ``"frames"``, or ``"video_url"`` where the server takes a whole video.
        fps: Frames a second shown on average. With whole videos, asked of the servers known to
            take it.
        max_frames: Most frames of one question.
        side: Longer side of a frame in pixels.
        detail: OpenAI's image detail, sent to OpenAI and Azure; ``"low"`` is cheapest.
        max_tokens: Most tokens of an answer, reasoning included.
        temperature: Sent only when given; reasoning models refuse it.
        top_p: Sent only when given.
        seed: Sent only when given; best effort.
        thinking: Reasoning effort in words, sent only when given; the nearest that the model
            takes.
        http_client: An ``httpx2.Client`` for the requests; never closed by us.
        client: A ready ``openai.OpenAI`` or ``AzureOpenAI``, with its own address and key; never
            closed by us.
        **patience: ``timeout``, ``max_retries``, ``retry_budget``, ``outage`` (seconds; see
            :class:`~phyrefine.backends.calling.policy.Policy`), ``clock`` and ``pacer``.

    Raises:
        AuthError: No key.
        InvalidInputError: An option out of range, or an async client.
        MissingDependencyError: openai is not installed.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        api_key: str | Callable[[], str] | None = None,
        base_url: str | None = None,
        headers: dict[str, str] | None = None,
        organization: str | None = None,
        project: str | None = None,
        default_query: dict[str, Any] | None = None,
        extra_body: dict[str, Any] | None = None,
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
        thinking: Effort | str | None = None,
        http_client: object | None = None,
        client: object | None = None,
        **patience: Any,
    ) -> None:
        _check(api, clips, thinking)
        self._looking = checked(Looking, fps=fps, max_frames=max_frames, side=side, detail=detail,
                                clips=clips)  # fmt: skip
        self._sampling = checked(Sampling, max_tokens=max_tokens, temperature=temperature,
                                 top_p=top_p, seed=seed, thinking=thinking)  # fmt: skip
        self._api: Api = api
        self._extra_body = dict(extra_body or {})
        waiting = checked(Patience, **patience)
        self._to = connect(
            Asked(model, api_key, base_url, headers, organization, project, default_query,
                  http_client, client)
        )  # fmt: skip
        self.service = self._to.service
        # A server of one's own, by name, sends no bill.
        self.billed = self._to.server is None or self._to.server.key is not None
        self._learned: Learned = learned_of(self.service)
        self._encodings = Recent(most=KEPT_ENCODINGS)
        classify = functools.partial(openai_reply.classify, self.service)
        self._caller = waiting.caller(self.service, classify)
        # No reference to self: connections end when the last reference to this object does.
        self._end = weakref.finalize(self, _end, self._to)
        self._warn_of_the_rate()

    def _warn_of_the_rate(self) -> None:
        server, whole = self._to.server, self._looking.clips == "video_url"
        told = server is not None and server.video_rate is not None
        if whole and not told and "mm_processor_kwargs" not in self._extra_body:
            logger.warning(
                "fps=%g does not reach %s, which samples videos at a rate of its own. Name the "
                "server (vllm/MODEL), pass extra_body=, or use clips='frames'.",
                self._looking.fps, self.service.host,
            )  # fmt: skip

    @property
    def identity(self) -> str:
        """Model, server and every setting that changes the output."""
        server = self._to.server
        rate_is_told = server is not None and server.video_rate is not None
        looking = self._looking.sent(official=self._to.official, rate_is_told=rate_is_told)
        return self._identity(looking)

    def _identity(self, looking: dict[str, Any]) -> str:
        extra = json.dumps(self._extra_body, sort_keys=True, default=str)
        more = {"api": self._api, "extra_body": extra if self._extra_body else None}
        return identity(self.service, self._to.usual, asdict(self._sampling), looking, more)

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
        draft = Draft(question, self._sampling, self._looking, self._learned.copy(), self._to,
                      self._api, self._encodings, self._extra_body)  # fmt: skip
        began = clock.now()
        done = self._caller.call(lambda limit: self._send(draft, limit), amend=draft.amend)
        self._learned.keep(draft.learned, self.service)
        self._learned.answered_by(done.value.model, self.service)
        return finished(done, clock.now() - began)

    def close(self) -> None:
        """Close the connections, unless they were given; also done with the last reference."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- one request ---------------------------------------------------------------------------

    def _send(self, draft: Draft, limit: float) -> Answer:
        client, chat = self._to.client, self._api == "chat"
        create = client.chat.completions.create if chat else client.responses.create
        try:
            response = create(**draft.body(), timeout=limit)
        except Exception as raised:
            reply = openai_reply.reply_of(raised)
            if reply is None:
                raise
            fault = from_reply(self.service, reply)
            fault = parameter_fault(reply, fault, draft.sent(), self.service)
            raise FaultSignalError(draft.room.seen(fault)) from raised
        read = openai_reply.read_chat if chat else openai_reply.read_response
        answer = read(self.service, response, draft.room.now)
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
        if draft.schema_form() is not None:
            message = f"{self.service.model} ignored the JSON schema and said: {words}"
            error = self.service.error(BadOutputError, message, raw=answer.text)
            raise FaultSignalError(
                Fault(error, retries=1, change="parameter", detail="json", usage=answer.usage)
            )


def _end(connection: Connection) -> None:
    if connection.owned:
        connection.client.close()


def _check(api: str, clips: str, thinking: object) -> None:
    if api not in ("chat", "responses"):
        raise InvalidInputError(f"api must be 'chat' or 'responses', not {api!r}.")
    if thinking is not None and not isinstance(thinking, str):
        raise InvalidInputError(f"thinking must be a word such as 'low', not {thinking!r}.")
    if api == "responses" and clips == "video_url":
        raise InvalidInputError("video_url goes with api='chat': responses has no video part.")


class OpenAILLM(TextOnly):
    """An OpenAI-style model as the rewriter. Takes :class:`OpenAIVLM`'s arguments."""

    def __init__(self, model: str | None = None, **options: Any) -> None:
        vlm = OpenAIVLM(model, **options)
        super().__init__(vlm)
        self.billed = vlm.billed


BACKEND = Backend(
    name="openai",
    summary="OpenAI, and servers that speak its API: vLLM, Ollama, LM Studio, llama.cpp, ...",
    extra="openai",
    needs=("openai", "PIL"),
    keys=KEYS,
    vlm=OpenAIVLM,
    llm=OpenAILLM,
    options_from={"vlm": (OpenAIVLM, Patience), "llm": (OpenAIVLM, Patience)},
    free_options=FREE_OPTIONS,
)
