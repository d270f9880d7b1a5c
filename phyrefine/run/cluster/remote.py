"""A video generator whose clips are made by workers elsewhere."""

from __future__ import annotations

import collections
import functools
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast

import numpy as np
from attrs import define, evolve, field

from phyrefine.errors import GeneratorLostError
from phyrefine.run.cluster.connecting import ray_module
from phyrefine.run.cluster.fleet import WAKE_SECONDS, Fleet, Hired
from phyrefine.run.cluster.recipe import Described
from phyrefine.run.cluster.worker import Begun, Failed, Made, Order
from phyrefine.types import Chunk, GeneratorProfile, Scenario, Shot
from phyrefine.video.clip import Clip

log = logging.getLogger(__name__)

# Results that a worker may be ahead of the driver within one stream, so that no memory overflows.
MOST_UNREAD = 4
# Losses of an order that had not begun say nothing about it; but they must end some time.
BLAMELESS = 10


class RemoteCancel(threading.Event):
    """An event that also tells the generators elsewhere."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__()
        self._fleet = fleet

    def set(self) -> None:
        """Stop them within the clips in progress."""
        super().set()
        self._tell(on=True)

    def clear(self) -> None:
        """They may go on."""
        super().clear()
        self._tell(on=False)

    def _tell(self, *, on: bool) -> None:
        for actor in self._fleet.everyone():
            actor.cancel.options(concurrency_group="control").remote(on)


@define(eq=False)
class RemoteGenerator:
    """The video generator of a fleet; several threads may call it at once.

    It has the profile and the identity of the generator that its workers load, so that clips made
    on a cluster and clips made in one process are found under the same names in the store.

    Attributes:
        fleet: Where clips are made.
        here: The generator itself where the driver has it, for what needs no device.
        timeout: Seconds one clip, or one chunk of a stream, may take there, waiting left out.
    """

    fleet: Fleet
    here: Any = None
    timeout: float | None = None
    cancel: RemoteCancel = field(init=False, repr=False)
    _took: threading.local = field(factory=threading.local, init=False, repr=False)
    _prefixes: collections.OrderedDict[str, Any] = field(
        factory=collections.OrderedDict, init=False, repr=False
    )
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @cancel.default
    def _make_cancel(self) -> RemoteCancel:
        return RemoteCancel(self.fleet)

    @functools.cached_property
    def described(self) -> Described:
        """What is known of the generator; waits for the first worker.

        Raises:
            PhyrefineError: No worker can be started.
        """
        return self.fleet.described() if self.here is None else Described.of(self.here)

    @property
    def slots(self) -> int:
        """Calls that it takes at once: those in progress and those ahead of every worker."""
        return self.fleet.count * (1 + self.fleet.ahead)

    def occupied(self) -> tuple[int, int]:
        """How many workers have orders, and how many there are."""
        return self.fleet.occupied()

    @property
    def identity(self) -> str:
        """The generator's."""
        return self.described.identity

    @property
    def profile(self) -> GeneratorProfile:
        """The generator's."""
        return self.described.profile

    @property
    def called(self) -> str:
        """What a reader knows the generator by."""
        return self.described.called

    @property
    def on_gpu(self) -> bool:
        """Whether its seconds are GPU seconds."""
        return self.described.on_gpu

    @property
    def billed(self) -> bool:
        """Whether a service bills its clips."""
        return self.described.billed

    def __getattr__(self, name: str) -> Any:
        # Optional methods: there exactly if the generator has them.
        if name in ("count_tokens", "price") and name in self.described.offers:
            return functools.partial(self._offer, name)
        raise AttributeError(name)

    def with_timeout(self, seconds: float) -> RemoteGenerator:
        """The same with a limit on each clip or chunk, which the worker keeps."""
        return RemoteGenerator(self.fleet, self.here, seconds)

    def device_seconds(self) -> float:
        """How long the device worked on the last clip or chunk of this thread."""
        return float(getattr(self._took, "seconds", 0.0))

    def disclaimer(self, scenario: Scenario) -> str | None:
        """The generator's, where it has one."""
        said = self._offer("disclaimer", scenario) if "disclaimer" in self.described.offers else ""
        return cast("str | None", said) or None

    def deliver(self, shot: Shot, chunks: Sequence[Clip]) -> Clip:
        """The generator's."""
        self.described.offer("deliver")
        clip: Clip = self._offer("deliver", shot, list(chunks))
        return clip if self.here is not None else cast("Clip", _copied(clip))

    def generate(self, shot: Shot) -> Clip:
        """The clip, made by whichever worker is free first.

        Raises:
            GeneratorLostError: Its worker was lost as often as it was tried.
            PhyrefineError: What the generator raised.
        """
        ((made,),) = self._ordered("generate", [shot])
        return cast("Clip", made)

    def stream(self, shot: Shot) -> Iterator[Chunk]:
        """The chunks; after a worker's loss another goes on behind the last finished one.

        Raises:
            GeneratorLostError: A worker was lost as often as a chunk was tried.
            PhyrefineError: What the generator raised.
        """
        for (made,) in self._ordered("stream", [shot]):
            yield cast("Chunk", made)

    def batch_size_for(self, shot: Shot) -> int:
        """The generator's; its memory is on its worker, so that is asked."""
        if "batch_size_for" not in self.described.offers:
            return 1
        size = shot.prefix.size if shot.size is None and shot.prefix is not None else shot.size
        return int(self._ask("batch_size_for", evolve(shot, prefix=None, size=size)))

    def generate_many(self, shots: Sequence[Shot]) -> Sequence[Clip]:
        """The clips, made in one call by whichever worker is free first.

        Raises:
            GeneratorMemoryError: They do not fit together; the worker stays as it is.
            GeneratorLostError: As :meth:`generate`.
            PhyrefineError: What the generator raised.
        """
        (made,) = self._ordered("generate", shots)
        return cast("Sequence[Clip]", made)

    def stream_many(self, shots: Sequence[Shot]) -> Iterator[Sequence[Chunk]]:
        """A chunk of each at a time, from one worker; errors as :meth:`generate_many`."""
        return cast("Iterator[Sequence[Chunk]]", self._ordered("stream", shots))

    def _ordered(
        self, kind: Literal["generate", "stream"], shots: Sequence[Shot]
    ) -> Iterator[list[Clip | Chunk]]:
        losses = blameless = 0
        while True:
            self._took.seconds = 0.0
            with self.fleet.lend() as (hired, number):
                bare = tuple(evolve(shot, prefix=None) for shot in shots)
                order = Order(kind, bare, number, self.timeout)
                begun, why = False, ""
                items = _items(hired, order, self._sent(shots[0].prefix))
                try:
                    for item in items:
                        if isinstance(item, Begun):
                            begun = True
                        elif isinstance(item, Failed):
                            # A batch that does not fit is halved before a worker is replaced.
                            replaced = item.memory and len(shots) == 1
                            if not (replaced and self.fleet.step_down(hired)):
                                raise item.error
                            why, begun = str(item.error), False
                            break
                        else:
                            made = [_copied(value) for value in item.values]
                            self._took.seconds = item.seconds
                            yield made
                            if kind == "generate":
                                return  # whatever becomes of the worker now
                            self._took.seconds = 0.0  # those of the last chunk are counted
                            shots, losses = [*map(_gone_on, shots, made)], 0
                    else:
                        return
                except GeneratorExit:
                    hired.actor.stop.options(concurrency_group="control").remote(number)
                    raise
                except _lost_errors() as error:
                    why = (str(error).strip().splitlines() or [type(error).__name__])[0]
                    self.fleet.lost(hired)
            losses, blameless = (losses + 1, blameless) if begun else (losses, blameless + 1)
            self._refuse_if_hopeless(shots, losses, blameless, why)

    def _refuse_if_hopeless(
        self, shots: Sequence[Shot], losses: int, blameless: int, why: str
    ) -> None:
        most, seeds = self.fleet.tries, ", ".join(str(shot.seed) for shot in shots)
        if losses < most and blameless < BLAMELESS * most:
            log.info("Seed %s is given to another worker: %s", seeds, why)
            return
        raise GeneratorLostError(
            f"{self.profile.name} was set aside at seed {seeds}: the worker that made the clip "
            f"was lost {losses} times (last: {why}). See the worker's log for why it died; run the "
            "same command again to try once more.",
            provider="ray",
        )

    def _offer(self, name: str, *given: Any) -> Any:
        """An optional method: here where the generator is, else at any worker."""
        if self.here is not None:
            return getattr(self.here, name)(*given)
        return self._ask(name, *given)

    def _ask(self, name: str, *given: Any) -> Any:
        """What any worker that is ready says; it need not be free."""
        ray = ray_module()
        while True:
            actor = self.fleet.anyone()
            try:
                said = ray.get(
                    actor.offer.options(concurrency_group="control").remote(name, *given)
                )
            except _lost_errors():  # its place is filled again, or nobody is left to ask
                time.sleep(WAKE_SECONDS)
                continue
            if isinstance(said, Failed):
                raise said.error
            return said

    def _sent(self, prefix: Clip | None) -> Any:
        """A reference of a prefix, which every machine fetches once."""
        if prefix is None:
            return None
        with self._lock:
            if prefix.digest not in self._prefixes:
                bare = Clip(prefix.frames, prefix.fps, native=prefix.native, source=prefix.source)
                self._prefixes[prefix.digest] = ray_module().put(bare)
            self._prefixes.move_to_end(prefix.digest)
            while len(self._prefixes) > 2 * self.slots:
                self._prefixes.popitem(last=False)
            return self._prefixes[prefix.digest]


def _items(hired: Hired, order: Order, prefix: Any) -> Iterator[Begun | Made | Failed]:
    ray = ray_module()
    references = hired.actor.run.options(
        num_returns="streaming", _generator_backpressure_num_objects=MOST_UNREAD
    ).remote(order, prefix)
    for reference in references:
        yield ray.get(reference)


def _gone_on(shot: Shot, made: Any) -> Shot:
    """The shot with one more finished chunk."""
    return evolve(shot, accepted=(*shot.accepted, made.clip), state=made.state)


def _copied(value: Any) -> Any:
    """A value whose frames are the driver's own: those of Ray's shared memory cannot be freed."""
    if isinstance(value, Chunk):
        return evolve(value, clip=_copied(value.clip))
    native = None if value.native is None else _copied(value.native)
    return Clip(np.array(value.frames), value.fps, native=native, source=value.source)


def _lost_errors() -> tuple[type[BaseException], ...]:
    """What Ray raises when a worker, its machine, or what it made is gone."""
    found = ray_module().exceptions
    return (
        found.RayActorError,
        found.ObjectLostError,
        found.WorkerCrashedError,
        found.OutOfMemoryError,
        found.NodeDiedError,
    )
