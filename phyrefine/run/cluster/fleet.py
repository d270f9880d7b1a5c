"""Workers of one generator: started, given work in order, and replaced when they are lost."""

from __future__ import annotations

import contextlib
import copy
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from attrs import define, field, frozen

from phyrefine.errors import GenerationError, GeneratorLostError, PhyrefineError
from phyrefine.run.cluster.connecting import ray_module
from phyrefine.run.cluster.recipe import Described, Recipe
from phyrefine.run.cluster.worker import THREAD_VARIABLES, Busy, Failed, Worker

log = logging.getLogger(__name__)

# A waiting thread wakes this often, so that a signal that comes just before it waits is noticed.
WAKE_SECONDS = 0.2
# So long no worker may find room before the log says what is asked for and what the cluster has.
TOLD_SECONDS = 60.0
# So long by default before that is an error; a cluster may start machines meanwhile.
PATIENCE_SECONDS = 900.0
State = Literal["starting", "loading", "ready", "lost", "given up", "ended"]
Tell = Callable[[str, Mapping[str, Any]], None]


@frozen
class Needs:
    """What a worker takes of its machine.

    Attributes:
        gpus: May be a fraction, for several workers on one GPU.
        cpus: Likewise.
        resources: Of the cluster's own kinds.
    """

    gpus: float = 0.0
    cpus: float = 1.0
    resources: Mapping[str, float] = field(factory=dict)


@define(eq=False)
class Hired:
    """One worker, from its start to its loss; its place is then taken by another.

    Attributes:
        place: Number of the place it fills.
        recipe: What it loads.
        actor: Ray's handle.
        state: Orders go to those that are ready.
        described: What it said of its generator.
        orders: Numbers of the orders that it has, in the order they came.
        since: When it became free for the first of them.
        smaller: It was told to make room for one in the next memory mode.
    """

    place: int
    recipe: Recipe
    actor: Any = None
    state: State = "starting"
    described: Described | None = None
    orders: list[int] = field(factory=list)
    since: float = 0.0
    smaller: bool = False


