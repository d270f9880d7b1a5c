"""The words that the generator learns, and captions as rows of their numbers."""

from __future__ import annotations

import functools

from phyrefine.world.generator.network import Tokenizer, words_of
from phyrefine.world.truth.captions.openings import DESCRIPTIONS, FILLER
from phyrefine.world.truth.captions.wording import TOPICS
from phyrefine.world.truth.physics.scene import COLOURS, RESTITUTION

TOPIC_INDEX = {name: index for index, name in enumerate(TOPICS)}


def vocabulary() -> tuple[str, ...]:
    """Every word of the training sentences, sorted."""
    known = {*COLOURS, *RESTITUTION}
    for topic in (*TOPICS.values(), *DESCRIPTIONS.values(), FILLER):
        for sentence in topic.training:
            known.update(
                words_of(
                    sentence.format(
                        b="the ball it", o="the stack", colour="", other="", material=""
                    )
                )
            )
    return tuple(sorted(known))


@functools.lru_cache(maxsize=1)
def tokenizer() -> Tokenizer:
    """The tokenizer of the training captions."""
    return Tokenizer(vocabulary())
