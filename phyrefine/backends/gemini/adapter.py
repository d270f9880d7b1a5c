"""Gemini as critic and as rewriter, through google-genai: ``gemini:MODEL``."""

from __future__ import annotations

import functools
import json
import logging
import weakref
from typing import Any, Self

from attrs import asdict, evolve

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
from phyrefine.backends.calling.learned import learned_of, parameter_fault
from phyrefine.backends.calling.media import Recent, early_excerpt, encoded, frame_count, stills
from phyrefine.backends.calling.models import BUDGETS, Effort
from phyrefine.backends.calling.policy import Fault, FaultSignalError
from phyrefine.backends.calling.wording import (
    excerpt_label,
    still_label,
    stills_label,
    video_label,
)
from phyrefine.backends.gemini import reply as gemini_reply
from phyrefine.backends.gemini.connection import KEYS, Asked, connect
from phyrefine.backends.gemini.files import UnusableFileError, Uploads, classify_upload
from phyrefine.backends.gemini.request import MOST_FPS, Draft, Looking, Route
from phyrefine.errors import InvalidInputError, UploadError
from phyrefine.registry import Backend
from phyrefine.types import Answer, Question
from phyrefine.video.clip import Clip

logger = logging.getLogger(__name__)

# A request holds 20 MB on Vertex and many gateways; base64 makes three bytes four.
INLINE_BYTES = 14_000_000
# Two clips for each of as many workers as ask one model at a time.
KEPT_UPLOADS = 16
KEPT_ENCODINGS = 4


