"""Prose as a rewriter gives it: tidied, checked without a plan, cut to a limit."""

from __future__ import annotations

import re
from collections.abc import Callable

from phyrefine.types import GeneratorProfile

# English prose takes about this many tokens of a T5 or CLIP vocabulary per word.
TOKENS_PER_WORD = 1.35
DEFAULT_WORDS = 120
_CHATTER = re.compile(
    r"^\s*(?:sure[,!.]?\s*|certainly[,!.]?\s*|okay[,!.]?\s*)?"
    r"(?:here(?:'s| is)[^:\n]{0,60}:|(?:video |final |rewritten )?prompt\s*:)\s*",
    re.IGNORECASE,
)
CRITICISM = re.compile(
    r"\b(?:violat\w+|implausib\w+|unphysical\w*|physically (?:in)?correct\w*|"
    r"previous (?:video|clip|attempt|version|prompt)|(?:generated|faulty) (?:video|clip)|"
    r"critique|as requested)\b",
    re.IGNORECASE,
)
LAW_NAMES = re.compile(
    r"\b(?:newton(?:'s|ian)?|conservation of|bernoulli\w*|archimedes\w*|snell\w*|"
    r"(?:first|second|third) law|law of|laws of|hooke\w*|lenz\w*|thermodynamic\w*|"
    r"coefficient of restitution|momentum is conserved|energy is conserved)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\"'(\[A-Z0-9])")

CountTokens = Callable[[str], int]


def token_counter(generator: object) -> CountTokens:
    """The generator's own tokenizer where it offers ``count_tokens``, else an estimate."""
    own: CountTokens | None = getattr(generator, "count_tokens", None)
    return own if own is not None else lambda text: round(len(text.split()) * TOKENS_PER_WORD)


def word_limit(profile: GeneratorProfile) -> int:
    """Words to ask the rewriter for."""
    limits = [DEFAULT_WORDS if profile.prompt_words is None else profile.prompt_words]
    if profile.prompt_tokens is not None:
        limits.append(int(profile.prompt_tokens / TOKENS_PER_WORD))
    return max(1, min(limits))


def sentences(text: str) -> list[str]:
    """Sentences of prose, in order."""
    return [part.strip() for part in _SENTENCE.split(" ".join(text.split())) if part.strip()]


def tidy(text: str, style: str) -> str:
    """Without fences, quotes, chatter and repeated sentences around or in the prompt."""
    text = text.strip()
    fenced = re.fullmatch(r"```[\w-]*\s*\n?(.*?)```", text, re.DOTALL)
    text = _CHATTER.sub("", fenced.group(1).strip() if fenced else text)
    if style == "json":
        return text.strip()
    while len(text) > 1 and text[0] in "\"'“" and text[-1] in "\"'”":
        text = text[1:-1].strip()
    text = re.sub(r"[*_#`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}", "", text)
    kept: list[str] = []
    for sentence in sentences(text):
        # A sentence said twice is a stuck rewriter, not an emphasis.
        if sentence.lower() not in (earlier.lower() for earlier in kept):
            kept.append(sentence)
    return " ".join(kept)


def problems(text: str, profile: GeneratorProfile, count_tokens: CountTokens) -> list[str]:
    """What keeps ``text`` from being a prompt for this generator, in words for the rewriter."""
    if not text.strip():
        return ["The prompt is empty."]
    found = []
    if "```" in text:
        found.append("It holds a code fence.")
    if text.lstrip().startswith(("{", "[{")) or re.search(r'"\w+"\s*:', text):
        found.append("It holds JSON; the model reads plain prose.")
    if criticism := CRITICISM.search(text):
        found.append(f'It speaks about a video instead of the scene ("{criticism.group()}").')
    if law := LAW_NAMES.search(text):
        found.append(f'It names a law instead of what one sees ("{law.group()}").')
    return found + length_problems(text, profile, count_tokens)


def length_problems(text: str, profile: GeneratorProfile, count: CountTokens) -> list[str]:
    """Whether ``text`` is too long, in words or tokens."""
    words, tokens = len(text.split()), count(text)
    if profile.prompt_words is not None and words > profile.prompt_words:
        return [f"It has {words} words; at most {profile.prompt_words} fit."]
    if profile.prompt_tokens is not None and tokens > profile.prompt_tokens:
        limit = word_limit(profile)
        said = f"It has {tokens} tokens ({words} words); "
        return [f"{said}at most {profile.prompt_tokens} tokens (about {limit} words) fit."]
    return []


def force(text: str, profile: GeneratorProfile, count: CountTokens) -> tuple[str, tuple[str, ...]]:
    """Make a prompt usable without asking again: drop bad sentences, cut at a sentence's end.

    Returns:
        The prompt and a note for each thing done to it.
    """
    notes = []
    kept = [part for part in sentences(text) if not _is_leak(part)]
    if len(kept) < len(sentences(text)):
        notes.append(f"dropped {len(sentences(text)) - len(kept)} sentences of criticism or laws")
    cut = 0
    while len(kept) > 1 and length_problems(" ".join(kept), profile, count):
        kept.pop()
        cut += 1
    if cut:
        notes.append(f"cut {cut} sentences to fit the generator")
    result = " ".join(kept)
    if length_problems(result, profile, count):
        words = result.split()
        while len(words) > 1 and length_problems(" ".join(words), profile, count):
            words.pop()
        result = " ".join(words).rstrip(",;:") + "."
        notes.append("cut inside a sentence to fit the generator")
    return result, tuple(notes)


def _is_leak(sentence: str) -> bool:
    return bool(CRITICISM.search(sentence) or LAW_NAMES.search(sentence) or "```" in sentence)
