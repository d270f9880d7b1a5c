"""Model names and servers: the one table that ages. Last checked on the date below.

Ids are never validated against it: a name it does not hold is sent as it is.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from typing import Literal

from attrs import frozen

CHECKED = dt.date(2026, 11, 27)

# gemini-2.5-pro, the paper's critic, shuts down on 2026-12-01 and its name is then served by
# gemini-3.8-flash: asking for that model by its own name says what answers.
GEMINI_DEFAULT = "gemini-3.8-flash"
# gpt-4o, the paper's language model, leaves OpenAI's API on 2027-01-14; this is its successor.
OPENAI_DEFAULT = "gpt-6-luna"


@frozen
class Retirement:
    """A model that ends.

    Attributes:
        on: First day without it.
        successor: What to ask instead, if the service says so.
        renamed: The old name is served by the successor from then on, at its price; otherwise the
            name just ends.
        where: Which of the provider's services, when others keep it.
    """

    on: dt.date
    successor: str | None = None
    renamed: bool = False
    where: str = ""

    def told(self, model: str) -> str:
        """A sentence about it."""
        there = f" on {self.where}" if self.where else ""
        then = f"; use {self.successor}" if self.successor else ""
        if self.renamed:
            then = f"; from then on {self.successor} answers under its name"
        return f"{model} ends{there} on {self.on}{then}"


_GPT_4 = Retirement(dt.date(2027, 1, 14), "gpt-6-luna")
_GPT_5 = Retirement(dt.date(2026, 12, 11), "gpt-6-luna")
RETIREMENTS: dict[str, dict[str, Retirement]] = {
    "gemini": {
        "gemini-2.5-pro": Retirement(dt.date(2026, 12, 1), "gemini-3.8-flash", renamed=True),
        "gemini-2.5-flash": Retirement(dt.date(2026, 12, 1), "gemini-3.5-flash-lite", renamed=True),
    },
    "vertex": {
        name: Retirement(dt.date(2026, 10, 20), successor, where="Vertex AI")
        for name, successor in (
            ("gemini-2.5-pro", "gemini-3.8-flash"),
            ("gemini-2.5-flash", "gemini-3.5-flash-lite"),
        )
    },
    "openai": {
        "gpt-4o-2024-05-13": Retirement(dt.date(2026, 10, 23), "gpt-6-luna"),
        **dict.fromkeys(("gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5-pro", "o3", "o3-pro"), _GPT_5),
        **dict.fromkeys(
            ("gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "gpt-4o-mini", "gpt-4.1",
             "gpt-4.1-mini"), _GPT_4,
        ),
        "gpt-5.1": Retirement(dt.date(2027, 4, 1), "gpt-6-luna"),
    },
}  # fmt: skip

KNOWN: dict[str, tuple[str, ...]] = {
    "gemini": (
        "gemini-3.8-flash",
        "gemini-3.7-flash",
        "gemini-3.6-flash",
        "gemini-3.5-flash",
        "gemini-3.5-flash-lite",
        "gemini-3.1-pro-preview",
        "gemini-3.1-flash-lite",
        "gemini-3-flash-preview",
        "gemini-2.5-pro",
        "gemini-2.5-flash",
        "gemini-2.5-flash-lite",
    ),
    "openai": (
        "gpt-6-luna",
        "gpt-6.1-terra",
        "gpt-6.1-sol",
        "gpt-5.6-luna",
        "gpt-5.5",
        "gpt-5.4",
        "gpt-5.4-mini",
        "gpt-4o",
        "gpt-4o-mini",
        "gpt-4.1",
        "gpt-4.1-mini",
    ),
}

# Levels of thinking that a family takes, by its model pages; the first row that fits counts.
LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
_FAMILY_LEVELS: tuple[tuple[str, re.Pattern[str], tuple[str, ...]], ...] = (
    ("gemini", re.compile(r"gemini-3-pro"), ("low", "high")),
    ("gemini", re.compile(r"gemini-3(-flash|\.1-flash|\.5-flash)"), LEVELS[1:5]),
    ("gemini", re.compile(r""), LEVELS[2:5]),
    ("openai", re.compile(r"o\d"), LEVELS[2:5]),
    ("openai", re.compile(r"gpt-5(-mini|-nano|-pro)?(-\d{4}.*)?$"), LEVELS[1:5]),
    ("openai", re.compile(r"gpt-5\.1"), ("none", *LEVELS[2:5])),
    ("openai", re.compile(r"gpt-5\.\d"), ("none", *LEVELS[2:6])),
)
# Budgets in tokens of the family that takes a number, and what words stand for.
BUDGETS = {"none": 0, "minimal": 128, "low": 1024, "medium": 8192, "high": 24_576,
           "xhigh": 32_768, "max": 32_768}  # fmt: skip
_FAMILY_BUDGETS: tuple[tuple[re.Pattern[str], int, int, bool], ...] = (
    (re.compile(r"gemini-2\.5-pro"), 128, 32_768, False),
    (re.compile(r"gemini-2\.5-flash-lite"), 512, 24_576, True),
    (re.compile(r"gemini-2"), 1, 24_576, True),
)


def levels_of(provider: str, model: str) -> tuple[str, ...] | None:
    """Levels of thinking a model takes; ``None`` when we do not know."""
    name = model.removeprefix("models/")
    rows = (
        levels for who, family, levels in _FAMILY_LEVELS if who == provider and family.match(name)
    )
    return next(rows, None)


def nearest_level(level: str, levels: tuple[str, ...]) -> str:
    """The level nearest to the one asked for; of two the lower one, but no ``none`` unasked."""
    at = LEVELS.index(level)
    usable = [name for name in levels if name != "none" or level == "none"] or list(levels)
    return min(usable, key=lambda name: (abs(LEVELS.index(name) - at), LEVELS.index(name)))


def level_of_tokens(tokens: int) -> str:
    """The level that stands for so many tokens of thinking."""
    return next((word for word, most in BUDGETS.items() if tokens <= most), LEVELS[-2])


def budget_of(model: str, tokens: int) -> int | None:
    """The nearest budget a model's family takes; ``None`` when it takes levels, not tokens."""
    name = model.removeprefix("models/")
    row = next((row for row in _FAMILY_BUDGETS if row[0].match(name)), None)
    if row is None:
        return None
    _, least, most, may_be_off = row
    if tokens == -1 or (tokens == 0 and may_be_off):
        return tokens
    return min(most, max(least, tokens))


