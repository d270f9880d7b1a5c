"""Ray's part of a fleet in one process, and a clock on which generators and services sleep."""

import collections
import re
import threading
import types

SCENARIO = re.compile(r"phyrefine-\d+")  # name of a thread of run_many
LOST = (
    "RayError", "RayActorError", "ObjectLostError", "WorkerCrashedError", "OutOfMemoryError",
    "NodeDiedError",
)  # fmt: skip


class Simulated:
    """Time that passes when every scenario's and every worker's thread sleeps or waits.

    It stands for the module ``ray`` and for the module ``time``. Workers take one order after the
    other, each in a thread of its own, as Ray's actors do.

    Args:
        scenarios: Threads that must have begun before time passes.
        slots: Orders that all workers take at once.
    """

    exceptions = types.SimpleNamespace(**{name: type(name, (Exception,), {}) for name in LOST})

    def __init__(self, scenarios, slots):
        self.slots = slots
        self._expected = scenarios
        self._seen = set()
        self._changed = threading.Condition()
        self._now = 0.0
        self._waits = {}  # thread: (whether it could go on, when it wants to be woken)
        self._orders = 0
        self._actors = []
        self._ended = threading.Event()

    # -- time ----------------------------------------------------------------------------------

    def monotonic(self):
        return self._now

    def sleep(self, seconds):
        with self._changed:
            until = self._now + seconds
        self.wait(lambda: self._now >= until, until)

    def wait(self, ready, until=None):
        """Wait for what another thread does; ``ready`` is asked with the lock held."""
        me = threading.current_thread()
        with self._changed:
            self._waits[me] = ready, until
            self._changed.notify_all()
            while not (ready() or self._ended.is_set()):
                self._changed.wait(1.0)
            del self._waits[me]

    def wants(self):
        """This thread waits for room at a worker, by means of its own, until it has placed an order."""
        with self._changed:
            self._waits[threading.current_thread()] = (lambda: self._orders < self.slots), None

    def run(self):
        """Let time pass until :meth:`end`; a thread's work."""
        while not self._ended.is_set():
            with self._changed:
                if not self._pass():
                    self._changed.wait(0.001)

    def _pass(self):
        """Wake the next that sleeps, if nobody else can go on; whether time passed."""
        there = [one for one in threading.enumerate() if SCENARIO.fullmatch(one.name)]
        self._seen.update(there)
        known = [self._waits.get(one) for one in there + self._actors]
        if len(self._seen) < self._expected or any(one is None or one[0]() for one in known):
            return False
        wakes = [until for _, until in known if until is not None]
        if not wakes:
            return False
        self._now = min(wakes)
        self._changed.notify_all()
        return True

    def end(self):
        """No time passes any more, and the workers' threads end."""
        self._ended.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._actors:
            thread.join(10.0)

    # -- orders --------------------------------------------------------------------------------

    def hire(self, actor):
        """Begin an actor's thread."""

        def work():
            while not self._ended.is_set():
                self.wait(lambda: actor.queue)
                if actor.queue:
                    items, made = actor.queue.popleft()
                    for item in items:
                        self._give(made, item)
                    self._give(made, None)

        thread = threading.Thread(target=work, daemon=True)
        self._actors.append(thread)
        thread.start()

    def _give(self, made, item):
        with self._changed:
            made.append(item)
            self._changed.notify_all()

    def placed(self, actor, items):
        """Queue an order; gives what it makes."""
        made = collections.deque()
        with self._changed:
            self._waits.pop(threading.current_thread(), None)
            self._orders += 1
            actor.queue.append((items, made))
            self._changed.notify_all()
        return self._read(made)

    def _read(self, made):
        while True:
            self.wait(lambda: made)
            item = made.popleft()
            last = item is None or type(item).__name__ == "Made"  # of a clip nobody reads on
            if last:
                with self._changed:
                    self._orders -= 1
            if item is not None:
                yield item
            if last:
                return

    # -- what the fleet asks of Ray ------------------------------------------------------------

    def remote(self, **_):
        return lambda cls: _Maker(self, cls)

    def get(self, value, timeout=None):
        return value() if callable(value) else value

    def put(self, value):
        return value

    def kill(self, actor):
        actor.ended.set()


class _Maker:
    def __init__(self, ray, cls):
        self.ray, self.cls = ray, cls

    def options(self, **_):
        return self

    def remote(self, *given):
        return _Actor(self.ray, self.cls(*given))


class _Actor:
    def __init__(self, ray, inner):
        self.ray, self.inner, self.ended = ray, inner, threading.Event()
        self.queue = collections.deque()
        ray.hire(self)

    def __getattr__(self, name):
        return _Method(self, name)


class _Method:
    def __init__(self, actor, name):
        self.actor, self.name = actor, name

    def options(self, **_):
        return self

    def remote(self, *given):
        if self.name == "wait":
            return self.actor.ended.wait
        made = getattr(self.actor.inner, self.name)(*given)
        return self.actor.ray.placed(self.actor, made) if self.name == "run" else made
