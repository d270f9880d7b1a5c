"""The leader: tells its followers of every pass before it makes it."""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, distributed
from torch._C._distributed_c10d import PrefixStore, Store, TCPStore

from phyrefine.errors import GenerationError, InvalidInputError
from phyrefine.magi.model.cache import Captions, ChunkCache
from phyrefine.magi.model.layout import Row
from phyrefine.magi.ranks.follower import BEGIN, LEAD, NOTHING, follow, here
from phyrefine.magi.ranks.group import Channel, Member, check_degree, split
from phyrefine.magi.ranks.messages import CacheState, End, Load, NewCaptions, Pass

log = logging.getLogger(__name__)

_HERE = "127.0.0.1"
_GOODBYE_SECONDS = 10
_LOOK_SECONDS = 0.1


class Leader:
    """Leads a group of processes that make every pass of one network together.

    Args:
        devices: How many, this one included.
        device: Of this process; followers take the ones after it.
        load: What followers load.

    Raises:
        InvalidInputError: The number does not fit the network or what ``torchrun`` started, or
            there are fewer GPUs.
    """

    def __init__(self, devices: int, device: torch.device, load: Load) -> None:
        check_degree(load.layout.variant.model, devices)
        found = Member.of_environment()
        if found is None and device.type == "cuda" and torch.cuda.device_count() < devices:
            raise InvalidInputError(
                f"devices={devices}, but there are {torch.cuda.device_count()} GPUs here."
            )
        if found is not None and found.size != devices:
            raise InvalidInputError(
                f"devices={devices}, but torchrun started {found.size} processes. Leave devices "
                "out, or let them agree."
            )
        if distributed.is_initialized():
            raise InvalidInputError(
                "This process leads or belongs to a group of devices already. Close the other "
                "generator's pipeline first, or load this one in a process of its own."
            )
        self._followers: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._keys: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._next = 0
        member, store = self._started(devices) if found is None else (found, found.store())
        store.set(BEGIN, f"{LEAD} {device.type}")
        self._wait_for_followers(store, devices)
        self._channel = Channel(member, store, device)
        self._channel.tell(load)
        self._open = True
        atexit.register(self.close)

    def lead(self, network: Any) -> None:
        """Split the network, and tell followers of every pass it is asked for from now on."""
        split(network, self._channel.member.size)
        network.register_forward_pre_hook(self._before, with_kwargs=True)
        network.register_forward_hook(self._after, always_call=True)

    def close(self) -> None:
        """Let the followers go."""
        if not self._open:
            return
        self._open = False
        atexit.unregister(self.close)
        try:
            self._check_followers()
            self._channel.tell(End())
        except (GenerationError, RuntimeError) as error:
            log.warning("A follower is gone already (%s); the others are stopped.", error)
            self._stop()
        self._leave()

    def _stop(self) -> None:
        for process, _ in self._followers:
            process.kill()

    def _leave(self) -> None:
        self._channel.close()
        for process, said in self._followers:
            try:
                process.wait(_GOODBYE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            said.close()

    def _started(self, devices: int) -> tuple[Member, Store]:
        """Start the followers on this machine, and open the store they meet at."""
        opened = TCPStore(_HERE, 0, is_master=True, wait_for_workers=False)
        search = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        for rank in range(1, devices):
            command = [sys.executable, "-m", "phyrefine.magi.ranks.follower", _HERE]
            said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process is gone
            process = subprocess.Popen(  # noqa: S603 - this library, started again
                [*command, str(opened.port), str(rank), str(devices)],
                env={**os.environ, "PYTHONPATH": search},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
            self._followers.append((process, said))
        member = Member(0, devices, _HERE, opened.port)
        return member, PrefixStore("phyrefine", opened)

    def _wait_for_followers(self, store: Store, devices: int) -> None:
        keys = [here(rank) for rank in range(1, devices)]
        while not store.check(keys):
            self._check_followers()
            time.sleep(_LOOK_SECONDS)

    def _before(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self._open:
            raise GenerationError(
                "The group of devices is closed. Load the generator again.", provider="magi"
            )
        self._lock.acquire()
        self._owner = threading.get_ident()
        self._check_followers()
        self._tell(*args, **kwargs)

    def _after(self, _: Any, args: tuple[Any, ...], result: Any) -> None:
        # Also runs when telling or the pass failed, in the thread that holds the lock.
        if self._owner != threading.get_ident():
            return
        if result is None and self._open:
            # Followers wait in the middle of a pass that will not be finished.
            self._open = False
            self._stop()
            self._leave()
        self._owner = None
        self._lock.release()

    def _tell(
        self,
        hidden_states: Tensor,
        rows: Sequence[Row],
        captions: Captions,
        cache: ChunkCache | None = None,
        step_size: float | None = None,
    ) -> None:
        new = None
        if captions not in self._keys:
            new = NewCaptions(tuple(captions.features.shape), captions.segments, captions.keep)
        asked = Pass(
            tuple(hidden_states.shape),
            tuple(rows),
            step_size,
            None if cache is None else self._state(cache),
            self._key(captions),
            new,
            frozenset(k for held, k in self._keys.items() if isinstance(held, ChunkCache)),
            frozenset(k for held, k in self._keys.items() if isinstance(held, Captions)),
        )
        self._channel.tell(asked)
        self._channel.send(hidden_states.float())
        if new is not None:
            self._channel.send(captions.features.float())

    def _state(self, cache: ChunkCache) -> CacheState:
        origin = None
        if cache not in self._keys and cache.origin is not None:
            origin = self._keys[cache.origin]
        state = CacheState(self._key(cache), origin, tuple(cache.chunks), cache.offload)
        cache.mirrored, cache.origin = True, None
        return state

    def _key(self, held: Any) -> int:
        if held not in self._keys:
            self._keys[held] = self._next
            self._next += 1
        return self._keys[held]

    def _check_followers(self) -> None:
        for rank, (process, said) in enumerate(self._followers, 1):
            if process.poll() is not None:
                said.seek(0)
                last = said.read().decode(errors="replace").strip().splitlines()[-1:]
                raise GenerationError(
                    f"The process of device {rank} ended with code {process.returncode}: "
                    f"{''.join(last) or 'it said nothing'}",
                    provider="magi",
                )


def follow_if_told() -> bool:
    """In a process that ``torchrun`` started to follow: do so to the end, and say so."""
    member = Member.of_environment()
    if member is None or member.rank == 0:
        return False
    follow(member)
    return True


def end_without_leading() -> None:
    """In the leading process of ``torchrun``: let followers go that were never needed."""
    member = Member.of_environment()
    if member is not None and member.rank == 0 and not distributed.is_initialized():
        member.store().set(BEGIN, f"{NOTHING} cpu")
