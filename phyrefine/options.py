"""Options of backends: which there are, of which type, and their values from text.

A backend's options are the keyword parameters of its factory. Their types come from the
annotations, their explanations from the docstrings: there is no second list to keep in step.
"""

from __future__ import annotations

import collections.abc
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin
from urllib.parse import quote, unquote

from attrs import NOTHING, frozen

from phyrefine._closest import did_you_mean
from phyrefine._json import parse_json
from phyrefine._secrets import is_secret_name, scrub
from phyrefine.errors import InvalidInputError

REQUIRED = inspect.Parameter.empty
_QUERY = re.compile(r"(.*?)\?(?=[A-Za-z_][\w-]*=)(.*)", re.DOTALL)
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_NONE = ("none", "null")
_SECTION = re.compile(r"^(Args|Attributes):\s*$", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+)(?: \([^)]*\))?: ((?:.|\n(?= {8}))*)", re.MULTILINE)

_MARKUP = re.compile(r":\w+:`~?([^`]*)`|``")


@frozen
class Option:
    """One option of a backend.

    Attributes:
        name: Keyword.
        kind: Its type, as annotated.
        default: Its default; ``REQUIRED`` when there is none.
        help: What the docstring says.
    """

    name: str
    kind: Any
    default: Any = REQUIRED
    help: str = ""

    @property
    def settable(self) -> bool:
        """Whether text can give its value: a client or a function needs Python."""
        return not is_secret_name(self.name) and bool(_readable(self.kind))

    @property
    def type_name(self) -> str:
        """Its type in words, for people."""
        if not self.settable:
            return "secret" if is_secret_name(self.name) else "object"
        words = [_words(kind) for kind in _readable(self.kind)]
        return " | ".join(sorted(dict.fromkeys(words), key=lambda word: word == "none"))

    @property
    def default_text(self) -> str:
        """Its default in words, for people."""
        if self.default is REQUIRED:
            return "required"
        return "" if self.default is NOTHING else f"{self.default}".replace("None", "none")


# -- names with options ------------------------------------------------------------------------


def split_options(spec: str) -> tuple[str, dict[str, str]]:
    """The name before ``?``, and the options after it: ``NAME:MODEL?key=value&key=value``.

    Values are percent-decoded, so that ``%26`` stands for ``&``. A question mark that no ``key=``
    follows belongs to the name.

    Raises:
        InvalidInputError: Something after ``?`` is no ``key=value``, or a key stands twice.
    """
    found = _QUERY.fullmatch(spec)
    if found is None:
        return spec, {}
    given: dict[str, str] = {}
    for item in found.group(2).split("&"):
        key, value = _key_value(item)
        if key in given:
            raise InvalidInputError(f"The option {key!r} stands twice in {scrub(spec)!r}.")
        given[key] = unquote(value)
    return found.group(1), given


def join_options(spec: str, items: Iterable[str]) -> str:
    """``spec`` with further options, each ``key=value``; a later value replaces an earlier one.

    Raises:
        InvalidInputError: An item is no ``key=value``.
    """
    bare, given = split_options(spec)
    given |= dict(_key_value(item) for item in items)
    pairs = [f"{key}={quote(value, safe=_PLAIN)}" for key, value in given.items()]
    return f"{bare}?{'&'.join(pairs)}" if pairs else bare


# Everything a value may hold as it is; only "%" and "&" have a meaning in a name.
_PLAIN = "".join(chr(code) for code in range(32, 127) if chr(code) not in "%&")


