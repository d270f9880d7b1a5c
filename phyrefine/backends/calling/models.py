"""Model names and servers: the one table that ages. Last checked on the date below.

Ids are never validated against it: a name it does not hold is sent as it is.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re

from attrs import frozen

CHECKED = dt.date(2026, 11, 22)

# gemini-2.5-pro, the paper's critic, shuts down on 2026-12-01 and its name is then served by
# gemini-3.8-flash: asking for that model by its own name says what answers.
GEMINI_DEFAULT = "gemini-3.8-flash"
# The paper's language model; its dated snapshots end on 2027-01-14.
OPENAI_DEFAULT = "gpt-4o"


@frozen
class Retirement:
    """A model that ends.

    Attributes:
        on: First day without it.
        successor: What the old name is served by from then on, at its price; ``None`` when the
            name just ends.
    """

    on: dt.date
    successor: str | None = None


RETIREMENTS: dict[str, dict[str, Retirement]] = {
    "gemini": {
        "gemini-2.5-pro": Retirement(dt.date(2026, 12, 1), "gemini-3.8-flash"),
        "gemini-2.5-flash": Retirement(dt.date(2026, 12, 1), "gemini-3.5-flash-lite"),
    },
    "openai": {
        "gpt-5": Retirement(dt.date(2026, 12, 11)),
        "gpt-5-mini": Retirement(dt.date(2026, 12, 11)),
        "o3": Retirement(dt.date(2026, 12, 11)),
        "gpt-4o-2024-05-13": Retirement(dt.date(2027, 1, 14)),
        "gpt-4o-2024-08-06": Retirement(dt.date(2027, 1, 14)),
        "gpt-4o-2024-11-20": Retirement(dt.date(2027, 1, 14)),
    },
}

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
    "openai": ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5.4", "gpt-5.4-mini"),
}


@frozen
class Server:
    """A server that speaks OpenAI's chat.completions.

    Attributes:
        base_url: Where it usually is.
        key: Environment variable of its key; ``None`` when it needs none.
        video: It takes ``video_url`` parts (by its documentation; not tried by us).
        title: Name for people.
    """

    base_url: str
    title: str
    key: str | None = None
    video: bool = False


SERVERS: dict[str, Server] = {
    "vllm": Server("http://localhost:8000/v1", "vLLM", video=True),
    "ollama": Server("http://localhost:11434/v1", "Ollama"),
    "lmstudio": Server("http://localhost:1234/v1", "LM Studio"),
    "llamacpp": Server("http://localhost:8080/v1", "llama.cpp"),
    "deepseek": Server("https://api.deepseek.com/v1", "DeepSeek", key="DEEPSEEK_API_KEY"),
    "qwen": Server(
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "Qwen (Model Studio)",
        key="DASHSCOPE_API_KEY",
        video=True,
    ),
}


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
        return f"{model} was shut down on {retired.on}. Others: {', '.join(close)}."
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
    if retired is not None and retired.successor is not None:
        why = f" From {retired.on} the name {asked} is served by {retired.successor}."
    return (
        f"Asked for {asked}, but {answered} answered; the run records the one that answered.{why}"
    )