@frozen
class Server:
    """A server that speaks OpenAI's chat.completions.

    Attributes:
        base_url: Where it usually is.
        title: Name for people.
        key: Environment variable of its key; ``None`` when it needs none.
        video: It takes ``video_url`` parts (by its documentation; not tried by us).
        video_rate: How it is told frames a second of a video: ``"processor"`` in
            ``mm_processor_kwargs``, ``"part"`` in the part of the video; ``None`` not at all.
    """

    base_url: str
    title: str
    key: str | None = None
    video: bool = False
    video_rate: Literal["processor", "part"] | None = None


SERVERS: dict[str, Server] = {
    "vllm": Server("http://localhost:8000/v1", "vLLM", video=True, video_rate="processor"),
    "ollama": Server("http://localhost:11434/v1", "Ollama"),
    "lmstudio": Server("http://localhost:1234/v1", "LM Studio"),
    "llamacpp": Server("http://localhost:8080/v1", "llama.cpp"),
    "anthropic": Server("https://api.anthropic.com/v1", "Claude", key="ANTHROPIC_API_KEY"),
    "deepseek": Server("https://api.deepseek.com/v1", "DeepSeek", key="DEEPSEEK_API_KEY"),
    "groq": Server("https://api.groq.com/openai/v1", "Groq", key="GROQ_API_KEY"),
    "mistral": Server("https://api.mistral.ai/v1", "Mistral", key="MISTRAL_API_KEY"),
    "openrouter": Server("https://openrouter.ai/api/v1", "OpenRouter", key="OPENROUTER_API_KEY"),
    "qwen": Server(
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "Qwen (Model Studio)",
        key="DASHSCOPE_API_KEY",
        video=True,
        video_rate="part",
    ),
}


def retirement_of(provider: str, model: str) -> Retirement | None:
    """When a model ends, if that is known."""
    return RETIREMENTS.get(provider, {}).get(model.removeprefix("models/"))


def retirements_told(*, today: dt.date | None = None, days: int = 400) -> list[str]:
    """A sentence for each date on which models ended lately or end soon, the soonest first.

    Args:
        today: For tests.
        days: How many days ahead to look, and how many back.
    """
    today = today or dt.datetime.now(dt.UTC).date()
    by_end: dict[tuple[dt.date, str, str, str], list[str]] = {}
    for table in RETIREMENTS.values():
        for model, end in table.items():
            if abs((end.on - today).days) <= days:
                key = (end.on, end.where, end.successor or "", "renamed" if end.renamed else "")
                by_end.setdefault(key, []).append(model)
    told = []
    for (on, where, successor, renamed), models in sorted(by_end.items()):
        there = f" ({where})" if where else ""
        verb = "ended" if on <= today else "end"
        then = f", use {successor}" if successor else ""
        then = f", the name then means {successor}" if renamed else then
        told.append(f"{on}{there} {verb}: {', '.join(models)}{then}")
    return told


def alternatives(provider: str, model: str, *, today: dt.date | None = None) -> str:
    """A sentence that names models to use instead; empty when we know none."""
    today = today or dt.datetime.now(dt.UTC).date()
    retired = RETIREMENTS.get(provider, {}).get(model)
    known = [
        name
        for name in KNOWN.get(provider, ())
        if name != model and not _gone(provider, name, today)
    ]
    close = difflib.get_close_matches(model, known, n=2, cutoff=0.5) or known[:2]
    if retired is not None and today >= retired.on:
        others = dict.fromkeys([*filter(None, [retired.successor]), *close])
        return f"{model} was shut down on {retired.on}. Others: {', '.join(others)}."
    return f"Known names (as of {CHECKED}): {', '.join(close)}." if close else ""


def _gone(provider: str, model: str, today: dt.date) -> bool:
    retired = RETIREMENTS.get(provider, {}).get(model)
    return retired is not None and today >= retired.on


def is_same_model(asked: str, answered: str | None) -> bool:
    """Whether the model that answered is the one asked for, or a snapshot of it.

    ``gpt-4o`` answering as ``gpt-4o-2024-08-06`` is the same; ``gpt-4o-mini`` is not.
    """
    if not answered:
        return True
    short, long = (name.removeprefix("models/").lower() for name in (asked, answered))
    if short == long or short.endswith("-latest"):
        return True
    rest = long.removeprefix(short)
    return rest != long and re.fullmatch(r"([-@:]\d+)+|:latest", rest) is not None


def substituted(provider: str, asked: str, answered: str) -> str:
    """What to tell the user when another model answered."""
    retired = RETIREMENTS.get(provider, {}).get(asked)
    why = ""
    if retired is not None and retired.renamed:
        why = f" From {retired.on} the name {asked} is served by {retired.successor}."
    return (
        f"Asked for {asked}, but {answered} answered; the run records the one that answered.{why}"
    )
