"""Video models behind HTTP as generators: one class for every service that runs jobs."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
from attrs import define, evolve, field

from phyrefine.backends.calling.caller import Caller
from phyrefine.backends.calling.pacing import pacer_of
from phyrefine.backends.calling.policy import Clock, Policy, SystemClock
from phyrefine.backends.calling.service import Key, Service, check_key, find_key
from phyrefine.backends.continuing.fitting import Fit, FitMode, model_size
from phyrefine.backends.videos.api import Job, Order, VideoApi
from phyrefine.backends.videos.cutting import cut_continuation
from phyrefine.backends.videos.http import Http, Limits
from phyrefine.backends.videos.jobs import Jobs, Waiting, fault_of
from phyrefine.backends.videos.journal import JobJournal, key_of
from phyrefine.errors import GenerationError, InvalidInputError, VideoError
from phyrefine.types import JSON, GeneratorProfile, Shot
from phyrefine.video.clip import Clip
from phyrefine.video.prefix import READING, context

# Of the prefix as it is sent: visually lossless, in the pixel format every decoder takes.
PREFIX_QUALITY = 10


@define(eq=False)
class HttpVideoGenerator:
    """Continues a prefix with a model behind a job service.

    Attributes:
        api: The service; see :class:`~phyrefine.backends.videos.api.VideoApi`.
        base_url: Base URL; by default the service's.
        model: Model, where the service has several.
        api_key: Key, or a function that gives one; by default from the environment.
        size: (height, width) to work at; by default the service's area in the prefix's aspect.
        steps: Denoising steps when the shot names none; refused by services without.
        context_frames: Most prefix frames to send; by default as many as condition the model.
        fit: How the prefix's picture fills the model's frame.
        options: Further fields of every request.
        usd_per_second: Price of a second of new video; by default the dated one, if any.
        usd_per_clip: Price of a clip, instead.
        journal: Where ids of jobs are kept.
        waiting: How polls are spaced, and the deadline.
        policy: How patient single requests are.
        limits: Largest download and longest request.
        client: An ``httpx2.Client`` of one's own, which is never closed here.
        dialect: Dialect of the prompts, where the server's model wants another than the service's
            default (``phyrefine.refine.dialects``).
        label: Takes the place of the host in the identity, for servers that are equal.
        drafts: The generator of the drafts that this one renders in full, for services that do;
            what its answer said of a shot's draft reaches the order by itself.
        cancel: Set this event to stop the job in progress.
        clock: For the waits.
    """

    api: VideoApi
    base_url: str | None = field(default=None, kw_only=True)
    model: str | None = field(default=None, kw_only=True)
    api_key: Key | None = field(default=None, kw_only=True, repr=False)
    size: tuple[int, int] | None = field(default=None, kw_only=True)
    steps: int | None = field(default=None, kw_only=True)
    context_frames: int | None = field(default=None, kw_only=True)
    fit: FitMode = field(default="pad", kw_only=True)
    options: Mapping[str, JSON] = field(factory=dict, kw_only=True)
    usd_per_second: float | None = field(default=None, kw_only=True)
    usd_per_clip: float | None = field(default=None, kw_only=True)
    journal: JobJournal = field(factory=JobJournal, kw_only=True)
    waiting: Waiting = field(factory=Waiting, kw_only=True)
    policy: Policy = field(factory=Policy, kw_only=True)
    limits: Limits = field(factory=Limits, kw_only=True)
    client: Any = field(default=None, kw_only=True, repr=False)
    dialect: str | None = field(default=None, kw_only=True)
    label: str = field(default="", kw_only=True)
    drafts: HttpVideoGenerator | None = field(default=None, kw_only=True)
    cancel: threading.Event = field(factory=threading.Event, kw_only=True)
    clock: Clock = field(factory=SystemClock, kw_only=True)
    # A paid service: MeteredGenerator asks for the price of a clip.
    billed: bool = field(default=True, init=False)
    on_gpu: bool = field(default=False, init=False)
    service: Service = field(init=False, repr=False)
    http: Http = field(init=False, repr=False)
    jobs: Jobs = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        api = self.api
        url = self.base_url or api.base_url
        if not url:
            raise InvalidInputError(
                f"{api.title} has no default address: pass base_url=, for example "
                f"{api.name}:http://127.0.0.1:8091"
            )
        if urlsplit(url).scheme not in ("http", "https"):
            raise InvalidInputError(f"base_url must begin with http:// or https://, not {url!r}.")
        self.base_url = url.rstrip("/")
        self.model = self.model or api.model
        self._check_settings()
        self.service = Service(api.name, api.title, self.model or api.name, self.base_url, api.keys)
        key = find_key(self.api_key, api.keys)
        if api.keys and not api.name.startswith("videos"):
            key = check_key(key, self.service)

        def headers() -> dict[str, str]:
            now = key() if callable(key) else key
            return api.auth(now) if now else {}

        hosts = frozenset({urlsplit(self.base_url).netloc, *api.hosts})
        self.http = Http(self.service, self.base_url, headers, hosts, self.limits, self.client)
        caller = Caller(
            pacer_of(api.name, self.base_url, self.model or ""),
            lambda raised: fault_of(self.service, raised),
            self.policy,
            self.clock,
        )
        self.jobs = Jobs(
            api, self.service, self.http, caller, self.journal, self.waiting, self.clock,
            self.cancel,
        )  # fmt: skip

    def _check_settings(self) -> None:
        api = self.api
        if self.steps is not None and "steps" not in api.takes:
            raise InvalidInputError(f"{api.title} cannot be told a number of steps: leave it out.")
        if self.context_frames is not None and not 1 <= self.context_frames <= api.context:
            raise InvalidInputError(
                f"{api.title} is conditioned by at most {api.context} prefix frames, not "
                f"context_frames={self.context_frames}."
            )
        if self.size is not None and api.sizes and self.size not in api.sizes:
            known = ", ".join(f"{width}x{height}" for height, width in api.sizes)
            raise InvalidInputError(
                f"{api.title} makes {known}, not {self.size[1]}x{self.size[0]}."
            )

    @classmethod
    def pool(cls, api: VideoApi, base_urls: Sequence[str], **settings: Any) -> list[Self]:
        """One generator for each of several equal servers: pass the list as the generator."""
        label = settings.pop("label", ",".join(sorted(base_urls)))
        return [cls(api, base_url=url, label=label, **settings) for url in base_urls]

    # -- facts ---------------------------------------------------------------------------------

    @property
    def profile(self) -> GeneratorProfile:
        """What the service can do, as far as it is known."""
        api = self.api
        return GeneratorProfile(
            name=f"{api.name}:{self.model}" if self.model else api.name,
            fps=api.fps,
            size=self.size or api.size,
            size_multiple=api.size_multiple,
            context_frames=self._context,
            prompt_words=api.words,
            dialect=self.dialect or api.dialect,
            negative_prompt="negative" in api.takes,
            default_steps=self.steps,
        )

    @functools.cached_property
    def identity(self) -> str:
        """Service, host, model and every setting that changes the request."""
        host = self.label or urlsplit(self.base_url or "").netloc
        settings = {
            "model": self.model,
            "size": self.size,
            "steps": self.steps,
            "context": self._context,
            "reading": READING,
            "fit": self.fit,
            "options": dict(self.options),
            "seeded": self.api.seeded,
        }
        if self.drafts is not None:
            settings["drafts"] = self.drafts.identity
        return f"{self.api.name}:{host}:{json.dumps(settings, sort_keys=True)}"

    @property
    def _context(self) -> int:
        return min(self.context_frames or self.api.context, self.api.context)

    def price(self, shot: Shot) -> float | None:
        """US dollars for one clip; ``None`` when unknown, 0 for a server without a key."""
        if self.usd_per_clip is not None:
            return self.usd_per_clip
        rate = self.usd_per_second if self.usd_per_second is not None else self.api.usd_per_second
        return None if rate is None else rate * self._seconds(shot)

    # -- generating ----------------------------------------------------------------------------

    def generate(self, shot: Shot) -> Clip:
        """Exactly the frames the shot asks for; the native clip is what the service made.

        Raises:
            InvalidInputError: The service cannot do what the shot asks for.
            BlockedError: It refused the prompt or filtered the video.
            GenerationError: The job failed, or what came back is no such video; or the service
                renders drafts in full, and no draft of this shot is known.
            BackendError: It cannot be reached.
        """
        shot = self._with_draft(shot)
        fit, sent = self._prefix(shot)
        order = self._order(shot, fit, sent)
        job, data = self.jobs.run(self._key(shot), order)
        try:
            received = Clip.from_bytes(data, source=f"{self.api.title} job {job.id}")
        except VideoError as error:
            self.journal.forget(self._key(shot))
            raise GenerationError(
                f"{self.api.title} gave {len(data)} bytes for job {job.id} that are no video: "
                f"{error}",
                provider=self.api.name,
                model=self.model,
            ) from error
        if received.size != fit.size:
            received = received.resize(*fit.size, mode="stretch")
        cut = cut_continuation(
            received, sent, seconds=shot.seconds, sent=0 if sent is None else len(sent)
        )
        native = Clip(fit.take(cut.clip.frames), received.fps, source=self._source(job))
        return fit.deliver(native, frames=shot.frames, fps=shot.fps, size=shot.size)

    def close(self) -> None:
        """Close connections that were opened here."""
        self.http.close()

    def _with_draft(self, shot: Shot) -> Shot:
        """The shot with what its draft's answer said, where the service needs that."""
        needed = self.api.finishes
        if not needed or needed in {**self.options, **shot.options}:
            return shot
        said = None if self.drafts is None else self.drafts.draft_facts(shot).get(needed)
        if said is None:
            raise GenerationError(
                f"{self.api.title} renders a draft in full and knows none of this shot. Make it "
                "first with the generator of drafts, as Draft(generator=...) does, within the two "
                f"days that services keep it; or pass options={{{needed!r}: ...}}.",
                provider=self.api.name,
                model=self.model,
            )
        return evolve(shot, options={**shot.options, needed: said})

    def draft_facts(self, shot: Shot) -> Mapping[str, JSON]:
        """What the service said of the clip of this shot that was made here; empty if none is."""
        job = self.jobs.known(self._key(shot))
        return {} if job is None else job.facts

    def _prefix(self, shot: Shot) -> tuple[Fit, Clip | None]:
        api = self.api
        size = model_size(
            self.size or api.size,
            None if shot.prefix is None else shot.prefix.size,
            multiple=api.size_multiple,
            fixed=self.size is not None or bool(api.sizes),
        )
        if shot.prefix is None:
            return Fit.of(size, size, "crop"), None
        if api.why_no_prefix and len(shot.prefix) > 1 and api.context == 0:
            raise InvalidInputError(f"{api.title} cannot continue a video: {api.why_no_prefix}.")
        fit = Fit.of(shot.prefix.size, size, self.fit)
        newest = context(
            shot.prefix,
            fps=api.fps,
            frames=self._context,
            multiple=api.context_grid.multiple,
            offset=api.context_grid.offset,
        )
        return fit, Clip(fit.put(newest.frames), api.fps, source="prefix")

    def _order(self, shot: Shot, fit: Fit, sent: Clip | None) -> Order:
        api = self.api
        steps = shot.steps or self.steps
        if steps is not None and "steps" not in api.takes:
            raise InvalidInputError(
                f"{api.title} cannot be told a number of steps ({steps}): use Candidates() without "
                "steps."
            )
        if shot.accepted:
            raise InvalidInputError(f"{api.title} cannot go on after accepted chunks.")
        seconds = self._seconds(shot)
        count = 0 if sent is None else len(sent)
        frames = round(seconds * api.fps)
        total = api.grid.up(frames + count if api.total_frames else frames)
        negative = shot.prompt.negative if "negative" in api.takes else ""
        return Order(
            prompt=shot.prompt.text,
            negative=negative or "",
            seconds=seconds,
            frames=total - count if api.total_frames else total,
            context=count,
            size=fit.size,
            fps=api.fps,
            seed=shot.seed,
            steps=steps,
            prefix=None if sent is None else sent.to_bytes("mp4", quality=PREFIX_QUALITY),
            image=None if sent is None else _png(sent.frames[-1]),
            options={**self.options, **shot.options},
        )

    def _seconds(self, shot: Shot) -> float:
        """A length the service makes, at least as long as asked for."""
        api = self.api
        least, most = api.seconds
        step = api.step_seconds
        seconds = shot.seconds if not step else -(-shot.seconds // step) * step
        seconds = max(least, seconds)
        if seconds > most + 1e-6:
            raise InvalidInputError(
                f"{api.title} makes {least:g} to {most:g} s in one job, not {shot.seconds:g} s."
            )
        return seconds

    def _key(self, shot: Shot) -> str:
        prefix = None if shot.prefix is None else shot.prefix.digest
        request = [
            shot.prompt.text, shot.prompt.negative, prefix, shot.seconds, shot.seed, shot.steps,
            shot.size, shot.fps, dict(shot.options),
        ]  # fmt: skip
        return key_of(self.identity, request)

    def _source(self, job: Job) -> str:
        model = job.facts.get("model") or self.model or ""
        return f"{self.api.name}:{model}" if model else self.api.name


def _png(frame: Any) -> bytes:
    from phyrefine.video.writing.files import encode_png

    return encode_png(np.ascontiguousarray(frame))