def _key_value(item: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    key = key.strip().replace("-", "_")
    if not equals or not key.isidentifier():
        raise InvalidInputError(f"An option is given as key=value, not {scrub(item)!r}.")
    return key, value


# -- what a factory takes ----------------------------------------------------------------------


def options_of(sources: Sequence[Callable[..., Any]], *, skip: int = 1) -> dict[str, Option]:
    """The options that the parameters of ``sources`` make up, by name.

    Args:
        sources: Functions or classes.
        skip: Parameters of the first source that are no options: the model.
    """
    found: dict[str, Option] = {}
    for index, source in enumerate(sources):
        texts = _explanations(source)
        parameters = list(_parameters(source).values())
        for parameter in parameters[skip if index == 0 else 0 :]:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if index and parameter.default is REQUIRED:
                continue
            name = parameter.name
            option = Option(name, _kind(source, parameter), parameter.default, texts.get(name, ""))
            found.setdefault(name, option)
    return found


def takes_any(source: Callable[..., Any]) -> bool:
    """Whether a function takes keywords that it does not name."""
    return any(p.kind is p.VAR_KEYWORD for p in _parameters(source).values())


def _parameters(source: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(source).parameters
    except (TypeError, ValueError):  # a class of a C extension
        return {"options": inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD)}


def _kind(source: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    kind, default = parameter.annotation, parameter.default
    if kind is REQUIRED:
        return Any if default is REQUIRED or default is None else type(default)
    if not isinstance(kind, str):
        return kind
    holder = getattr(source, "__func__", source)
    module = sys.modules.get(getattr(holder, "__module__", ""), types.ModuleType("nowhere"))
    try:
        return eval(kind, vars(module), vars(typing))  # noqa: S307 - an annotation in our own process
    except Exception:  # noqa: BLE001 - a name that only type checkers see
        return object


def _explanations(source: Callable[..., Any]) -> dict[str, str]:
    """Parameter texts of a Google-style docstring."""
    found: dict[str, str] = {}
    for text in (inspect.getdoc(source), inspect.getdoc(getattr(source, "__init__", None))):
        for section in _SECTION.split(text or "")[2::2]:
            body = re.split(r"^\S", section.lstrip("\n"), maxsplit=1, flags=re.MULTILINE)[0]
            for name, said in _ENTRY.findall(body):
                found.setdefault(name, " ".join(_MARKUP.sub(r"\1", said).split()))
    return found


# -- values from text --------------------------------------------------------------------------


def read_options(
    given: Mapping[str, str], options: Mapping[str, Option], owner: str, *, any_name: bool = False
) -> dict[str, Any]:
    """Typed values of options given as text.

    Args:
        given: Texts by name.
        options: What there is.
        owner: Who takes them, for messages.
        any_name: Further names are taken too, as JSON or else as text.

    Raises:
        InvalidInputError: An unknown name, or a text that is no such value; secrets are refused.
    """
    check_names(given, options, owner, any_name=any_name)
    values = {}
    for name, text in given.items():
        option = options.get(name, Option(name, Any))
        values[name] = _value(option, text, owner)
    return values


def check_names(
    given: Iterable[str], options: Mapping[str, Option], owner: str, *, any_name: bool = False
) -> None:
    """See that there are options of these names.

    Raises:
        InvalidInputError: There is none.
    """
    for name in given:
        if name in options or any_name:
            continue
        hint = did_you_mean(name, options)
        known = ", ".join(options) or "none"
        raise InvalidInputError(
            f"{owner} does not take that option: {name!r}.{hint} It takes: {known}."
        )


def _value(option: Option, text: str, owner: str) -> Any:
    if is_secret_name(option.name) or scrub(text) != text:
        raise InvalidInputError(
            f"{owner}: no key or password goes into the option {option.name!r}, because command "
            "lines and names are recorded. Set the environment variable of the service, or pass "
            "it in Python."
        )
    kinds = _readable(option.kind)
    if not kinds:
        raise InvalidInputError(
            f"{owner}: the option {option.name!r} takes an object: pass it in Python."
        )
    for kind in kinds:
        value = _read(kind, text)
        if value is not _NO:
            _refuse_secrets(value, option, owner)
            return value
    raise InvalidInputError(
        f"{owner}: the option {option.name!r} takes {option.type_name}, not {text!r}."
    )


def _refuse_secrets(value: Any, option: Option, owner: str) -> None:
    if not isinstance(value, Mapping):
        return
    for name, item in value.items():
        if is_secret_name(str(name)):
            raise InvalidInputError(
                f"{owner}: no key or password goes into the option {option.name!r} (here under "
                f"{name!r}), because command lines and names are recorded. Pass it in Python."
            )
        _refuse_secrets(item, option, owner)


_NO = object()


def _readable(kind: Any) -> list[Any]:
    """The members of a type that text can give, strict ones first and text last."""
    members = list(get_args(kind)) if get_origin(kind) in (Union, types.UnionType) else [kind]
    order = (Literal, type(None), bool, int, float, tuple, list, dict, Any, Path, str)

    def rank(member: Any) -> int:
        base = get_origin(member) or member
        base = dict if base is collections.abc.Mapping else base
        base = list if base is collections.abc.Sequence else base
        return order.index(base) if base in order else -1

    fit = [member for member in members if rank(member) >= 0]
    return [] if fit == [type(None)] else sorted(fit, key=rank)


def _read(kind: Any, text: str) -> Any:
    """``text`` as a value of ``kind``, or ``_NO``."""
    plain, base = text.strip(), get_origin(kind) or kind
    if kind is type(None):
        return None if plain.lower() in _NONE else _NO
    if kind is bool:
        word = plain.lower()
        return True if word in _TRUE else False if word in _FALSE else _NO
    if kind in (int, float):
        return _number(kind, plain)
    if base is Literal:
        return next((value for value in get_args(kind) if str(value) == plain), _NO)
    if base in (tuple, list, collections.abc.Sequence):
        return _sequence(kind, plain)
    if base in (dict, collections.abc.Mapping):
        value = _json(plain)
        return value if isinstance(value, dict) else _NO
    if kind is Any:
        value = _json(plain)
        return text if value is _NO else value
    return kind(text)


def _number(kind: type[Any], text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        return _NO


def _json(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return _NO


def _sequence(kind: Any, text: str) -> Any:
    """``480x832``, ``480,832`` or a JSON list, each item read by its type."""
    listed = _json(text)
    parts = [str(item) for item in listed] if isinstance(listed, list) else re.split(r"[,x]", text)
    inner = get_args(kind) or (str,)
    base = tuple if get_origin(kind) is tuple else list
    if base is tuple and inner[-1] is not Ellipsis:
        if len(parts) != len(inner):
            return _NO
        kinds: Sequence[Any] = inner
    else:
        kinds = [inner[0]] * len(parts)
    values = [_read(part_kind, part) for part_kind, part in zip(kinds, parts, strict=True)]
    return _NO if any(value is _NO for value in values) else base(values)


def _words(kind: Any) -> str:
    base = get_origin(kind) or kind
    if kind is type(None):
        return "none"
    if base is Literal:
        return " | ".join(str(value) for value in get_args(kind))
    if base in (dict, collections.abc.Mapping):
        return "JSON object"
    if base in (tuple, list, collections.abc.Sequence):
        inner = [_words(item) for item in get_args(kind) if item is not Ellipsis]
        return ",".join(inner) + (",..." if Ellipsis in get_args(kind) or base is list else "")
    if kind is Any:
        return "JSON or text"
    names: dict[Any, str] = {str: "text", Path: "path"}
    return names.get(kind) or str(getattr(kind, "__name__", kind))


def refuse_unknown_names(given: Iterable[str], known: Collection[str], where: str) -> None:
    """Refuse a name in a settings file that nothing reads.

    Args:
        given: Names as written.
        known: Names there are.
        where: The file or its section, for the message.

    Raises:
        InvalidInputError: Names the nearest known name, and all of them.
    """
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known)
            raise InvalidInputError(
                f"{where} has an unknown name {name!r}.{hint} Known: {', '.join(known)}."
            )
