"""The listed words that a prompt is checked for: things, directions, contacts, numbers."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable
from importlib.resources import files

from attrs import frozen

from phyrefine.refine.similarity import normalize, stem

# A time stamp's "s" and the like are no statement.
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")
# "Right" and "down" that give no direction.
_NO_DIRECTION = re.compile(
    r"\bright (?:after|before|away|then|now|as|when)\b|\bup to\b|\bslows? down\b|\bmade up\b|"
    r"\bspeeds? up\b|\bset up\b|\bright angles?\b|\bend up\b|\bends up\b"
)
_NUMBER_WORDS = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "dozen": "12", "twice": "2", "half": "0.5",
    "third": "third", "thirds": "third", "quarter": "0.25",
}  # fmt: skip


@frozen
class Lexicon:
    """The lists of ``lexicon.toml``, ready for looking up.

    Attributes:
        nouns: Every listed form of a thing, to the name its group goes by.
        directions: Every listed form of a direction, to the direction.
        opposite: Each direction's opposite.
        contacts: Words of which a statement about a contact keeps one.
        meaning: Stems to the stem that stands for their group.
    """

    nouns: dict[str, str]
    directions: dict[str, str]
    opposite: dict[str, str]
    contacts: frozenset[str]
    meaning: dict[str, str]

    def things(self, text: str) -> frozenset[str]:
        """Things named in a text."""
        return frozenset(self.nouns[word] for word in _words(text) if word in self.nouns)

    def ways(self, text: str) -> frozenset[str]:
        """Directions named in a text."""
        plain = _NO_DIRECTION.sub(" ", text.lower())
        return frozenset(self.directions[word] for word in _words(plain) if word in self.directions)

    def touches(self, text: str) -> frozenset[str]:
        """The contacts that a text tells of, by meaning."""
        return self.meanings(stem(word) for word in _words(text) if word in self.contacts)

    def meanings(self, words: Iterable[str]) -> frozenset[str]:
        """Stems, each by the one that stands for its group."""
        return frozenset(self.meaning.get(word, word) for word in words)


def numbers(text: str) -> frozenset[str]:
    """Numbers in digits or words, in one spelling; ``one`` as a pronoun is left out."""
    found = {f"{float(digits):g}" for digits in _NUMBER.findall(text)}
    plain = re.sub(r"\b(?:the|this|that|each|every|no|another|other) one\b|\bone (?:before|after|"
                   r"by one|another)\b", " ", text.lower())  # fmt: skip
    words = {_NUMBER_WORDS[word] for word in _words(plain) if word in _NUMBER_WORDS}
    return frozenset(found | words)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:-[a-z]+)?", normalize(text.replace("-", "")))


@functools.cache
def lexicon() -> Lexicon:
    """The shipped lists."""
    path = files("phyrefine.refine.dialects") / "lexicon.toml"
    lists = tomllib.loads(path.read_text("utf-8"))
    same = {word: group[0] for group in lists["same"] for word in group}
    nouns: dict[str, str] = {}
    for word in lists["nouns"].split():
        for form in (word, f"{word}s", f"{word}es"):
            nouns[form] = same.get(word, word)
    nouns["people"], nouns["men"], nouns["women"] = "person", "man", "woman"
    opposite: dict[str, str] = {}
    for one, two in lists["opposites"]:
        opposite |= {one: two, two: one}
    directions = {word: word for word in opposite}
    for way, forms in lists["forms"].items():
        directions |= {form.replace("-", ""): way for form in forms}
    meaning = {stem(word): stem(group[0]) for group in lists["meaning"]["groups"] for word in group}
    contacts = frozenset(lists["contact"]["words"].split())
    return Lexicon(nouns, directions, opposite, contacts, meaning)
