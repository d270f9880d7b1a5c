"""Fakes and contract suites, for our tests and for those who write backends.

::

    from phyrefine.testing import check_generator

    def test_contract():
        check_generator(MyGenerator())
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from attrs import define, evolve, field

from phyrefine.adapt import AskFunction, GenerateFunction, as_generator, as_llm, as_vlm
from phyrefine.errors import BadOutputError, PhyrefineError, WrongReplyError
from phyrefine.identities import identity, name_of, why_unnamed
from phyrefine.protocols import LLM, VLM, VideoGenerator, batch_size_for
from phyrefine.refine import prompts, replies
from phyrefine.types import Answer, Chunk, GeneratorProfile, Prompt, Question, Shot, Usage
from phyrefine.video.clip import Clip, join
from phyrefine.video.delivery import deliver
from phyrefine.video.seam import check_seam

# -- fakes -------------------------------------------------------------------------------------


@define
class ScriptedAsker:
    """A VLM or an LLM that gives prepared replies in turn and remembers what it was asked.

    A reply that is an exception is raised. When the script is used up the last reply repeats.

    Attributes:
        replies: Texts, Answers or exceptions.
        asked: Every question so far.
    """

    replies: Sequence[str | Answer | BaseException]
    identity: str = "scripted"
    asked: list[Question] = field(factory=list, init=False)

    def ask(self, question: Question) -> Answer:
        """Give the next reply."""
        reply = self.replies[min(len(self.asked), len(self.replies) - 1)]
        self.asked.append(question)
        if isinstance(reply, BaseException):
            raise reply
        return reply if isinstance(reply, Answer) else Answer(reply, "scripted", Usage(calls=1))


@define
class MovingDot:
    """A video generator that draws a dot moving over noise: small, quick and deterministic.

    The prompt and the seed move the dot's path, so different prompts give different clips.

    Attributes:
        profile: Any profile, to test how callers treat it.
        shots: Every shot so far.
        fail: Called with each shot; may raise.
        batch_size: Most shots that it takes in one call.
        calls: Shots in each call so far.
    """

    profile: GeneratorProfile = field(
        factory=lambda: GeneratorProfile("moving-dot", fps=8.0, context_frames=1)
    )
    shots: list[Shot] = field(factory=list, init=False)
    fail: Callable[[Shot], None] | None = None
    identity: str = "moving-dot"
    batch_size: int = 1
    calls: list[int] = field(factory=list, init=False)

    def generate(self, shot: Shot) -> Clip:
        """Draw the dot at the native rate and deliver what was asked for."""
        self.calls.append(1)
        return self._drawn(shot)

    def batch_size_for(self, shot: Shot) -> int:
        """As it was told."""
        return self.batch_size

    def generate_many(self, shots: Sequence[Shot]) -> list[Clip]:
        """Draw several dots in one call."""
        self.calls.append(len(shots))
        return [self._drawn(shot) for shot in shots]

    def _drawn(self, shot: Shot) -> Clip:
        self.shots.append(shot)
        if self.fail is not None:
            self.fail(shot)
        height, width = shot.size or self.profile.size or (32, 32)
        fps = self.profile.fps or shot.fps
        count = max(1, round(shot.seconds * fps))
        pace = 0.3 + sum(shot.prompt.text.encode()) % 17 / 10
        noise = np.random.default_rng(shot.seed).integers(0, 24, (count, height, width, 3))
        frames = noise.astype(np.uint8)
        for index in range(count):
            row, column = int(pace * index) % (height - 3), int(2 * pace * index) % (width - 3)
            frames[index, row : row + 3, column : column + 3] = 255
        return deliver(Clip(frames, fps), frames=shot.frames, fps=shot.fps, size=shot.size)


@define
class StreamingDot:
    """A streaming generator whose every chunk depends on the state the last one left.

    Attributes:
        chunk_frames: Native frames in a chunk.
        made: Every chunk so far, by its index.
        fail: Called with the index of each chunk before it is made; may raise.
        batch_size: Most shots that it takes in one call.
        calls: Shots in each call so far.
    """

    chunk_frames: int = 8
    made: list[int] = field(factory=list, init=False)
    fail: Callable[[int], None] | None = None
    identity: str = "streaming-dot"
    batch_size: int = 1
    calls: list[int] = field(factory=list, init=False)
    profile: GeneratorProfile = field(
        factory=lambda: GeneratorProfile("streaming-dot", fps=8.0, streaming=True)
    )

    def generate(self, shot: Shot) -> Clip:
        """All chunks, delivered."""
        made = [chunk.clip for chunk in self.stream(shot)]
        return self.deliver(shot, [*shot.accepted, *made])

    def stream(self, shot: Shot) -> Iterator[Chunk]:
        """Chunks after the accepted ones; the state is a digest of all that went before."""
        self.calls.append(1)
        yield from self._streamed(shot)

    def batch_size_for(self, shot: Shot) -> int:
        """As it was told."""
        return self.batch_size

    def generate_many(self, shots: Sequence[Shot]) -> list[Clip]:
        """All chunks of several shots, delivered."""
        rounds = zip(*self.stream_many(shots), strict=True)
        return [
            self.deliver(shot, [*shot.accepted, *(chunk.clip for chunk in chunks)])
            for shot, chunks in zip(shots, rounds, strict=True)
        ]

    def stream_many(self, shots: Sequence[Shot]) -> Iterator[list[Chunk]]:
        """A chunk of every shot at a time."""
        self.calls.append(len(shots))
        yield from map(list, zip(*map(self._streamed, shots), strict=True))

    def _streamed(self, shot: Shot) -> Iterator[Chunk]:
        fps = self.profile.fps or shot.fps
        state = shot.state or hashlib.blake2b(f"{shot.prompt.text} {shot.seed}".encode()).digest()
        for index in range(len(shot.accepted), -(-round(shot.seconds * fps) // self.chunk_frames)):
            if self.fail is not None:
                self.fail(index)
            self.made.append(index)
            state = hashlib.blake2b(state).digest()
            size = shot.size or (32, 32)
            noise = np.random.default_rng(list(state))
            frames = noise.integers(0, 256, (self.chunk_frames, *size, 3), dtype=np.uint8)
            yield Chunk(Clip(frames, fps), state)

    def deliver(self, shot: Shot, chunks: Sequence[Clip]) -> Clip:
        """The chunks, joined, as asked for."""
        return deliver(join(chunks), frames=shot.frames, fps=shot.fps, size=shot.size)


def moving_clip(frames: int = 24, size: tuple[int, int] = (32, 32), fps: float = 8.0) -> Clip:
    """A small deterministic clip in which something moves."""
    shot = Shot(Prompt("a dot moves"), seconds=frames / fps, fps=fps, size=size)
    return evolve(MovingDot().generate(shot), native=None)


def _steady_clip(frames: int, size: tuple[int, int], fps: float) -> Clip:
    """A square that moves a little in every frame, so that no two frames are the same picture."""
    height, width = size
    side = max(2, min(size) // 5)
    rows = np.linspace(0, height - side, frames)
    columns = (np.arange(frames) * max(1, width // 24)) % (width - side)
    pictures = np.full((frames, height, width, 3), 40, np.uint8)
    for picture, row, column in zip(pictures, rows.astype(int), columns, strict=True):
        picture[row : row + side, column : column + side] = 230
    return Clip(pictures, fps)


# -- contract suites ---------------------------------------------------------------------------

# Mean difference of a clip made in a batch from the same made alone, in levels of 255; 16-bit
# floats on a GPU round more coarsely than 32-bit ones.
ROUNDING = 2.0


class ContractError(PhyrefineError, AssertionError):
    """A backend does not keep its contract."""


def _require(kept: bool, message: str) -> None:
    if not kept:
        raise ContractError(message)


def check_vlm(
    vlm: VLM | AskFunction, *, question: Question | None = None, form: bool | None = None
) -> Answer:
    """Check that a VLM answers about a clip with text, a model name and usage.

    Args:
        vlm: An object with ``ask``, or a function of one question.
        question: What to ask.
        form: Ask as the critique stage does, and check that the reply has the form it needs. By
            default only functions are held to it: a model that is too small to follow a schema can
            still be wrapped correctly.

    Raises:
        ContractError: What is not kept, in words.
    """
    strict = not hasattr(vlm, "ask") if form is None else form
    plain = Question(
        "critique", "What moves in this video?", clips=(moving_clip(),), labels=("video",)
    )
    return _check_asker(as_vlm(vlm), question or (critique_question() if strict else plain))


def check_llm(
    llm: LLM | AskFunction, *, question: Question | None = None, form: bool | None = None
) -> Answer:
    """Check that an LLM answers; with ``form``, that it rewrites a text into a prompt.

    Args:
        llm: An object with ``ask``, or a function of one question.
        question: What to ask.
        form: As for :func:`check_vlm`.

    Raises:
        ContractError: What is not kept, in words.
    """
    strict = not hasattr(llm, "ask") if form is None else form
    plain = Question("compose", "A ball falls and bounces.")
    return _check_asker(as_llm(llm), question or (compose_question() if strict else plain))


def critique_question() -> Question:
    """A question of the critique stage as the loop asks it, about a clip of 1 second."""
    clip = moving_clip()
    text = prompts.render(
        "critique_question", seam=None, total=clip.duration, description="A dot moves.",
        violations=(), plan=(), second_look=False,
    )  # fmt: skip
    return Question(
        "critique", text, prompts.render("critique", knowledge=prompts.knowledge()), (clip,),
        ("video",), schema=prompts.schema("critique"),
    )  # fmt: skip


def compose_question() -> Question:
    """A question of the compose stage as the loop asks it, of prose."""
    text = prompts.render(
        "compose_paper_question", seconds=5.0, style="prose", limit=None,
        physics_text="A ball falls, speeds up, hits the floor and bounces lower each time.",
    )  # fmt: skip
    return Question(
        "compose", text, prompts.render("compose", style="prose"),
        schema=prompts.schema("compose"),
    )  # fmt: skip


def _check_asker(asker: VLM | LLM, question: Question) -> Answer:
    try:
        answer = asker.ask(question)
    except WrongReplyError as error:
        raise ContractError(str(error)) from error
    _require(isinstance(answer, Answer), f"ask() must return an Answer, not {type(answer)}.")
    _require(isinstance(answer.text, str), f"ask() must return text, not {answer.text!r}.")
    _require(bool(answer.text.strip()), "ask() returned no text and raised no error.")
    try:
        replies.check(question, answer.text)
    except BadOutputError as error:
        wrong = WrongReplyError.of(name_of(asker), question, repr(answer.text), str(error))
        raise ContractError(str(wrong)) from error
    _require(answer.usage.calls >= 1, "ask() must count its call in Answer.usage.calls.")
    _check_identity(asker)
    return answer


def check_generator(
    generator: VideoGenerator | GenerateFunction,
    *,
    prefix: Clip | None = None,
    seconds: float = 1.0,
    options: dict[str, Any] | None = None,
) -> Clip:
    """Check counts, sizes, the seam, seeds, native frames, streaming and batches where offered.

    Args:
        generator: The backend.
        prefix: What to continue; by default a clip that moves in every frame, at the model's size.
        seconds: Length asked for.
        options: Passed as ``Shot.options``.

    Raises:
        ContractError: What is not kept, in words.
    """
    generator = as_generator(generator)
    profile = generator.profile
    prefix = prefix or _steady_clip(72, profile.size or (32, 32), 24.0)
    shot = Shot(
        Prompt("the dot keeps moving"),
        prefix,
        seconds=seconds,
        fps=24.0,
        size=(34, 46),
        seed=3,
        options=options or {},
    )
    clip = generator.generate(shot)
    report = check_seam(prefix, clip, frames=shot.frames, fps=24.0, size=(34, 46))
    wrong = [fault for fault in report.faults if "jump" not in fault]
    _require(not wrong, f"generate() broke its contract: {'; '.join(wrong)}.")
    _require(clip.native is not None, "generate() must keep the model's own frames in native.")
    _require(generator.generate(shot) == clip, "The same shot must give the same clip.")
    other = generator.generate(evolve(shot, seed=4))
    _require(other != clip, "Another seed must give another clip.")
    _check_identity(generator)
    if profile.streaming:
        _check_stream(generator, shot, clip)
    if batch_size_for(generator, shot) > 1:
        _check_batch(generator, [shot, evolve(shot, seed=4)], [clip, other])
    return clip


def _check_batch(generator: Any, shots: Sequence[Shot], alone: Sequence[Clip]) -> None:
    """Clips of a batch are those made alone, in order, but for rounding."""
    made = list(generator.generate_many(shots))
    _require(len(made) == len(shots), f"generate_many() gave {len(made)} clips for {len(shots)}.")
    _require(
        all(map(_alike, made, alone)),
        "generate_many() must give the clips that generate() gives, in the order of the shots; "
        f"they may differ by {ROUNDING:g} of 255 levels on average.",
    )
    if not generator.profile.streaming:
        return
    rounds = [list(chunks) for chunks in generator.stream_many(shots)]
    clips = [[chunk.clip for chunk in chunks] for chunks in zip(*rounds, strict=True)]
    joined = [generator.deliver(shot, each) for shot, each in zip(shots, clips, strict=True)]
    _require(all(map(_alike, joined, alone)), "stream_many() must add up to generate().")
    if len(rounds) > 1:
        begun = [
            evolve(shot, accepted=(chunk.clip,), state=chunk.state)
            for shot, chunk in zip(shots, rounds[0], strict=True)
        ]
        rest = zip(*generator.stream_many(begun), strict=True)
        gone_on = [[first[0], *(chunk.clip for chunk in more)]
                   for first, more in zip(clips, rest, strict=True)]  # fmt: skip
        again = [generator.deliver(shot, each) for shot, each in zip(shots, gone_on, strict=True)]
        _require(
            all(map(_alike, again, alone)),
            "stream_many() must go on after accepted chunks as if it had not stopped.",
        )


def _alike(one: Clip, other: Clip) -> bool:
    if one.frames.shape != other.frames.shape:
        return False
    return bool(np.abs(one.frames.astype(np.int16) - other.frames).mean() <= ROUNDING)


def _check_stream(generator: Any, shot: Shot, whole: Clip) -> None:
    chunks = list(generator.stream(shot))
    clips = [chunk.clip for chunk in chunks]
    _require(generator.deliver(shot, clips) == whole, "stream() must add up to generate().")
    if len(chunks) > 1:
        begun = evolve(shot, accepted=(clips[0],), state=chunks[0].state)
        rest = [chunk.clip for chunk in generator.stream(begun)]
        _require(rest == clips[1:], "Going on after accepted chunks must equal not stopping.")


def _check_identity(backend: object) -> None:
    said = identity(backend)
    _require(
        " at 0x" not in said,
        f"identity must not hold a memory address: {said!r} ({why_unnamed(backend)}). Give the "
        "backend an `identity` attribute that names model and settings, or wrap it in "
        "phyrefine.identified().",
    )


# -- the network guard -------------------------------------------------------------------------


class NetworkUseError(PhyrefineError, AssertionError):
    """A test tried to leave this machine."""


@contextlib.contextmanager
def no_network() -> Iterator[None]:
    """Within the block only loopback and Unix sockets can be connected to.

    Raises:
        NetworkUseError: Inside the block, at the connection or name look-up.
    """
    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> Any:
        if self.family != getattr(socket, "AF_UNIX", None) and not _is_loopback(address[0]):
            raise NetworkUseError(f"This test tried to connect to {address[0]}.")
        return connect(self, address)

    def guarded_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None and not _is_loopback(host):
            raise NetworkUseError(f"This test tried to look up {host}.")
        return lookup(host, *args, **kwargs)

    socket.socket.connect = guarded_connect  # type: ignore[method-assign, assignment]
    socket.getaddrinfo = guarded_lookup
    try:
        yield
    finally:
        socket.socket.connect = connect  # type: ignore[method-assign]
        socket.getaddrinfo = lookup


def _is_loopback(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False
