import socket

import pytest
from attrs import evolve

from phyrefine.testing import (
    ContractError,
    MovingDot,
    NetworkUseError,
    ScriptedAsker,
    check_generator,
    check_llm,
    check_vlm,
    no_network,
)
from phyrefine.types import Answer


def test_our_fakes_keep_the_contracts():
    check_generator(MovingDot())
    check_vlm(ScriptedAsker(["text"]))
    check_llm(ScriptedAsker(["text"]))


class Broken(MovingDot):
    def __init__(self, change):
        super().__init__()
        self.change = change
        self.count = 0

    def generate(self, shot):
        self.count += 1
        return self.change(super().generate(shot), self.count)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda clip, n: clip.seconds(0, 0.5), "frames instead of"),
        (lambda clip, n: clip.resize(8, 8), "pixels instead of"),
        (lambda clip, n: evolve(clip, native=None), "native"),
        (lambda clip, n: evolve(clip, frames=clip.frames[::-1]) if n % 2 else clip, "same shot"),
        (lambda clip, n: evolve(clip, fps=12.0), "fps instead of"),
    ],
)
def test_broken_generators_are_caught(change, message):
    with pytest.raises(ContractError, match=message):
        check_generator(Broken(change))


def test_generators_that_ignore_the_seed_are_caught():
    class Deaf(MovingDot):
        def generate(self, shot):
            return super().generate(evolve(shot, seed=0))

    with pytest.raises(ContractError, match="Another seed"):
        check_generator(Deaf())


def test_askers_that_say_nothing_or_count_nothing_are_caught():
    with pytest.raises(ContractError, match="no text"):
        check_llm(ScriptedAsker([" "]))
    with pytest.raises(ContractError, match="count its call"):
        check_llm(ScriptedAsker([Answer("x")]))


def test_identities_with_addresses_are_caught():
    class Nameless:
        def ask(self, question):
            return ScriptedAsker(["x"]).ask(question)

    with pytest.raises(ContractError, match="memory address"):
        check_llm(Nameless())


def test_the_network_guard():
    with no_network():
        with pytest.raises(NetworkUseError, match=r"93\.184"), socket.socket() as out:
            out.connect(("93.184.216.34", 80))
        with pytest.raises(NetworkUseError, match=r"look up example\.org"):
            socket.getaddrinfo("example.org", 80)
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname()).close()
