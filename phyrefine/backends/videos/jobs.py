"""The one loop for every video service: submit, journal, poll, fetch, and cancel where asked.

Rules: a submission is sent again only when nothing can have started; the job's id is on disk before
the first poll; polls and downloads may be repeated; a job that is still known is never paid twice.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Any

from attrs import define, evolve, field, frozen

from phyrefine.backends.calling.caller import Caller
from phyrefine.backends.calling.exceptions import from_exception
from phyrefine.backends.calling.faults import Reply, from_reply, not_an_answer
from phyrefine.backends.calling.hints import wait_hint
from phyrefine.backends.calling.policy import Clock, Fault, FaultSignalError, SystemClock
from phyrefine.backends.calling.service import Service
from phyrefine.backends.videos.api import Call, Job, Order, VideoApi
from phyrefine.backends.videos.http import Answer, Http
from phyrefine.backends.videos.journal import Entry, JobJournal
from phyrefine.errors import (
    BackendError,
    BackendTimeoutError,
    BlockedError,
    ConnectionFaultError,
    GenerationError,
)

log = logging.getLogger(__name__)

# Exceptions before any byte of a request has left this machine.
NOT_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"})
# Statuses of a submission that prove that nothing started.
NOT_STARTED = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422, 429, 451, 503})


@frozen
class Waiting:
    """How polls are spaced.

    Attributes:
        first: Seconds before the second poll.
        factor: By which the wait grows.
        most: Longest wait in seconds, unless the service asks for longer.
        deadline: Seconds a job may take in all.
    """

    first: float = 1.0
    factor: float = 1.5
    most: float = 10.0
    deadline: float = 1800.0


class JobGoneError(GenerationError):
    """The service knows no such job any more; never leaves this package."""


@define
class _Submission:
    """Whether the service may have begun a job that we have no id of."""

    may_have_started: bool = False


@define(eq=False)
class Jobs:
    """Runs jobs at one service.

    Attributes:
        api: The service.
        service: For messages.
        http: Sends.
        caller: Repeats what may be repeated.
        journal: Keeps ids.
        waiting: How polls are spaced.
        clock: For the waits.
        cancel: Set to stop the job in progress.
        jitter: Random number in 0..1.
    """

    api: VideoApi
    service: Service
    http: Http
    caller: Caller
    journal: JobJournal
    waiting: Waiting = field(factory=Waiting)
    clock: Clock = field(factory=SystemClock)
    cancel: threading.Event = field(factory=threading.Event)
    jitter: Callable[[], float] = random.random

    def run(self, key: str, order: Order) -> tuple[Job, bytes]:
        """The finished job and its video, made now or by an earlier, interrupted call.

        Args:
            key: Of this request; see :func:`~phyrefine.backends.videos.journal.key_of`.
            order: What is asked for.

        Raises:
            BlockedError: The service refused the prompt or filtered the video.
            GenerationError: The job failed, was canceled, or took too long.
            BackendError: The service cannot be reached, or rejects the request.
        """
        with self.journal.held(key):
            job = self._resumed(key) or self._submitted(key, order)
            try:
                done = self._finished(job)
            except JobGoneError:
                log.warning(
                    "%s does not know job %s any more: submitting it again, which may be paid "
                    "twice.",
                    self.service.title, job.id,
                )  # fmt: skip
                self.journal.forget(key)
                done = self._finished(self._submitted(key, order))
            except (BlockedError, GenerationError):
                self.journal.forget(key)
                raise
            except (KeyboardInterrupt, BackendTimeoutError):
                if self._stop(job):
                    self.journal.forget(key)
                raise
            return done, self._video(done)

    def known(self, key: str) -> Job | None:
        """The finished job of an earlier call, without its video; ``None`` if nobody knows it."""
        with self.journal.held(key):
            job = self._resumed(key)
            try:
                return None if job is None else self._finished(job)
            except JobGoneError:
                return None

    # -- submitting ----------------------------------------------------------------------------

    def _resumed(self, key: str) -> Job | None:
        entry = self.journal.read(key)
        if entry is None:
            return None
        if entry.state == "submitting":
            log.warning(
                "An earlier submission to %s was interrupted before its answer came: submitting "
                "again, which may be paid twice.",
                self.service.title,
            )
            return None
        log.info("Going on with job %s of %s.", entry.job, self.service.title)
        if entry.base_url:
            self.http.base_url = entry.base_url
        return Job(entry.job, "waiting", urls=entry.urls)

    def _submitted(self, key: str, order: Order) -> Job:
        call = self.api.submit(order)
        self.journal.write(key, Entry("submitting", base_url=self.http.base_url))
        attempt = _Submission()
        try:
            submission = evolve(self.caller, classify=self._submit_fault)
            job = submission.call(lambda seconds: self._started(call, seconds, attempt)).value
        except BackendError:
            # A fault that proves that nothing started leaves nothing to go on with.
            if not attempt.may_have_started:
                self.journal.forget(key)
            raise
        kept = {name: url for name, url in job.urls.items() if name in self.api.keeps}
        self.journal.write(key, Entry("submitted", job.id, self.http.base_url, kept))
        return job

    def _started(self, call: Call, seconds: float, attempt: _Submission) -> Job:
        if attempt.may_have_started:
            error = self._error(GenerationError, "did not say whether it took the job")
            raise FaultSignalError(_unsure(Fault(error)))
        attempt.may_have_started = True
        try:
            answer = self.http.send(call, seconds=seconds)
        except Exception as raised:
            attempt.may_have_started = type(raised).__name__ not in NOT_SENT
            raise
        attempt.may_have_started = answer.status not in NOT_STARTED
        if answer.status not in (200, 201, 202):
            fault = from_reply(self.service, Reply(answer.status, _body(answer), answer.headers))
            raise FaultSignalError(_unsure(fault) if attempt.may_have_started else fault)
        job = self._parsed(answer)
        if not job.id:
            error = self._error(GenerationError, "accepted the job but gave no id")
            raise FaultSignalError(_unsure(Fault(error)))
        self._refuse(job)
        return job

    def _submit_fault(self, raised: Exception) -> Fault:
        fault = fault_of(self.service, raised)
        return fault if type(raised).__name__ in NOT_SENT else _unsure(fault)

    # -- polling -------------------------------------------------------------------------------

    def _finished(self, job: Job) -> Job:
        begun, wait = self.clock.now(), self.waiting.first
        while not job.over:
            if self.cancel.is_set():
                stopped = "" if self._stop(job) else "; the service goes on with it"
                raise self._error(GenerationError, f"job {job.id} was canceled{stopped}")
            if self.clock.now() - begun > self.waiting.deadline:
                raise self._error(
                    BackendTimeoutError,
                    f"job {job.id} was not done after {self.waiting.deadline:g} s "
                    f"(state: {job.state}). Raise deadline=",
                )
            answer, job = self.caller.call(lambda seconds, job=job: self._asked(job, seconds)).value  # type: ignore[misc]
            if job.over:
                break
            asked = wait_hint(answer.headers, answer.json) or 0.0
            self.clock.sleep(max(asked, wait * (0.9 + 0.2 * self.jitter())))
            wait = min(self.waiting.most, wait * self.waiting.factor)
        self._refuse(job)
        return job

    def _asked(self, job: Job, seconds: float) -> tuple[Answer, Job]:
        answer = self.http.send(self.api.poll(job), seconds=seconds)
        body = answer.json
        parsed = self._maybe(answer.status, body)
        # A failed job may come as an HTTP error with the job as its body: that is its end.
        if parsed is not None and parsed.state in ("failed", "refused", "canceled"):
            return answer, parsed.known(job)
        if answer.status == 404:
            gone = self._error(JobGoneError, f"knows no job {job.id}")
            raise FaultSignalError(Fault(gone, retries=0))
        if answer.status >= 400:
            reply = Reply(answer.status, _body(answer), answer.headers)
            raise FaultSignalError(from_reply(self.service, reply))
        return answer, self._parsed(answer).known(job)

    def _maybe(self, status: int, body: Any) -> Job | None:
        """The job in a body that may be none."""
        try:
            return None if body is None else self.api.parse(status, body)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return None

    def _parsed(self, answer: Answer) -> Job:
        body = answer.json
        if body is None:
            raise FaultSignalError(
                not_an_answer(self.service, answer.text, answer.headers.get("content-type", ""))
            )
        try:
            return self.api.parse(answer.status, body)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FaultSignalError(
                Fault(self._error(GenerationError, f"gave an answer without {error}"), retries=0)
            ) from error

    def _refuse(self, job: Job) -> None:
        """Raise for a job that ended without a video."""
        said = self.service.words(job.detail) if job.detail else "no reason was given"
        if job.state == "refused":
            raise self._error(BlockedError, f"refused job {job.id}: {said}", where="prompt")
        if job.state in ("failed", "canceled"):
            raise self._error(GenerationError, f"job {job.id} {job.state}: {said}")

    # -- fetching and stopping -----------------------------------------------------------------

    def _video(self, job: Job) -> bytes:
        if job.result is not None:
            return job.result
        call = self.api.fetch(job)
        if call is None:
            address = job.urls.get("result")
            if not address:
                raise self._error(GenerationError, f"says job {job.id} is done, without a video")
            call = Call("GET", address)
        return self.caller.call(lambda seconds: self._downloaded(job, call, seconds)).value

    def _downloaded(self, job: Job, call: Call, seconds: float) -> bytes:
        answer = self.http.send(call, seconds=seconds)
        early = answer.status in (404, 409, 425)
        if answer.status >= 400:
            fault = from_reply(self.service, Reply(answer.status, _body(answer), answer.headers))
            if early:  # done, but not there yet
                fault = Fault(
                    self._error(GenerationError, f"has no video of job {job.id} ({answer.status})"),
                    retries=5,
                )
            raise FaultSignalError(fault)
        kind = answer.headers.get("content-type", "")
        told = self._maybe(answer.status, answer.json) if "json" in kind else None
        if told is not None and "result" in told.urls:  # the answer says where the video is
            return self._downloaded(job, Call("GET", told.urls["result"]), seconds)
        if not answer.data or kind.startswith(("text/", "application/json")):
            raise FaultSignalError(
                Fault(
                    self._error(
                        ConnectionFaultError,
                        f"gave {len(answer.data)} bytes of {kind or 'nothing'} instead of the "
                        f"video of job {job.id}",
                    ),
                    retries=2,
                )
            )
        return answer.data

    def _stop(self, job: Job) -> bool:
        """Stop a job where the service can; whether it did."""
        call = self.api.cancel(job)
        if call is None:
            return False
        try:
            return self.http.send(call, seconds=10.0).status < 400
        except Exception as error:  # noqa: BLE001 - the first error matters more
            log.warning("Job %s could not be canceled: %s", job.id, type(error).__name__)
            return False

    def _error(self, kind: type[BackendError], what: str, **details: Any) -> BackendError:
        return self.service.error(kind, f"{self.service.title}: {what}.", **details)


def fault_of(service: Service, raised: Exception) -> Fault:
    """The fault behind an exception of a try; errors of ours are final."""
    if isinstance(raised, BackendError):
        return Fault(raised, retries=0)
    return from_exception(service, raised)


def _unsure(fault: Fault) -> Fault:
    """A fault after which the job may have started all the same: never sent again by itself."""
    error = fault.error
    error.args = (f"{error.args[0]} The job may have started, so it was not sent again.",)
    return evolve(fault, retries=0, change=None)


def _body(answer: Answer) -> Any:
    body = answer.json
    return answer.text if body is None else body
