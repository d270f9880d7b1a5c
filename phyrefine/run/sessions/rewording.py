"""A prompt that a service refuses goes back to the rewriter once, outside the paper's loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import define, evolve, field

from phyrefine.errors import BlockedError, RefusedError
from phyrefine.protocols import LLM, VideoGenerator, identity
from phyrefine.refine import prompts, replies
from phyrefine.refine.each_clip import generate_each
from phyrefine.types import Attempt, Chunk, GeneratorProfile, Prompt, Question, Shot
from phyrefine.video.clip import Clip


@define
class RewordingGenerator:
    """A generator that tries a refused prompt once more, in other words.

    Attributes:
        backend: The generator, wrapped.
        llm: The rewriter, wrapped.
        reworded: What was refused: (the new prompt, why), by the refused text.
    """

    backend: Any
    llm: LLM
    reworded: dict[str, tuple[Prompt, str]] = field(factory=dict, init=False)

    @property
    def identity(self) -> str:
        """The backend's."""
        return identity(self.backend)

    @property
    def profile(self) -> GeneratorProfile:
        """The backend's."""
        profile: GeneratorProfile = self.backend.profile
        return profile

    def generate(self, shot: Shot) -> Clip:
        """Generate; after a refusal once more, with the prompt in other words.

        Raises:
            BlockedError: The new words were refused too.
        """
        try:
            clip: Clip = self.backend.generate(self._known(shot))
        except (BlockedError, RefusedError) as error:
            self._reword(shot.prompt, error)
            clip = self.backend.generate(self._known(shot))
        return clip

    def generate_each(self, shots: Sequence[Shot]) -> Iterator[Clip]:
        """Generate one after another, or in batches; after a refusal the rest in other words.

        Raises:
            BlockedError: The new words were refused too.
        """
        done = 0
        while done < len(shots):
            clips = generate_each(self.backend, [self._known(shot) for shot in shots[done:]])
            try:
                for clip in clips:
                    yield clip
                    done += 1
            except (BlockedError, RefusedError) as error:
                self._reword(shots[done].prompt, error)

    def stream(self, shot: Shot) -> Iterator[Chunk]:
        """The backend's; models in this process refuse nothing."""
        chunks: Iterator[Chunk] = self.backend.stream(shot)
        return chunks

    def deliver(self, shot: Shot, chunks: Sequence[Clip]) -> Clip:
        """The backend's."""
        clip: Clip = self.backend.deliver(shot, chunks)
        return clip

    def _known(self, shot: Shot) -> Shot:
        found = self.reworded.get(shot.prompt.text)
        return shot if found is None else evolve(shot, prompt=found[0], chunk_prompts=())

    def _reword(self, prompt: Prompt, error: BlockedError | RefusedError) -> None:
        """Find other words for a prompt, once."""
        if prompt.text in self.reworded:
            raise error
        self.reworded[prompt.text] = (self._other_words(prompt, error), str(error))

    def _other_words(self, prompt: Prompt, error: Exception) -> Prompt:
        question = Question(
            "compose",
            prompts.render("reword_question", prompt=prompt.text, why=str(error)),
            schema=prompts.schema("compose"),
        )
        text, _ = replies.read_prompt(self.llm.ask(question).text)
        return Prompt(text)


def as_rendered(generator: VideoGenerator, attempt: Attempt) -> Attempt:
    """The attempt with the prompt that was really rendered, and a note of the refused one."""
    known = generator.reworded if isinstance(generator, RewordingGenerator) else {}
    if attempt.prompt.text not in known:
        return attempt
    prompt, why = known[attempt.prompt.text]
    note = f"the service refused {attempt.prompt.text!r}, and it was reworded ({why})"
    return evolve(attempt, prompt=prompt, notes=(*attempt.notes, note))