class GeminiVLM(Portable):
    """Gemini watching clips.

    Args:
        model: Model id; sent as it is.
        api_key: Else ``GOOGLE_API_KEY`` or ``GEMINI_API_KEY``.
        base_url: Another endpoint, for proxies and compatible servers.
        api_version: ``"v1"`` (the SDK's default), ``"v1beta"``; many compatible servers have
            only the latter.
        headers: Sent with every request.
        vertexai: Ask Vertex AI, with Google Cloud's credentials; else as
            ``GOOGLE_GENAI_USE_VERTEXAI`` says. It has no Files API.
        project: Of Vertex AI; else ``GOOGLE_CLOUD_PROJECT``.
        location: Of Vertex AI; else ``GOOGLE_CLOUD_LOCATION``.
        extra_body: Further fields of the body; they go before ours.
        fps: Frames a second Gemini samples, above 0 and up to 24.
        media_resolution: ``"low"``, ``"medium"``, ``"high"`` or ``None``.
        side: Longer side in pixels of the video sent.
        max_frames: Most still frames with ``route="frames"``.
        route: ``"inline"`` bytes, ``"files"`` (Files API), ``"frames"`` (still images), or
            ``"auto"``: inline up to ``inline_bytes`` for all clips of a question, files above.
        inline_bytes: See ``route``.
        max_tokens: Most tokens of an answer, thinking included.
        temperature: Sent only when given; newer Flash models ignore it.
        top_p: Sent only when given.
        seed: Sent only when given; best effort.
        thinking: ``"minimal"``, ``"low"``, ``"medium"``, ``"high"`` or tokens; the nearest that the
            model's family takes. -1 leaves it to the model.
        processing_seconds: How long an uploaded file may stay in processing.
        http_client: An ``httpx2.Client`` for the requests; never closed by us.
        client: A ready ``genai.Client``, with its own address and key; never closed by us.
        **patience: ``timeout``, ``max_retries``, ``retry_budget``, ``outage`` (seconds; see
            :class:`~phyrefine.backends.calling.policy.Policy`), ``clock`` and ``pacer``.

    Raises:
        AuthError: No key, and no project of Vertex AI.
        InvalidInputError: An option out of range, or an async client.
        MissingDependencyError: google-genai is not installed.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        api_version: str | None = None,
        headers: dict[str, str] | None = None,
        vertexai: bool | None = None,
        project: str | None = None,
        location: str | None = None,
        extra_body: dict[str, Any] | None = None,
        fps: float = Looking().fps,
        media_resolution: str | None = None,
        side: int | None = Looking().side,
        max_frames: int = Looking().max_frames,
        route: Route = "auto",
        inline_bytes: int = INLINE_BYTES,
        max_tokens: int = Sampling().max_tokens,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        thinking: Effort | int | None = None,
        processing_seconds: float = 300.0,
        http_client: object | None = None,
        client: object | None = None,
        **patience: Any,
    ) -> None:
        _check(route, thinking)
        self._looking = checked(Looking, fps=fps, media_resolution=media_resolution, side=side,
                                 max_frames=max_frames)  # fmt: skip
        self._sampling = checked(Sampling, max_tokens=max_tokens, temperature=temperature,
                                  top_p=top_p, seed=seed, thinking=thinking)  # fmt: skip
        self._route, self._inline_bytes = route, inline_bytes
        self._extra_body = dict(extra_body or {})
        waiting = checked(Patience, **patience)
        to = self._to = connect(
            Asked(model, api_key, base_url, api_version, headers, vertexai, project, location,
                  http_client, client)
        )  # fmt: skip
        self.service, self._client = to.service, to.client
        if to.vertex and route == "files":
            raise InvalidInputError("Vertex AI has no Files API: use route='inline' or 'frames'.")
        self._learned = learned_of(self.service)
        # No reference to self: uploads end when the last reference to this object does.
        classify = functools.partial(gemini_reply.classify, self.service)
        self._caller = waiting.caller(self.service, classify)
        # A gate of its own: the model works when the Files API does not.
        of_files = functools.partial(classify_upload, self.service)
        uploader = waiting.caller(self.service, of_files, about="files")
        if route == "auto":  # nobody waits for an outage where there is another way
            uploader.policy = evolve(uploader.policy, outage=0.0)
        self._encodings = Recent(most=KEPT_ENCODINGS)
        self._uploads = Uploads(
            to.client, self.service, uploader, base_url=to.uploads_to, deadline=processing_seconds,
            recent=Recent(most=KEPT_UPLOADS), has_another_way=route == "auto",
        )  # fmt: skip
        self._end = weakref.finalize(self, _end, self._uploads, to.client if to.owned else None)

    @property
    def identity(self) -> str:
        """Model and every setting that changes the output."""
        stills = self._route == "frames"
        return self._identity(asdict(self._looking) | ({"as": "stills"} if stills else {}))

    def _identity(self, looking: dict[str, Any]) -> str:
        extra = json.dumps(self._extra_body, sort_keys=True, default=str)
        more = {"extra_body": extra if self._extra_body else None}
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
        draft = self._draft(question)
        clock = self._caller.clock
        began = clock.now()
        try:
            draft.parts = self._clip_parts(draft)
            done = self._caller.call(
                lambda limit: self._send(draft, limit),
                amend=lambda fault: self._amend(draft, fault),
            )
        except BaseException:
            for clip in question.clips:
                self._uploads.recent.drop(clip.digest)
            raise
        self._learned.keep(draft.learned, self.service)
        self._learned.answered_by(done.value.model, self.service)
        return finished(done, clock.now() - began)

    def close(self) -> None:
        """Delete all uploads and close the connections; also done at the end of the process."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- one request ---------------------------------------------------------------------------

    def _draft(self, question: Question) -> Draft:
        return Draft(
            question, self._sampling, self._looking, self._route, self._learned.copy(),
            self.service, self._clip_parts, another_route=self._route == "auto",
            has_files=not self._to.vertex, extra_body=self._extra_body,
        )  # fmt: skip

    def _amend(self, draft: Draft, fault: Fault) -> bool:
        if fault.change == "file":
            for clip in draft.question.clips:
                self._uploads.recent.drop(clip.digest)
        return draft.amend(fault)

    def _send(self, draft: Draft, limit: float) -> Answer:
        try:
            response = self._client.models.generate_content(
                model=self.service.model,
                contents=draft.contents(),
                config=draft.config(limit),
            )
        except Exception as raised:
            fault = self._closer_look(draft, raised)
            if fault is None:
                raise
            raise fault from raised
        raw = response.sdk_http_response.body
        return gemini_reply.read(self.service, raw, draft.room.now)

    def _closer_look(self, draft: Draft, raised: Exception) -> FaultSignalError | None:
        """What only the sender can tell: a parameter not taken, a file that is gone."""
        reply = gemini_reply.reply_of(raised)
        if reply is None:
            return None
        fault = from_reply(self.service, reply)
        uses_files = draft.route == "files" and draft.question.clips
        if uses_files and reply.status in (403, 404) and "file" in reply.message.lower():
            error = self.service.error(
                UploadError, f"The uploaded file is gone: {self.service.words(reply.message)}.",
                status=reply.status,
            )  # fmt: skip
            return FaultSignalError(Fault(error, retries=1, change="file", usage=fault.usage))
        fault = parameter_fault(reply, fault, draft.sent(), self.service)
        return FaultSignalError(draft.room.seen(fault))

    # -- clips ---------------------------------------------------------------------------------

    def _clip_parts(self, draft: Draft) -> list[dict[str, Any]]:
        clips = draft.question.clips
        if not clips:
            return []
        if draft.route == "frames":
            return self._still_parts(draft)
        videos = [self._encoded(clip, draft.looking.side) for clip in clips]
        if draft.route == "auto":
            small = sum(len(video) for video in videos) <= self._inline_bytes
            large: Route = "files" if draft.has_files else "frames"
            draft.route = "inline" if small else large
            if draft.route == "frames":
                logger.warning(
                    "The clip is larger than inline_bytes=%d and %s has no Files API: it goes as "
                    "still frames.", self._inline_bytes, self.service.title,
                )  # fmt: skip
                return self._still_parts(draft)
        if draft.route == "files":
            try:
                return self._file_parts(draft, videos)
            except UploadError as error:
                if not draft.another_route:
                    raise
                draft.another_route = False
                draft.route = self._instead_of_files(videos, error)
                return self._clip_parts(draft)
        return self._labelled(
            draft,
            [{"inline_data": {"data": video, "mime_type": "video/mp4"}} for video in videos],
        )

    def _instead_of_files(self, videos: list[bytes], error: UploadError) -> Route:
        route: Route = "inline" if sum(map(len, videos)) <= self._inline_bytes else "frames"
        logger.warning("%s Sending the clip %s instead.", error, route)
        return route

    def _file_parts(self, draft: Draft, videos: list[bytes]) -> list[dict[str, Any]]:
        parts = []
        for clip, video in zip(draft.question.clips, videos, strict=True):
            file = self._uploaded(clip, video, draft.looking.side)
            parts.append({"file_data": {"file_uri": file.uri, "mime_type": "video/mp4"}})
        return self._labelled(draft, parts)

    def _uploaded(self, clip: Clip, video: bytes, side: int | None) -> Any:
        try:
            return self._uploads.of(clip.digest, video)
        except UnusableFileError as error:
            if error.attempts == 0:  # known from an earlier question
                raise
            logger.info("%s Encoding it anew.", error)
        return self._uploads.of(f"{clip.digest} anew", encoded(clip, side=side, quality=12))

    def _still_parts(self, draft: Draft) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        look = draft.looking
        for index, clip in enumerate(draft.question.clips):
            count = frame_count(clip, look.fps, look.max_frames // len(draft.question.clips) or 1)
            shown = stills(clip, count, side=look.side, seam=draft.question.seam)
            parts.append({"text": stills_label(draft.question, index, clip, len(shown))})
            for still in shown:
                parts.append({"text": still_label(still.seconds)})
                parts.append({"inline_data": {"data": still.jpeg, "mime_type": "image/jpeg"}})
        return parts

    def _labelled(self, draft: Draft, videos: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Videos with their sampling rate, each after its label when there are several."""
        labels = draft.question.labels or tuple("AB")
        parts: list[dict[str, Any]] = []
        for index, (clip, video) in enumerate(zip(draft.question.clips, videos, strict=True)):
            if len(videos) > 1:
                parts.append({"text": video_label(labels[index])})
            rate = min(draft.looking.fps, clip.fps)
            parts.append(video | {"video_metadata": {"fps": rate}})
            if again := early_excerpt(clip, draft.question.seam, rate, MOST_FPS):
                data = self._encoded(again.clip, draft.looking.side)
                parts.append({"text": excerpt_label(again.seam, again.fps)})
                parts.append({"inline_data": {"data": data, "mime_type": "video/mp4"},
                              "video_metadata": {"fps": again.fps}})  # fmt: skip
        return parts

    def _encoded(self, clip: Clip, side: int | None) -> bytes:
        return self._encodings.get(f"{clip.digest} {side}", lambda: encoded(clip, side=side))


class GeminiLLM(TextOnly):
    """Gemini as the rewriter: text in, text out. Takes :class:`GeminiVLM`'s arguments."""

    def __init__(self, model: str | None = None, **options: Any) -> None:
        super().__init__(GeminiVLM(model, **options))


def _check(route: str, thinking: object) -> None:
    if route not in ("auto", "inline", "files", "frames"):
        raise InvalidInputError(f"route must be auto, inline, files or frames, not {route!r}.")
    word = isinstance(thinking, str) and thinking.lower() in BUDGETS
    number = isinstance(thinking, int) and thinking >= -1
    if thinking is not None and not word and not number:
        raise InvalidInputError(
            f"thinking must be one of {', '.join(BUDGETS)}, a number of tokens, or -1, not "
            f"{thinking!r}."
        )


def _end(uploads: Uploads, client: Any) -> None:
    uploads.recent.clear()
    if client is not None:
        client.close()


BACKEND = Backend(
    name="gemini",
    summary="Google's Gemini watches clips (needs a key; clips leave the machine)",
    extra="gemini",
    needs=("google.genai",),
    keys=KEYS,
    vlm=GeminiVLM,
    llm=GeminiLLM,
    options_from={"vlm": (GeminiVLM, Patience), "llm": (GeminiVLM, Patience)},
    free_options=(*FREE_OPTIONS, "processing_seconds"),
)
