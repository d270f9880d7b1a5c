"""A follower: holds its share of the network, and makes every pass with the leader.

python -m phyrefine.magi.ranks.follower HOST PORT RANK SIZE
"""

from __future__ import annotations

import sys
from typing import Any

import torch

from phyrefine.magi.model.cache import Captions, ChunkCache
from phyrefine.magi.ranks.group import PATIENCE, Channel, Member, split
from phyrefine.magi.ranks.messages import CacheState, End, Load, Pass
from phyrefine.magi.weights.models import load_network

BEGIN, LEAD, NOTHING = "begin", "lead", "nothing"


def here(rank: int) -> str:
    """Key that a follower sets once it is ready to join."""
    return f"here {rank}"


class Follower:
    """What a follower keeps between passes.

    Args:
        channel: Messages of the leader.
        network: Its share of the network.
    """

    def __init__(self, channel: Channel, network: Any) -> None:
        self._channel, self._network = channel, network
        self._caches: dict[int, ChunkCache] = {}
        self._captions: dict[int, Captions] = {}

    def make(self, asked: Pass) -> None:
        """Make one pass; its result is the leader's."""
        latents = self._channel.receive(asked.shape)
        if asked.new_captions is not None:
            new = asked.new_captions
            features = self._channel.receive(new.shape)
            self._captions[asked.captions] = Captions(features, new.segments, keep=new.keep)
        cache = None if asked.cache is None else self._cache(asked.cache)
        captions = self._captions[asked.captions]
        self._network(latents, asked.rows, captions, cache, asked.step_size)
        self._caches = {k: v for k, v in self._caches.items() if k in asked.caches_alive}
        self._captions = {k: v for k, v in self._captions.items() if k in asked.captions_alive}

    def _cache(self, state: CacheState) -> ChunkCache:
        if state.key not in self._caches:
            origin = None if state.origin is None else self._caches[state.origin]
            made = ChunkCache(offload=state.offload) if origin is None else origin.copy()
            self._caches[state.key] = made
        cache = self._caches[state.key]
        cache.keep_only(state.chunks)
        return cache


def follow(member: Member) -> None:
    """Serve the leader until it ends, or until there is nothing to lead.

    Args:
        member: This process.
    """
    store = member.store()
    store.wait([BEGIN], PATIENCE)
    begin, kind = store.get(BEGIN).decode().split()
    if begin != LEAD:
        return
    device = torch.device(kind, member.local) if kind == "cuda" else torch.device(kind)
    store.set(here(member.rank), "")
    channel = Channel(member, store, device)
    asked: Load = channel.hear()
    torch.set_num_threads(asked.threads)
    network = load_network(asked.layout, asked.dtype, asked.plan, device)
    network.max_tokens = asked.plan.max_tokens
    split(network, member.size)
    follower = Follower(channel, network)
    while not isinstance(message := channel.hear(), End):
        follower.make(message)
    channel.close()


def main() -> None:
    """Follow as the command line says; see the module."""
    host, port, rank, size = sys.argv[1:]
    follow(Member(int(rank), int(size), host, int(port), local=int(rank)))


if __name__ == "__main__":
    main()
