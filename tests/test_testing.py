import json
import re
import socket

import numpy as np
import pytest
from attrs import evolve

from phyrefine.testing import (
    ContractError,
    MovingDot,
    NetworkUseError,
    ScriptedAsker,
    StreamingDot,
    check_generator,
    check_llm,
    check_vlm,
    no_network,
)
from phyrefine.types import Answer, GeneratorProfile
from phyrefine.video import Clip, context, deliver


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
        def __init__(self):
            self.connection = socket.socket()

        def ask(self, question):
            return ScriptedAsker(["A dot moves."]).ask(question)

    nameless = Nameless()
    with pytest.raises(ContractError, match="memory address"), nameless.connection:
        check_llm(nameless)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, "returned None"), (42, "returned 42"), ("The ball falls.", 'like {"observed"'),
        ({"answer": 1}, 'The key "violations" is missing'), (Answer(""), "no text"),
    ],
)  # fmt: skip
def test_functions_of_the_wrong_form_are_caught(said, told):
    with pytest.raises(ContractError, match=re.escape(told)):
        check_vlm(lambda question: said)


def test_functions_of_the_right_form_pass():
    critique = {"observed": "", "moving": True, "violations": [], "corrected": "It moves on."}

    async def vlm(question):
        return critique

    check_vlm(vlm)
    check_vlm(lambda question: json.dumps(critique))
    check_llm(lambda question: "A dot moves to the right and stops.")


def test_the_network_guard():
    with no_network():
        with pytest.raises(NetworkUseError, match=r"93\.184"), socket.socket() as out:
            out.connect(("93.184.216.34", 80))
        with pytest.raises(NetworkUseError, match=r"look up example\.org"):
            socket.getaddrinfo("example.org", 80)
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname()).close()


class GivesThePrefixBack(MovingDot):
    """Some frames of the prefix, then new ones: the commonest mistake of an adapter."""

    def __init__(self, fps, frames, counted_from="seam"):
        super().__init__(GeneratorProfile("gives-back", fps=fps))
        self.identity = f"gives-back:{fps}:{frames}:{counted_from}"
        self.frames, self.counted_from = frames, counted_from

    def generate(self, shot):
        fps = self.profile.fps
        head = context(shot.prefix, fps=fps).frames[-self.frames :]
        if self.counted_from == "last frame":
            step = round(shot.prefix.fps / fps)
            head = shot.prefix.frames[::-step][: self.frames][::-1]
        count = round(shot.seconds * fps)
        noise = np.random.default_rng(shot.seed)
        steps = [
            np.roll(head[-1], 2 * index + 1, 1) + noise.normal(0, 3, head[-1].shape)
            for index in range(count)
        ]
        new = np.clip(np.array(steps), 0, 255).astype(np.uint8)
        native = Clip(np.concatenate([head, new])[:count], fps)
        return deliver(native, frames=shot.frames, fps=shot.fps, size=shot.size)


@pytest.mark.parametrize("fps", [8.0, 12.0, 16.0, 24.0, 30.0])
@pytest.mark.parametrize("frames", [6, 12, 1000])
def test_generators_that_give_the_prefix_back_are_caught(fps, frames):
    with pytest.raises(ContractError, match="repeat the prefix"):
        check_generator(GivesThePrefixBack(fps, frames), seconds=5.0)


@pytest.mark.parametrize("fps", [8.0, 12.0])
@pytest.mark.parametrize("frames", [2, 6, 1000])
def test_frames_counted_from_the_last_one_are_caught_too(fps, frames):
    with pytest.raises(ContractError, match="repeat the prefix"):
        check_generator(GivesThePrefixBack(fps, frames, "last frame"), seconds=5.0)


class OutOfOrder(MovingDot):
    def generate_many(self, shots):
        return super().generate_many(shots)[::-1]


class OneShort(MovingDot):
    def generate_many(self, shots):
        return super().generate_many(shots)[1:]


class ForgetsWhatWasAccepted(StreamingDot):
    def stream_many(self, shots):
        yield from super().stream_many([evolve(shot, state=None) for shot in shots])


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (OutOfOrder, "in the order of the shots"),
        (OneShort, "gave 1 clips for 2"),
        (ForgetsWhatWasAccepted, "as if it had not stopped"),
    ],
)
def test_broken_batches_are_caught(kind, told):
    check_generator(kind(), seconds=2.0)
    with pytest.raises(ContractError, match=told):
        check_generator(kind(batch_size=2), seconds=2.0)
