"""Faults on the wire, played by the loopback server in a scripted order."""

import contextlib
import heapq
import re
import socket
import struct
import threading
import time

from attrs import define, field

from phyrefine.backends.loopback import Loopback, Request, Response, Sender
from phyrefine.backends.loopback.rehearsal import rehearse


class FakeClock:
    """Sleeps by moving its hand, and remembers how long."""

    def __init__(self):
        self.time = 1000.0
        self.waits = []

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.time += seconds


class TeamClock:
    """A fake clock for several threads: time moves on when all of them sleep."""

    def __init__(self, workers):
        self.time, self.running = 1000.0, workers
        self._sleepers, self._woken, self._count = [], set(), 0
        self._changed = threading.Condition(threading.RLock())

    def now(self):
        return self.time

    def sleep(self, seconds):
        with self._changed:
            self._count += 1
            mine = self._count
            heapq.heappush(self._sleepers, (self.time + seconds, mine))
            self.leave()
            while mine not in self._woken:
                self._changed.wait(30)

    def leave(self):
        """One worker less is awake."""
        with self._changed:
            self.running -= 1
            if self.running == 0 and self._sleepers:
                self.time, name = heapq.heappop(self._sleepers)
                self._woken.add(name)
                self.running += 1
                self._changed.notify_all()


def team(count, work, clock):
    """Runs ``work(index)`` in that many threads; gives results or exceptions, in order."""
    results = [None] * count

    def one(index):
        try:
            results[index] = work(index)
        except Exception as error:  # noqa: BLE001 - handed to the test
            results[index] = error
        finally:
            clock.leave()

    threads = [threading.Thread(target=one, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


class Quota:
    """So many requests in so many seconds of a fake clock; a 429 as ``limit(seconds)`` beyond."""

    def __init__(self, clock, requests, seconds, limit):
        self.clock, self.most, self.seconds, self.limit = clock, requests, seconds, limit
        self.passed, self.refused, self._lock = [], 0, threading.Lock()

    def __call__(self, request):
        with self._lock:
            now = self.clock.now()
            recent = [moment for moment in self.passed if moment > now - self.seconds]
            if len(recent) < self.most:
                self.passed.append(now)
                return None
            self.refused += 1
            return self.limit(min(recent) + self.seconds - now)


def _hang_up(handler, *, reset):
    handler.close_connection = True
    if reset:
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    with contextlib.suppress(OSError):
        handler.wfile.flush()
    handler.connection.close()
    # The base class flushes once more when a handler ends.
    handler.wfile = open("/dev/null", "wb")  # noqa: PTH123, SIM115 - closed by the base class


@define
class HangUp:
    """No answer: the connection is closed, or reset."""

    reset: bool = False

    def send(self, handler):
        _hang_up(handler, reset=self.reset)


@define
class Cut:
    """The head promises a whole body, half of it comes, then a reset."""

    response: Response = field(factory=Response)

    def send(self, handler):
        data = self.response.data
        handler.send_response(self.response.status)
        handler.send_header("Content-Type", self.response.kind)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])
        handler.wfile.flush()
        time.sleep(0.02)
        _hang_up(handler, reset=True)


@define
class Hang:
    """No answer for so long."""

    seconds: float = 1.5

    def send(self, handler):
        time.sleep(self.seconds)
        _hang_up(handler, reset=False)


@define
class Trickle:
    """A byte now and then: no single read ever times out."""

    every: float = 0.05
    seconds: float = 3.0

    def send(self, handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(self.every)
        _hang_up(handler, reset=True)


@define
class Script:
    """Plays in order for requests that match; regular answers afterwards.

    A play is a Sender, or a callable that makes one from the request. ``forever`` repeats the
    last play.
    """

    plays: list
    on: str = r"POST .*(:generateContent|/chat/completions|/responses)"
    forever: bool = False

    def __call__(self, request: Request) -> Sender | None:
        if not self.plays or not re.fullmatch(self.on, f"{request.method} {request.path}"):
            return None
        play = self.plays[0] if self.forever and len(self.plays) == 1 else self.plays.pop(0)
        return play(request) if callable(play) else play


@contextlib.contextmanager
def serving(interfere=lambda _: None, reply=rehearse, **options):
    """A loopback server that answers by ``reply`` unless ``interfere`` has something else."""
    with Loopback(reply, interfere, **options) as server:
        yield server


def asks(server):
    """Requests that asked a model something."""
    return [r for r in server.requests if re.search(r":generate|completions|responses", r.path)]