@define(eq=False)
class Fleet:
    """Several workers of one generator.

    Every worker has an order in progress and ``ahead`` orders waiting on its machine, so that no
    device waits while the driver keeps a clip or a service answers.

    Attributes:
        recipe: What each loads; in a smaller memory mode once one was out of memory.
        count: Workers.
        needs: What each takes.
        ahead: Orders that wait at each worker.
        tries: Starts of a worker, and losses of one order, after which it is given up.
        patience: Seconds in which a worker must find room on a machine; loading does not count.
        make_room: Called before workers start.
        tell: Hears when workers come and go.
    """

    recipe: Recipe
    count: int
    needs: Needs
    ahead: int = 1
    tries: int = 3
    patience: float = PATIENCE_SECONDS
    make_room: Callable[[Fleet], None] = field(default=lambda _: None, repr=False)
    tell: Tell | None = field(default=None, init=False)
    _places: list[Hired] = field(factory=list, init=False, repr=False)
    _failure: PhyrefineError | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)
    _numbers: Iterator[int] = field(factory=itertools.count, init=False, repr=False)
    _changed: threading.Condition = field(factory=threading.Condition, init=False, repr=False)

    def rest(self) -> bool:
        """End all workers if they have nothing to do; they start again with the next order."""
        # Two fleets that make room for themselves must not wait for each other.
        if not self._changed.acquire(blocking=False):
            return False
        try:
            if any(hired.orders for hired in self._places):
                return False
            places, self._places = self._places, []
        finally:
            self._changed.release()
        self._dismiss(places)
        return True

    def close(self) -> None:
        """End all workers for good, whatever they are doing."""
        with self._changed:
            self._closed = True
            places, self._places = self._places, []
            self._changed.notify_all()
        self._dismiss(places)

    def _dismiss(self, places: list[Hired]) -> None:
        for hired in places:
            hired.state = "ended"
            with contextlib.suppress(Exception):  # it may be lost, or the whole cluster
                ray_module().kill(hired.actor)

    def _open(self) -> None:
        """Begin to start the workers, unless they are there."""
        if self._places or self._closed:
            return
        self.make_room(self)
        self._places = places = [Hired(place, self.recipe) for place in range(self.count)]
        for place in range(self.count):
            threading.Thread(
                target=self._fill,
                args=(places, place),
                name=f"phyrefine-place-{place}",
                daemon=True,
            ).start()

    # -- orders --------------------------------------------------------------------------------

    def described(self) -> Described:
        """What the first worker that is ready says of the generator; waits for it.

        Raises:
            PhyrefineError: No worker can be started.
        """
        with self._changed:
            found = self._await(lambda: next((it for it in self._places if it.described), None))
        assert found.described is not None
        return found.described

    @contextlib.contextmanager
    def lend(self) -> Iterator[tuple[Hired, int]]:
        """Wait for a worker with room for an order; gives it and the order's number.

        Raises:
            PhyrefineError: No worker is left.
        """
        with self._changed:
            hired = self._await(self._best)
            number = next(self._numbers)
            if not hired.orders:
                hired.since = time.monotonic()
            hired.orders.append(number)
        try:
            yield hired, number
        finally:
            with self._changed:
                first = hired.orders[0] == number
                hired.orders.remove(number)
                if first:
                    hired.since = time.monotonic()
                self._changed.notify_all()

    def lost(self, hired: Hired) -> None:
        """No further order goes to this worker: a call has seen that it is gone."""
        with self._changed:
            if hired.state == "ready":
                hired.state = "lost"
                self._changed.notify_all()
        with contextlib.suppress(Exception):  # it is gone already, in most cases
            ray_module().kill(hired.actor)

    def step_down(self, hired: Hired) -> bool:
        """After a full device: replace the worker by one in the next memory mode, if any."""
        following = hired.recipe.smaller()
        if following is None:
            return False
        with self._changed:
            hired.smaller = True
            self.recipe = following
        log.warning(
            "Worker %d was out of memory with %s and starts anew with %s.",
            hired.place, hired.recipe.options or "its own settings", following.options,
        )  # fmt: skip
        self.lost(hired)
        return True

    def anyone(self) -> Any:
        """The handle of any worker that is ready, for questions that need no device."""
        with self._changed:
            ready = lambda: next((it for it in self._places if it.state == "ready"), None)  # noqa: E731
            return self._await(ready).actor

    def everyone(self) -> list[Any]:
        """Handles of all workers that are ready."""
        with self._changed:
            return [hired.actor for hired in self._places if hired.state == "ready"]

    def occupied(self) -> tuple[int, int]:
        """How many workers have orders, and how many there shall be."""
        with self._changed:
            return sum(bool(hired.orders) for hired in self._places), self.count

    def spent(self) -> list[Busy]:
        """How each worker that is there spent its time so far."""
        ray = ray_module()
        asked = [actor.spent.remote() for actor in self.everyone()]
        said: list[Busy] = []
        for reference in asked:
            with contextlib.suppress(ray.exceptions.RayError):  # lost just now: it spends no more
                said.append(ray.get(reference))
        return said

    def _best(self) -> Hired | None:
        """A free worker, else the one that has been busy longest: it will be free first."""
        room = [it for it in self._places if it.state == "ready" and len(it.orders) <= self.ahead]
        return min(room, key=lambda it: (len(it.orders), it.since), default=None)

    def _await(self, found: Callable[[], Hired | None]) -> Hired:
        begun = time.monotonic()
        told_at = begun + min(TOLD_SECONDS, self.patience)
        while True:
            if self._closed:
                raise GeneratorLostError("The cluster was closed.", provider="ray")
            self._open()
            hired = found()
            if hired is not None:
                return hired
            if all(it.state in ("given up", "ended") for it in self._places):
                raise self._own_failure()
            now = time.monotonic()
            if any(it.state in ("loading", "ready") for it in self._places):
                begun, told_at = now, now + min(TOLD_SECONDS, self.patience)
            elif now >= begun + self.patience:
                self._end_without_room()
            elif now >= told_at:
                told_at = now + 10 * TOLD_SECONDS
                log.warning("%s Waiting for %g s in all.", self._shortage(), self.patience)
                self.make_room(self)  # another generator may have had work when it was asked
            self._changed.wait(WAKE_SECONDS)

    def _own_failure(self) -> PhyrefineError:
        """Why no worker is left, as an object of its own: each caller adds notes to its error."""
        error = copy.copy(self._failure or GeneratorLostError("No worker is left.", provider="ray"))
        if hasattr(error, "__notes__"):
            error.__notes__ = list(error.__notes__)
        return error

    def _end_without_room(self) -> None:
        """Nobody may wait for ever: this order and all others end with what is lacking."""
        error = GenerationError(
            f"{self._shortage()} That was so for {self.patience:g} s. End what holds the rest, "
            "ask for less (gpus_per_generator, cpus_per_generator, resources), or wait longer "
            "with patience=SECONDS or --ray-patience SECONDS.",
            provider="ray",
        )
        for hired in self._places:
            if hired.state in ("starting", "lost"):
                self._give_up(hired, error)

    def _shortage(self) -> str:
        ray = ray_module()
        asked = {"GPU": self.needs.gpus, "CPU": self.needs.cpus, **self.needs.resources}
        there, free = ray.cluster_resources(), ray.available_resources()
        return (
            f"No worker has found room. Each of {self.count} asks for {asked}. The cluster has "
            f"{ {name: there.get(name, 0.0) for name in asked} }, of which "
            f"{ {name: free.get(name, 0.0) for name in asked} } is free."
        )

    # -- places --------------------------------------------------------------------------------

    def _fill(self, places: list[Hired], place: int) -> None:
        """Keep a place filled until the fleet rests or is closed; one thread each."""
        failures = 0
        while places is self._places:
            hired = places[place]
            try:
                why = self._serve(hired)
            except Exception as error:  # noqa: BLE001 - a fault of Ray's is the worker's loss
                why = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            if places is not self._places or hired.state == "given up":
                break
            failures = 0 if hired.described is not None else failures + 1
            log.warning("Worker %d of %s is lost: %s", place, hired.recipe.name, why)
            self._say(hired, "lost", why)
            if failures >= self.tries and not hired.smaller:
                self._give_up(
                    hired,
                    GeneratorLostError(
                        f"{hired.recipe.name} could not be loaded: its worker was lost "
                        f"{failures} times ({why}).",
                        provider="ray",
                    ),
                )
                break
            with self._changed:
                hired.state = "ended"
                places[place] = Hired(place, self.recipe)
                self._changed.notify_all()

    def _serve(self, hired: Hired) -> str:
        """Start a worker and wait until it is over; gives why."""
        ray = ray_module()
        threads = {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}
        hired.actor = (
            ray.remote(concurrency_groups={"control": 4, "watch": 1})(Worker)
            .options(
                num_gpus=self.needs.gpus,
                num_cpus=self.needs.cpus,
                resources=dict(self.needs.resources) or None,
                max_restarts=0,
                max_task_retries=0,
            )
            .remote(hired.recipe, threads)
        )
        if hired.state in ("ended", "given up"):  # while it was asked for
            ray.kill(hired.actor)
        ray.get(hired.actor.arrived.remote())
        with self._changed:
            if hired.state == "starting":
                hired.state = "loading"
        said = ray.get(hired.actor.describe.remote())
        if isinstance(said, Failed):
            following = hired.recipe.smaller() if said.memory else None
            if following is None:
                self._give_up(hired, _ours(said.error, hired.recipe))
                return str(said.error)
            hired.smaller, self.recipe = True, following
            ray.kill(hired.actor)
            return f"{said.error}; starting anew with {following.options}"
        with self._changed:
            hired.described = said
            if hired.state == "loading":
                hired.state = "ready"
            hired.since = time.monotonic()
            self._changed.notify_all()
        self._say(hired, "ready", "")
        ray.get(hired.actor.wait.options(concurrency_group="watch").remote())
        return "it ended"

    def _give_up(self, hired: Hired, error: PhyrefineError) -> None:
        log.warning("Place %d of %s stays empty: %s", hired.place, hired.recipe.name, error)
        self._say(hired, "given up", str(error))
        with self._changed:
            hired.state, self._failure = "given up", error
            self._changed.notify_all()
        with contextlib.suppress(Exception):  # it is lost already, or gives its machine back
            ray_module().kill(hired.actor)

    def _say(self, hired: Hired, state: State, why: str) -> None:
        with self._changed:
            if state == "lost" and hired.state == "ready":
                hired.state = "lost"
        if self.tell is not None:
            self.tell("worker", {"worker": hired.place, "state": state, "why": why})


def _ours(error: Exception, recipe: Recipe) -> PhyrefineError:
    if isinstance(error, PhyrefineError):
        return error
    return PhyrefineError(f"{recipe.name} could not be loaded: {type(error).__name__}: {error}")
