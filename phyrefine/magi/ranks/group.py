"""The processes of a group: who they are, how they meet, and what they send each other."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

import torch
from attrs import frozen
from torch import Tensor, distributed
from torch._C._distributed_c10d import PrefixStore, Store, TCPStore

from phyrefine.errors import InvalidInputError
from phyrefine.magi.config import MagiConfig

log = logging.getLogger(__name__)

# Followers wait for the next pass while a VLM is asked, or a notebook is idle.
PATIENCE = timedelta(days=30)
_MEETING = timedelta(minutes=10)


@frozen
class Member:
    """A process of a group.

    Attributes:
        rank: Its number; 0 leads.
        size: Processes in all.
        host: Where the store listens.
        port: At which port.
        serves: Whether this process opens the store, instead of finding it open.
        local: Its number on this machine, which is its GPU's.
    """

    rank: int
    size: int
    host: str
    port: int
    serves: bool = False
    local: int = 0

    @classmethod
    def of_environment(cls) -> Member | None:
        """What ``torchrun`` told this process, or ``None`` outside of it."""
        size = int(os.environ.get("WORLD_SIZE") or 1)
        if size < 2 or "MASTER_ADDR" not in os.environ:
            return None
        rank = int(os.environ["RANK"])
        agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        return cls(
            rank,
            size,
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            serves=rank == 0 and not agent,
            local=int(os.environ.get("LOCAL_RANK", rank)),
        )

    def store(self) -> Store:
        """The store that all members share."""
        opened = TCPStore(
            self.host, self.port, is_master=self.serves, wait_for_workers=False, timeout=_MEETING
        )
        return PrefixStore("phyrefine", opened)


class Channel:
    """Messages of the leader to all followers.

    Args:
        member: This process.
        store: See `Member.store`.
        device: Device that tensors are sent from and to.
    """

    def __init__(self, member: Member, store: Store, device: torch.device) -> None:
        self.member, self.device = member, device
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        if device.type == "cuda":
            torch.cuda.set_device(device)
        distributed.init_process_group(
            backend, store=store, rank=member.rank, world_size=member.size, timeout=_MEETING
        )
        self._words = distributed.new_group(backend="gloo", timeout=PATIENCE)

    def tell(self, message: Any) -> None:
        """Send a message; the leader's."""
        distributed.broadcast_object_list([message], src=0, group=self._words)

    def hear(self) -> Any:
        """Wait for the leader's next message."""
        held: list[Any] = [None]
        distributed.broadcast_object_list(held, src=0, group=self._words)
        return held[0]

    def send(self, tensor: Tensor) -> None:
        """Send a tensor whose shape and dtype a message told."""
        distributed.broadcast(tensor.to(self.device).contiguous(), src=0)

    def receive(self, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
        """Receive what `send` sent."""
        tensor = torch.empty(shape, dtype=dtype, device=self.device)
        distributed.broadcast(tensor, src=0)
        return tensor

    def close(self) -> None:
        """Leave the group."""
        distributed.destroy_process_group()


def check_degree(shape: MagiConfig, devices: int) -> None:
    """Refuse a number of devices that heads cannot be split over.

    Raises:
        InvalidInputError: Says which numbers fit.
    """
    heads, groups = shape.num_attention_heads, shape.num_query_groups
    fitting = [n for n in range(1, groups + 1) if groups % n == 0 and heads % n == 0]
    if devices not in fitting:
        raise InvalidInputError(
            f"devices={devices} does not fit MAGI-1: every device takes an equal share of "
            f"{heads} query heads and {groups} key heads. Take one of "
            f"{', '.join(map(str, fitting))}."
        )


def split(network: Any, degree: int) -> None:
    """Split the tokens of every chunk over the group (Ulysses), on every member alike."""
    from diffusers import ContextParallelConfig

    _keep_to_divisible_attention(network)
    with _counted_accelerators():
        network.enable_parallelism(config=ContextParallelConfig(ulysses_degree=degree))


def _keep_to_divisible_attention(network: Any) -> None:
    """Another pipeline may have set a backend for the whole process that knows one device only."""
    from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

    active, _ = _AttentionBackendRegistry.get_active_backend()
    if _AttentionBackendRegistry._is_context_parallel_available(active):  # noqa: SLF001 - no public way
        return
    log.warning(
        "The attention backend %r of this process cannot be divided over devices: MAGI-1 uses "
        "'native' instead.",
        active.value,
    )
    for module in network.modules():
        if hasattr(getattr(module, "processor", None), "_attention_backend"):
            module.processor._attention_backend = AttentionBackendName.NATIVE  # noqa: SLF001 - for this network alone


@contextmanager
def _counted_accelerators() -> Iterator[None]:
    """Diffusers takes the rank modulo the accelerators there are; on a CPU that is one device."""
    if torch.accelerator.device_count():
        yield
    else:
        with mock.patch.object(torch.accelerator, "device_count", return_value=1):
            yield
