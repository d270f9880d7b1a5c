"""A dialect as a value, read from its file."""

from __future__ import annotations

import functools
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

from attrs import evolve, field, frozen, validators

from phyrefine._closest import did_you_mean
from phyrefine.errors import InvalidInputError
from phyrefine.serialize import from_json
from phyrefine.types import GeneratorProfile
from phyrefine.types.plan import Kind

_FOLDER = files("phyrefine.refine.dialects") / "files"
# Without any stated limit a prompt has at most this many words.
DEFAULT_WORDS = 120


@frozen
class Dialect:
    """How one kind of video model wants to be spoken to.

    Attributes:
        name: Name, as a generator's profile gives it.
        summary: One line for lists.
        source: Where its rules come from.
        kind: ``prose``; ``timed`` (every event with its span in seconds); ``json`` (one object).
        instruction: What the rewriter is told, beside the plan.
        template: Jinja template that assembles a prompt from a plan.
        example: A prompt in this dialect.
        says: Kinds of statements it has a place for, see :class:`~phyrefine.types.Statement`.
        words: Longest prompt in words; ``None`` leaves it to the generator.
        tokens: Longest prompt in the model's tokens; ``None`` leaves it to the generator.
        keys: Keys a ``json`` prompt must have.
        laws: Names of laws may stand in it.
        negations: Words such as "not" may be added; else it says what is seen.
        negative: What the last video showed wrong goes into a negative prompt.
        handover: A prompt per chunk ends with how the next chunk begins.
    """

    name: str = field(validator=validators.min_len(1))
    summary: str
    source: str = field(validator=validators.min_len(1))
    kind: Literal["prose", "timed", "json"]
    instruction: str = field(validator=validators.min_len(1))
    template: str = field(validator=validators.min_len(1))
    example: str = field(validator=validators.min_len(1))
    says: tuple[Kind, ...] = (
        "description", "scene", "camera", "object", "event", "end", "unchanged"
    )  # fmt: skip
    words: int | None = field(
        default=None, validator=validators.optional(validators.ge(1)), kw_only=True
    )
    tokens: int | None = field(
        default=None, validator=validators.optional(validators.ge(1)), kw_only=True
    )
    keys: tuple[str, ...] = field(default=(), kw_only=True)
    laws: bool = field(default=False, kw_only=True)
    negations: bool = field(default=False, kw_only=True)
    negative: bool = field(default=True, kw_only=True)
    handover: bool = field(default=False, kw_only=True)

    def limits(self, profile: GeneratorProfile) -> tuple[int, int | None]:
        """(words, tokens): the tighter of the dialect's and the generator's.

        Args:
            profile: The generator's. Its words are those of prose: a ``json`` dialect with a limit
                of its own keeps that.
        """
        tokens = [limit for limit in (self.tokens, profile.prompt_tokens) if limit is not None]
        words = [limit for limit in (self.words, profile.prompt_words) if limit is not None]
        if self.kind == "json" and self.words is not None:
            words = [self.words]
        return min(words, default=DEFAULT_WORDS), min(tokens, default=None)


def names() -> tuple[str, ...]:
    """Names of the dialects that come with the package, sorted."""
    return tuple(sorted(item.name.removesuffix(".toml") for item in _shipped()))


def find(name: str | Path) -> Dialect:
    """A dialect by name, or from a file of one's own.

    Args:
        name: One of :func:`names`, or the path of a ``.toml`` file.

    Raises:
        InvalidInputError: No such dialect, or the file does not fit; the message says where.
    """
    if str(name).endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise InvalidInputError(f"No dialect file {path}: give the path of a .toml file.")
        return _read(path)
    if str(name) not in names():
        hint = did_you_mean(str(name), names())
        raise InvalidInputError(
            f"No dialect {str(name)!r}: use one of {', '.join(names())}, or the path of a .toml "
            f"file of your own.{hint}"
        )
    return _named(str(name))


@functools.cache
def _named(name: str) -> Dialect:
    return _read(_FOLDER / f"{name}.toml")


def _shipped() -> list[Traversable]:
    return [item for item in _FOLDER.iterdir() if item.name.endswith(".toml")]


def _read(path: Traversable | Path) -> Dialect:
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is not a TOML file: {error}.") from error
    try:
        dialect = from_json(found, Dialect)
    except InvalidInputError as error:
        raise InvalidInputError(f"The dialect file {path} does not fit: {error}") from error
    stripped = {k: getattr(dialect, k).strip() for k in ("instruction", "template", "example")}
    return evolve(dialect, **stripped)
