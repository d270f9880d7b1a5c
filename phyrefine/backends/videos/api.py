"""What one video service is like, as data: how a job is submitted, polled, fetched and canceled.

The loop of :mod:`phyrefine.backends.videos.jobs` reads nothing else. A service of one's own is one
:class:`VideoApi`; nothing here sends anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from attrs import evolve, field, frozen

from phyrefine.types import JSON, FrameGrid

State = Literal["waiting", "running", "done", "failed", "refused", "canceled"]


@frozen
class Call:
    """One HTTP request, before it is sent.

    Attributes:
        method: ``"GET"``, ``"POST"``, ``"PUT"`` or ``"DELETE"``.
        path: Below the base URL, or a whole URL that the service gave.
        json: JSON body.
        form: Fields of a multipart form; values are sent as text.
        files: Files of the form: name to (file name, bytes, MIME type).
    """

    method: str
    path: str
    json: JSON = None
    form: Mapping[str, Any] = field(factory=dict)
    files: Mapping[str, tuple[str, bytes, str]] = field(factory=dict, repr=False)


@frozen
class Order:
    """What one shot asks of a service.

    Attributes:
        prompt: The prompt.
        negative: What not to show; empty for nothing.
        seconds: Length of the new video.
        frames: New frames at the service's rate.
        context: Frames of the prefix that are sent, at the service's rate; 0 without a prefix.
        size: (height, width) the service works at.
        fps: The service's rate.
        seed: Seed; ignored by services without one.
        steps: Denoising steps; ``None`` for the service's default.
        prefix: The context as an MP4 file; ``None`` for text to video.
        image: The last frame of the prefix as a PNG file.
        options: Further fields, as the user gave them.
    """

    prompt: str
    negative: str
    seconds: float
    frames: int
    context: int
    size: tuple[int, int]
    fps: float
    seed: int
    steps: int | None = None
    prefix: bytes | None = field(default=None, repr=False)
    image: bytes | None = field(default=None, repr=False)
    options: Mapping[str, JSON] = field(factory=dict)

    @property
    def total(self) -> int:
        """Frames of context and continuation together."""
        return self.context + self.frames


@frozen
class Job:
    """A job at a service.

    Attributes:
        id: The service's id.
        state: What it does.
        detail: The service's words, for people: why it failed, a place in the queue.
        urls: Addresses the service gave: ``poll``, ``cancel``, ``result``. Results are signed and
            expire, so only those in ``VideoApi.keeps`` are ever written to disk.
        result: The video itself, where the answer held it.
        facts: What the service said of the result: its model, seed, frames.
    """

    id: str
    state: State
    detail: str = ""
    urls: Mapping[str, str] = field(factory=dict, repr=False)
    result: bytes | None = field(default=None, repr=False)
    facts: Mapping[str, JSON] = field(factory=dict)

    @property
    def over(self) -> bool:
        """Nothing more will happen."""
        return self.state not in ("waiting", "running")

    def known(self, before: Job) -> Job:
        """This answer, with what an earlier one said and this one leaves out."""
        return evolve(
            self,
            id=self.id or before.id,
            urls={**before.urls, **self.urls},
            facts={**before.facts, **self.facts},
        )


def _nothing(_: Job) -> Call | None:
    return None


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@frozen
class VideoApi:
    """One row: a service, or a kind of server.

    Attributes:
        name: Registry name, part of the identity.
        title: Name for people.
        submit: The request that starts a job.
        parse: The job in an answer to a submit or a poll: from (status, parsed body).
        poll: The request that asks how a job is.
        fetch: The request for the finished video; ``None`` when the job's ``result`` or
            ``urls["result"]`` holds it.
        cancel: The request that stops a job; ``None`` when there is none that stops the work.
        base_url: Default base URL; ``None`` when there must be one given.
        model: Default model; ``None`` where the server serves one.
        keys: Environment variables that may hold the key; empty where none is needed.
        auth: The key as headers.
        hosts: Further hosts, besides the base URL's, that may see the key.
        keeps: Names of ``Job.urls`` that a journal may hold, because they are not signed.
        fps: Frames per second of what it makes.
        size: (height, width) it is asked for by default.
        size_multiple: Height and width must be divisible by this.
        sizes: All (height, width) it takes; empty for any.
        grid: Frame counts it takes, context included where ``total_frames``.
        total_frames: The count sent is context and continuation together.
        context: Most prefix frames that condition it; 1 for an image, 0 for text only.
        context_grid: Counts of prefix frames that condition it.
        seconds: (least, most) seconds of one job.
        step_seconds: Lengths go in steps of this many seconds; 0 for any length.
        seeded: The seed fixes the output.
        takes: What it can be told besides the prompt: ``seed``, ``steps``, ``negative``.
        words: Longest prompt in words, for the rewriter.
        dialect: Name of the dialect its prompts are written in.
        usd_per_second: Price of a second of new video in US dollars; ``None`` when unknown.
        priced: Day of that price.
        finishes: Name of what a draft's answer says that an order of this service needs as an
            option: it renders a draft in full. Empty for services that do not.
        why_no_prefix: Why a prefix video cannot condition it; empty when it can.
        notes: What a user should know.
        verified: What was run, on what.
    """

    name: str
    title: str
    submit: Callable[[Order], Call]
    parse: Callable[[int, Any], Job]
    poll: Callable[[Job], Call]
    fetch: Callable[[Job], Call | None] = field(default=_nothing, kw_only=True)
    cancel: Callable[[Job], Call | None] = field(default=_nothing, kw_only=True)
    base_url: str | None = field(default=None, kw_only=True)
    model: str | None = field(default=None, kw_only=True)
    keys: tuple[str, ...] = field(default=(), kw_only=True)
    auth: Callable[[str], dict[str, str]] = field(default=_bearer, kw_only=True)
    hosts: tuple[str, ...] = field(default=(), kw_only=True)
    keeps: tuple[str, ...] = field(default=(), kw_only=True)
    fps: float = field(default=24.0, kw_only=True)
    size: tuple[int, int] = field(default=(720, 1280), kw_only=True)
    size_multiple: int = field(default=16, kw_only=True)
    sizes: tuple[tuple[int, int], ...] = field(default=(), kw_only=True)
    grid: FrameGrid = field(factory=FrameGrid, kw_only=True)
    total_frames: bool = field(default=False, kw_only=True)
    context: int = field(default=72, kw_only=True)
    context_grid: FrameGrid = field(factory=FrameGrid, kw_only=True)
    seconds: tuple[float, float] = field(default=(0.0, 60.0), kw_only=True)
    step_seconds: float = field(default=0.0, kw_only=True)
    seeded: bool = field(default=True, kw_only=True)
    takes: frozenset[str] = field(default=frozenset({"seed", "steps", "negative"}), kw_only=True)
    words: int | None = field(default=200, kw_only=True)
    dialect: str = field(default="prose", kw_only=True)
    usd_per_second: float | None = field(default=None, kw_only=True)
    priced: str = field(default="", kw_only=True)
    finishes: str = field(default="", kw_only=True)
    why_no_prefix: str = field(default="", kw_only=True)
    notes: str = field(default="", kw_only=True)
    verified: str = field(default="a loopback imitation; never the service", kw_only=True)
