"""Gemini's Files API: upload, wait until it can be used, delete whatever happens."""

from __future__ import annotations

import functools
import io
import logging
import secrets
from collections.abc import Callable
from typing import Any

from attrs import define, evolve, field

from phyrefine.backends.calling.caller import Caller
from phyrefine.backends.calling.media import Recent
from phyrefine.backends.calling.policy import Clock, Fault
from phyrefine.backends.calling.service import Service
from phyrefine.backends.gemini.reply import classify, reply_of
from phyrefine.errors import BackendError, BadRequestError, UploadError

logger = logging.getLogger(__name__)

FIRST_POLL, LONGEST_POLL = 1.0, 10.0
DELETE_SECONDS = 10.0
# So long a failed or stuck upload is not tried again where there is another way.
REMEMBERED = 600.0


class StuckError(Exception):
    """A file was not ready in time; never leaves this package."""


class UnusableFileError(UploadError):
    """The service has the file and cannot use it."""


@define
class Uploads:
    """Files at the service, each deleted when it is no longer among the last few used.

    The names are ours, so that a file whose upload broke off after the last byte is found and
    deleted as well.

    Attributes:
        client: ``genai.Client``.
        service: Who keeps the files.
        caller: Retries.
        base_url: Where chunks go when the service is behind a proxy.
        deadline: Seconds a file may stay in processing.
        recent: Files kept for further questions.
        has_another_way: A clip can be sent otherwise: one failure is enough to do so for some
            minutes.
    """

    client: Any
    service: Service
    caller: Caller
    base_url: str | None = None
    deadline: float = 300.0
    recent: Recent = field(factory=Recent)
    has_another_way: bool = False
    _down: tuple[float, UploadError] | None = None
    _unusable: dict[str, tuple[float, UploadError]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.recent.forget = self._delete

    def of(self, key: str, data: bytes) -> Any:
        """The usable file with these bytes; uploaded on first use.

        Raises:
            UploadError: It could not be handed over.
        """
        self._refuse_remembered(key)
        try:
            return self.recent.get(key, lambda: self._usable(data))
        except UnusableFileError as error:
            self._unusable[key] = (self.caller.clock.now(), error)
            raise
        except UploadError as error:
            if self._remembered() is None:
                self._down = (self.caller.clock.now(), error)
            raise

    def _refuse_remembered(self, key: str) -> None:
        """No question waits for what has just failed."""
        down = self._remembered()
        if down is not None:
            raise down
        since, error = self._unusable.get(key, (float("-inf"), None))
        if error is not None and self.caller.clock.now() - since < REMEMBERED:
            raise self._again(error, since)

    def _remembered(self) -> UploadError | None:
        """Why uploads are not tried just now, if they are not."""
        if self._down is None:
            return None
        since, error = self._down
        is_stuck = isinstance(error.__cause__, StuckError)
        if not (self.has_another_way or is_stuck) or self.caller.clock.now() - since >= REMEMBERED:
            return None
        return self._again(error, since)

    def _again(self, error: UploadError, since: float) -> UploadError:
        left = REMEMBERED - (self.caller.clock.now() - since)
        message = f"{error.args[0]} Not tried again for {left:.0f} s."
        told = type(error)(message, provider=error.provider, model=error.model, attempts=0)
        told.__cause__ = error.__cause__
        return told

    def _usable(self, data: bytes) -> Any:
        try:
            return self._processed(self._upload(data))
        except StuckError as error:
            if self.has_another_way:
                raise self.service.error(UploadError, str(error)) from error
            logger.info("a file stayed in processing; uploading it again")
        try:
            return self._processed(self._upload(data))
        except StuckError as error:
            raise self.service.error(UploadError, str(error)) from error

    def _upload(self, data: bytes) -> Any:
        what = f"The upload of {len(data) / 1e6:.1f} MB failed"
        return self._call(what, lambda limit: self._send(data, limit), discard=self._delete)

    def _call(
        self,
        what: str,
        send: Callable[[float], Any],
        discard: Callable[[Any], object] | None = None,
    ) -> Any:
        """A call whose every fault is one of the upload: the model itself may be well."""
        try:
            return self.caller.call(send, discard=discard).value
        except UploadError:
            raise
        except BackendError as error:
            raise self.service.error(
                UploadError,
                f"{what}: {error}",
                status=error.status,
                attempts=error.attempts,
                usage=error.usage,
            ) from error

    def _send(self, data: bytes, limit: float) -> Any:
        name = f"phyrefine-{secrets.token_hex(8)}"
        options: dict[str, Any] = {"timeout": int(limit * 1000)}
        if self.base_url is not None:
            options["base_url"] = self.base_url
        config = {"name": name, "mime_type": "video/mp4", "http_options": options}
        try:
            return self.client.files.upload(file=io.BytesIO(data), config=config)
        except BaseException:
            self._delete(name)
            raise

    def _processed(self, file: Any) -> Any:
        try:
            return self._await(file)
        except BaseException:
            self._delete(file)
            raise

    def _await(self, file: Any) -> Any:
        clock: Clock = self.caller.clock
        began, pause = clock.now(), FIRST_POLL
        while _state(file) == "PROCESSING":
            if clock.now() - began >= self.deadline:
                raise StuckError(
                    f"{self.service.title} is still processing a file after {self.deadline:.0f} s."
                )
            clock.sleep(pause)
            down = self._remembered()
            if down is not None:  # found out by another worker meanwhile
                raise down
            pause = min(LONGEST_POLL, pause * 1.5)
            name = file.name
            get = functools.partial(self._get, name)
            file = self._call(f"Asking for {name} failed", get)
        if _state(file) == "FAILED":
            why = self.service.words(getattr(file.error, "message", None) or "no reason given")
            raise self.service.error(
                UnusableFileError, f"{self.service.title} could not use the file: {why}."
            )
        return file

    def _get(self, name: str, limit: float) -> Any:
        return self.client.files.get(
            name=name, config={"http_options": {"timeout": int(limit * 1000)}}
        )

    def _delete(self, file: Any) -> None:
        """Delete a file by object or name; a failure is no reason to stop anything."""
        name = file if isinstance(file, str) else file.name
        try:
            self.client.files.delete(
                name=name, config={"http_options": {"timeout": int(DELETE_SECONDS * 1000)}}
            )
        except Exception as error:  # noqa: BLE001 - the service removes it itself after 48 h
            logger.debug("could not delete %s: %s", name, self.service.words(error))


def classify_upload(service: Service, raised: Exception) -> Fault:
    """The fault behind an exception of an upload or a poll."""
    fault = classify(service, raised)
    if fault.error.status != 404:
        return fault
    reply = reply_of(raised)
    said = f" ({service.words(reply.message)})" if reply is not None else ""
    message = f"There is no such file, or no Files API, at {service.endpoint}{said}."
    error = service.error(BadRequestError, message, status=404)
    return evolve(fault, error=error, retries=0)


def _state(file: Any) -> str:
    state = file.state
    return str(getattr(state, "value", state) or "ACTIVE")
