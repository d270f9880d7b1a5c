"""The page on this machine: shown to who has its address, every answer stored at once."""

from __future__ import annotations

import hmac
import secrets
import threading

from attrs import define, evolve, field

from phyrefine._json import parse_json
from phyrefine.backends.loopback.serving import LocalServer
from phyrefine.backends.loopback.wire import Request, Response
from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.rating import page
from phyrefine.rating.answers import Rating, RatingLog, now
from phyrefine.rating.study import CLIPS
from phyrefine.serialize import from_json

# An answer has some 150 bytes.
MOST_BYTES = 4096
TEXT, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@define(eq=False)
class RatingServer(LocalServer):
    """Serves one person's trials. Use it as a context manager.

    It binds 127.0.0.1 only. Without the token, which is drawn anew for each server, every path is
    unknown; requests under another host's name are refused, so that no web page reaches it by
    renaming itself (DNS rebinding); answers from another origin too. Paths are looked up among the
    study's clips and never joined to a folder's.

    Attributes:
        log: Where answers go; open.
        port: Port to listen on; 0 for a free one.
        finished: Set when the person says so.
        token: Part of the address.
    """

    log: RatingLog
    port: int = 0
    finished: threading.Event = field(factory=threading.Event, init=False)
    token: str = field(factory=lambda: secrets.token_urlsafe(24), init=False, repr=False)
    most_bytes: int | None = field(default=MOST_BYTES, init=False)

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"{self.url}/{self.token}/"

    def answer(self, request: Request) -> Response:
        """The answer to one request."""
        given = self._answer(request)
        return evolve(given, headers={**HEADERS, **given.headers})

    def _answer(self, request: Request) -> Response:
        port = self.url.rpartition(":")[2]
        hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        if request.headers.get("host", "").lower() not in hosts:
            return _plain(403, "This server answers under 127.0.0.1 only.")
        token, slash, path = request.path.removeprefix("/").partition("/")
        if not slash or not hmac.compare_digest(token.encode(), self.token.encode()):
            return _plain(404, "There is nothing here: open the address that was printed.")
        if request.method == "GET":
            return self._shown(path)
        if request.method == "POST":
            origin = request.headers.get("origin")
            if origin is not None and origin not in [f"http://{host}" for host in hosts]:
                return _plain(403, "Answers are taken from the page itself only.")
            return self._posted(path, request)
        return _plain(405, "GET and POST only.")

    def _shown(self, path: str) -> Response:
        if path == "":
            text, policy = page.served(self.log)
            return Response(text.encode(), headers={"Content-Security-Policy": policy}, kind=HTML)
        clips = {f"{CLIPS}/{clip.id}.mp4": clip for clip in self.log.study.clips}
        if path not in clips:
            return _plain(404, "No such clip.")
        try:
            data = (self.log.folder / CLIPS / f"{clips[path].id}.mp4").read_bytes()
        except OSError as error:
            return _plain(500, f"The clip cannot be read: {error.strerror}.")
        return Response(data, kind="video/mp4")

    def _posted(self, path: str, request: Request) -> Response:
        if path == "finish":
            self.finished.set()
            return Response({"finished": True})
        if path != "answers":
            return _plain(404, "Nothing to post to.")
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _plain(415, "An answer is JSON.")
        try:
            told = parse_json(request.body)
            rating = from_json({**told, "at": now()}, Rating)
            self.log.add(rating)
        except StoreError as error:
            return _plain(507, str(error))
        except (InvalidInputError, TypeError, ValueError) as error:
            return _plain(400, f"No answer to this study: {error}")
        return Response({"stored": len(self.log.ratings)})


def _plain(status: int, text: str) -> Response:
    return Response(text.encode(), status, kind=TEXT)
