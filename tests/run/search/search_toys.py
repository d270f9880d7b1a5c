"""A streaming generator with bad chunks at known places, and a verifier that sees them."""

import hashlib

import numpy as np
from attrs import define, field, frozen

from phyrefine.testing import moving_clip
from phyrefine.types import Chunk, Critique, GeneratorProfile, Prompt, Scenario, Shot, Violation
from phyrefine.video.clip import Clip, join
from phyrefine.video.delivery import deliver

CHUNKS, FRAMES = 5, 4
SHOT = Shot(Prompt("a dot moves"), moving_clip(24, (16, 16)), seconds=2.5, fps=8.0, size=(16, 16))


@define
class ToyStream:
    """Half-second chunks of 4 frames; ``bad(index, seed)`` says which are painted white.

    A chunk's pixels depend on its seed and its index, and on the state before it.
    """

    bad: object
    made: list = field(factory=list, init=False)
    identity: str = "toy"
    profile: GeneratorProfile = field(
        factory=lambda: GeneratorProfile("toy", fps=8.0, streaming=True, chunk_frames=FRAMES)
    )

    def generate(self, shot):
        made = [chunk.clip for chunk in self.stream(shot)]
        return self.deliver(shot, [*shot.accepted, *made])

    def stream(self, shot):
        state = shot.state or b""
        for index in range(len(shot.accepted), CHUNKS):
            self.made.append(index)
            state = hashlib.blake2b(state + f"{shot.seed} {index}".encode()).digest()
            noise = np.random.default_rng(list(state))
            frames = noise.integers(0, 120, (FRAMES, 16, 16, 3), dtype=np.uint8)
            if self.bad(index, shot.seed):
                frames[:] = frames // 4 + 200
            if shot.prompt.text != SHOT.prompt.text or shot.chunk_prompts:
                texts = [one.text for one in shot.chunk_prompts] or [shot.prompt.text] * CHUNKS
                frames[:, 0, 0] = len(texts[index])
            yield Chunk(Clip(frames, 8.0), state)

    def deliver(self, shot, chunks):
        return deliver(join(chunks), frames=shot.frames, fps=shot.fps, size=shot.size)


@frozen
class SeesWhite:
    """A perfect verifier: each white chunk is a violation at its beginning."""

    severity: float = 0.5
    identity: str = "sees-white"

    def verify(self, look):
        found = tuple(
            Violation("permanence", "white", start=start / 8.0, severity=self.severity)
            for start in range(0, len(look.clip), FRAMES)
            if look.clip.frames[start].mean() > 150
        )
        return Critique("a dot moves", found)


def scenario(name="toy"):
    return Scenario("a dot moves", SHOT.prefix, seconds=2.5, fps=8.0, size=(16, 16), name=name)
