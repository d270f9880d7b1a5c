"""Gemini's Files API: upload, wait until it can be used, delete whatever happens."""

from __future__ import annotations

import io
import logging
import secrets
from typing import Any

from attrs import define, field

from phyrefine.backends.calling.caller import Caller
from phyrefine.backends.calling.media import Recent
from phyrefine.backends.calling.policy import Clock, Fault
from phyrefine.backends.calling.service import Service
from phyrefine.backends.gemini.reply import classify
from phyrefine.errors import (
    AuthError,
    BackendError,
    QuotaExceededError,
    RateLimitedError,
    UploadError,
)

logger = logging.getLogger(__name__)

FIRST_POLL, LONGEST_POLL = 1.0, 10.0
DELETE_SECONDS = 10.0
# What these say stays true however the file is sent.
STANDING = (AuthError, QuotaExceededError, RateLimitedError, UploadError)


class StuckError(Exception):
    """A file was not ready in time; never leaves this package."""


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
    """

    client: Any
    service: Service
    caller: Caller
    base_url: str | None = None
    deadline: float = 300.0
    recent: Recent = field(factory=Recent)

    def __attrs_post_init__(self) -> None:
        self.recent.forget = self._delete

    def of(self, key: str, data: bytes) -> Any:
        """The usable file with these bytes; uploaded on first use.

        Raises:
            UploadError: It could not be handed over.
            BackendError: A fault that has nothing to do with the file.
        """
        return self.recent.get(key, lambda: self._usable(data))

    def _usable(self, data: bytes) -> Any:
        try:
            return self._processed(self._upload(data))
        except StuckError:
            logger.info("a file stayed in processing; uploading it again")
        try:
            return self._processed(self._upload(data))
        except StuckError as error:
            raise self.service.error(UploadError, str(error)) from None

    def _upload(self, data: bytes) -> Any:
        try:
            done = self.caller.call(lambda limit: self._send(data, limit), discard=self._delete)
        except STANDING:
            raise
        except BackendError as error:
            raise self.service.error(
                UploadError,
                f"The upload of {len(data) / 1e6:.1f} MB failed: {error}",
                status=error.status,
                attempts=error.attempts,
                usage=error.usage,
            ) from error
        return done.value

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
            pause = min(LONGEST_POLL, pause * 1.5)
            name = file.name
            file = self.caller.call(lambda limit, name=name: self._get(name, limit)).value  # type: ignore[misc]
        if _state(file) == "FAILED":
            why = self.service.words(getattr(file.error, "message", None) or "no reason given")
            raise self.service.error(
                UploadError, f"{self.service.title} could not use the file: {why}."
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

    def classify(self, raised: Exception) -> Fault:
        """The fault behind an exception of an upload."""
        return classify(self.service, raised)


def _state(file: Any) -> str:
    state = file.state
    return str(getattr(state, "value", state) or "ACTIVE")
