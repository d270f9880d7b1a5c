"""Takes a reasoning model's thoughts out of its text, so that they never become a prompt.

Servers with a reasoning parser send thoughts apart. Others send them in front of the answer,
between tags of the model's own; often without the opening tag, which the prompt's template holds.
"""

from __future__ import annotations

import re

_WORD = (
    r"[\w:.-]*(?:think|thought|reason|reflect|analys|scratch|deliberat|monologue|rationale)[\w:.-]*"
)
# Each pair: how thoughts open, how they close.
_PAIRS = (
    (rf"<\s*{_WORD}\s*>", rf"<\s*/\s*{_WORD}\s*>"),  # <think>, <thinking>, <seed:think>
    (
        r"\[\s*(?:think|reason)\w*\s*\]",
        r"\[\s*/\s*(?:think|reason)\w*\s*\]",
    ),  # [THINK] of Magistral
    (  # <|begin_of_thought|>, <|START_THINKING|>, <|/think|>
        r"<\|\s*(?:(?:begin|start)[_-](?:of[_-])?)?(?:think|thought|reason)\w*\s*\|>",
        r"<\|\s*(?:end[_-](?:of[_-])?|/\s*)(?:think|thought|reason)\w*\s*\|>",
    ),
    ("◁think▷", "◁/think▷"),  # Kimi
    (r"<\|channel>\s*thought", r"<channel\|>"),  # Gemma 4
    (r"<unused94>\s*thought", r"<unused95>"),  # MedGemma
)
_OPENS = re.compile("|".join(opens for opens, _ in _PAIRS), re.IGNORECASE)
_CLOSES = re.compile("|".join(closes for _, closes in _PAIRS), re.IGNORECASE)
_OPEN_AT_END = re.compile(rf"(?:{_OPENS.pattern})\s*\Z", re.IGNORECASE)
# gpt-oss names a channel before each message; tokenizers may leave out the marks around the names.
_CHANNEL = re.compile(
    r"<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>(.*?)"
    r"(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.DOTALL,
)
_BARE_CHANNELS = re.compile(r"\A\s*analysis(?![a-z ]).*assistant\s*final(?:json)?", re.DOTALL)
_ANSWER = r"answer|response|output|result|final|final_answer|solution"
_WRAPPED = re.compile(
    rf"\A\s*(?:<({_ANSWER})>(.*?)(?:</\1>|\Z)"
    rf"|<\|(?:begin_of|start)_({_ANSWER})\|>(.*?)(?:<\|end_(?:of_)?\3\|>|\Z))",
    re.IGNORECASE | re.DOTALL,
)
_OTHER_TAG = re.compile(r"\A\s*<([A-Za-z][\w:.-]*)>.*</\1>\s*(?=\S)", re.DOTALL)


def without_thoughts(text: str) -> str:
    """``text`` without what a reasoning model thought aloud.

    Everything up to the last closing tag goes, whatever the tag and with or without an opening
    one; of gpt-oss's channels only ``final`` stays. A text that opens thoughts and never closes
    them holds no answer: nothing is left. Tags around the answer itself are taken off.
    """
    plain = _final_channel(text)
    closed = [found.end() for found in _CLOSES.finditer(plain)]
    if closed:
        answer = plain[closed[-1] :]
        if not answer.strip():  # some models think after they have answered
            answer = _before_thoughts(plain)
        plain = answer.lstrip()
    elif _OPENS.match(plain.lstrip()):
        return ""
    else:
        found = _OTHER_TAG.match(plain)
        if found is not None and re.fullmatch(_ANSWER, found.group(1), re.IGNORECASE) is None:
            plain = plain[found.end() :]
    wrapped = _WRAPPED.match(plain)
    if wrapped is not None:
        plain = (wrapped.group(2) or wrapped.group(4) or "").strip()
    return plain


def opens_thoughts(prompt: str) -> bool:
    """Whether a rendered prompt ends by opening thoughts, as some chat templates do."""
    return _OPEN_AT_END.search(prompt) is not None


def _final_channel(text: str) -> str:
    messages = _CHANNEL.findall(text)
    if messages:
        return next((said for name, said in reversed(messages) if name == "final"), "")
    return _BARE_CHANNELS.sub("", text)


def _before_thoughts(text: str) -> str:
    opened = _OPENS.search(text)
    return text[: opened.start()].rstrip() if opened is not None else ""
