"""Caption cleaning: what the release does to every prompt before its text encoder, twice.

The rules are those of the caption cleaning published with DeepFloyd IF, which lower-cases the
text and removes what web captions carry: links, markup, numbers, file names, advertisements.
"""

from __future__ import annotations

import html
import re
import warnings
from types import ModuleType
from urllib.parse import unquote_plus

from phyrefine._optional import require

Rule = tuple[re.Pattern[str], str]


def _rule(pattern: str, replacement: str = "") -> Rule:
    return re.compile(pattern), replacement


def _url(scheme: str) -> str:
    host = r"[a-zA-Z0-9.\-]+[.](?:com|co|ru|net|org|edu|gov|it)[\w/-]*\b/?(?!@)"
    return rf"\b(?:{scheme}:(?:/{{1,3}}|[a-zA-Z0-9%])|{host})"


_MEDIA = "png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4"
_DASHES = (
    "\u002d\u058a\u05be\u1400\u1806\u2010-\u2015\u2e17\u2e1a\u2e3a\u2e3b\u2e40\u301c\u3030"
    "\u30a0\ufe31\ufe32\ufe58\ufe63\uff0d"
)

_LINKS = (_rule(_url("https?")), _rule(_url("www")))

_SYMBOLS = (
    _rule(r"@[\w\d]+\b"),
    _rule("[\u31c0-\u31ef\u31f0-\u31ff\u3200-\u32ff\u3300-\u33ff\u3400-\u4dbf\u4dc0-\u9fff]+"),
    _rule(f"[{_DASHES}]+", "-"),
    _rule("[`´«»“”¨]", '"'),
    _rule("[‘’]", "'"),
    _rule("&quot;?"),
    _rule("&amp"),
    _rule(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", " "),
    _rule(r"\d:\d\d\s+$"),
    _rule(r"\\n", " "),
    _rule(r"#\d{1,3}\b"),
    _rule(r"#\d{5,}\b"),
    _rule(r"\b\d{6,}\b"),
    _rule(rf"\S+\.(?:{_MEDIA})"),
    _rule(r"[\"']{2,}", '"'),
    _rule(r"\.{2,}", " "),
    _rule(r"[#®•©™&@·º½¾¿¡§~)(\][}{|\\/*]+", " "),
    _rule(r"\s+\.\s+", " "),
)

_WORDS = (
    _rule(r"\b[a-zA-Z]{1,3}\d{3,15}\b"),
    _rule(r"\b[a-zA-Z]+\d+[a-zA-Z]+\b"),
    _rule(r"\b\d+[a-zA-Z]+\d+\b"),
    _rule(r"(?:worldwide\s+)?(?:free\s)?shipping"),
    _rule(r"(?:free\s)?download(?:\sfree)?"),
    _rule(r"\bclick\b\s(?:for|on)\s\w+"),
    _rule(rf"\b(?:{_MEDIA})(?:\simages?)?"),
    _rule(r"\bpage\s+\d+\b"),
    _rule(r"\b\d*[a-zA-Z]+\d+[a-zA-Z]+\d+[a-zA-Z\d]*\b", " "),
    _rule(r"\b\d+\.?\d*[xх×]\d+\.?\d*\b"),
    _rule(r"\b\s+:\s+", ": "),
    _rule(r"(\D[,./])\b", r"\1 "),
    _rule(r"\s+", " "),
)

_EDGES = (
    _rule(r"^[\"']([\w\W]+)[\"']$", r"\1"),
    _rule(r"^['_,\-:;]"),
    _rule(r"['_,\-:+]$"),
    _rule(r"^\.\S+$"),
)

_JOINERS = re.compile(r"[-_]")
_MANY_JOINERS = 3


def clean_caption(caption: str) -> str:
    """A prompt as the text encoder of MAGI-1 saw prompts in training: cleaned twice.

    >>> clean_caption("A Ball, rolling...  down")
    'a ball, rolling down'
    """
    return _clean(_clean(caption))


def _clean(caption: str) -> str:
    text = unquote_plus(str(caption)).strip().lower()
    text = text.replace("<person>", "person")
    text = _apply(_LINKS, text)
    text = _without_markup(text)
    text = _apply(_SYMBOLS, text)
    if len(_JOINERS.findall(text)) > _MANY_JOINERS:
        text = _JOINERS.sub(" ", text)
    text = _package("ftfy").fix_text(text)
    text = html.unescape(html.unescape(text)).strip()
    text = _apply(_WORDS, text).strip()
    return _apply(_EDGES, text).strip()


def _without_markup(text: str) -> str:
    bs4 = _package("bs4")
    with warnings.catch_warnings():
        # A prompt may look like a file name; it is one all the same.
        warnings.simplefilter("ignore", bs4.MarkupResemblesLocatorWarning)
        stripped: str = bs4.BeautifulSoup(text, features="html.parser").text
    return stripped


def _apply(rules: tuple[Rule, ...], text: str) -> str:
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text


def _package(name: str) -> ModuleType:
    return require(name, extra="magi", feature="MAGI-1's caption cleaning")
