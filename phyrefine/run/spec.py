"""What a run was asked to do, and where it was done."""

from __future__ import annotations

import ast
import datetime as dt
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from attrs import asdict, field, frozen

from phyrefine._secrets import scrub, scrub_json
from phyrefine.types import JSON

# Packages whose version can change pixels or words.
PACKAGES = (
    "phyrefine",
    "accelerate",
    "av",
    "bitsandbytes",
    "diffusers",
    "google-genai",
    "jinja2",
    "numpy",
    "openai",
    "opencv-python-headless",
    "pillow",
    "pymunk",
    "safetensors",
    "torch",
    "transformers",
)
GIT_SECONDS = 5.0


def _as_json(value: Mapping[str, Any]) -> Mapping[str, JSON]:
    scrubbed: Mapping[str, JSON] = scrub_json(value)
    return scrubbed


@frozen
class RunSpec:
    """What makes a run this run: opening its folder with another one is refused.

    All values are JSON; secrets are taken out when it is made.

    Attributes:
        args: Settings that were passed.
        defaults: Settings that were left to their defaults. Passing a default is no difference.
        backends: Identity of the backend in each role.
        prompts: Digest of each prompt asset.
        limits: Settings free to change between one start and the next: budget, workers.
    """

    args: Mapping[str, JSON] = field(factory=dict, converter=_as_json)
    defaults: Mapping[str, JSON] = field(factory=dict, converter=_as_json)
    backends: Mapping[str, str] = field(factory=dict, converter=_as_json)
    prompts: Mapping[str, str] = field(factory=dict, converter=_as_json)
    limits: Mapping[str, JSON] = field(factory=dict, converter=_as_json)

    def differences(self, other: RunSpec) -> list[str]:
        """Each binding field that differs, with both values, in words; ``other`` is the old one."""
        mine, theirs = self._binding(), other._binding()
        return [
            f"{path}: {old} there, {new} now"
            for name in sorted(mine.keys() | theirs.keys())
            if mine.get(name, _ABSENT) != theirs.get(name, _ABSENT)
            for path, old, new in _apart(name, theirs.get(name, _ABSENT), mine.get(name, _ABSENT))
        ]

    def _binding(self) -> dict[str, JSON]:
        flat: dict[str, JSON] = {**self.defaults, **self.args}
        for group in ("backends", "prompts"):
            flat |= {f"{group}.{name}": value for name, value in getattr(self, group).items()}
        return flat


_ABSENT = object()
# The text of a value: the name of its class, and its fields in parentheses.
_VALUE = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)\(.*\)", re.DOTALL)


def _apart(name: str, old: object, new: object) -> list[tuple[str, str, str]]:
    """(path, old, new) of what differs: the fields of two values of one class, else the whole."""
    before, after = _fields(old), _fields(new)
    if not before or not after or before.keys() != after.keys() or before[""] != after[""]:
        return [(name, _shown(old), _shown(new))]
    return [
        (f"{name}.{field}", _cut(before[field]), _cut(after[field]))
        for field in before
        if before[field] != after[field]
    ]


def _fields(value: object) -> dict[str, str]:
    """Texts of the fields of ``"Class(a=1, b='x')"``, its name under ``""``; else nothing."""
    found = _VALUE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return {}
    try:
        call = ast.parse(found.group(), mode="eval").body
    except (SyntaxError, ValueError):
        return {}
    if not isinstance(call, ast.Call) or call.args or any(one.arg is None for one in call.keywords):
        return {}
    fields = {str(one.arg): ast.unparse(one.value) for one in call.keywords}
    return {"": found.group(1), **fields}


def _shown(value: object) -> str:
    if value is _ABSENT:
        return "not set"
    # Settings are kept as the text of a value: quotes around it would say that it is one.
    plain = isinstance(value, str) and (value in ("True", "False", "None") or _VALUE.match(value))
    return _cut(str(value) if plain else repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


@frozen
class Environment:
    """Where and with what a process ran.

    Attributes:
        versions: Installed packages that can change the outcome.
        python: Version of the interpreter.
        system: Operating system and processor.
        git: Revision of the repository around the working directory, ``-dirty`` if changed;
            ``None`` outside of one.
        command: The command line, without secrets.
    """

    versions: Mapping[str, str]
    python: str
    system: str
    git: str | None
    command: tuple[str, ...]

    @classmethod
    def here(cls) -> Environment:
        """This process's."""
        return cls(
            versions=_versions(),
            python=platform.python_version(),
            system=platform.platform(),
            git=_git_revision(),
            command=tuple(scrub(word) for word in sys.argv),
        )


@frozen
class Manifest:
    """``manifest.json`` of a run folder.

    Attributes:
        spec: What was asked.
        created: When the folder was first opened, ISO 8601, UTC.
        environment: Of the process that opened it first; later ones are in the journal.
    """

    spec: RunSpec
    created: str
    environment: Environment

    @classmethod
    def new(cls, spec: RunSpec) -> Manifest:
        """A manifest made now and here."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        return cls(spec, now, Environment.here())


def as_settings(value: Any) -> JSON:
    """Any setting as JSON for a spec: attrs values field by field, others by their text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(type(value), "__attrs_attrs__"):
        fields = asdict(value, recurse=False)
        return {
            "type": type(value).__name__,
            **{name: as_settings(item) for name, item in fields.items() if name[0] != "_"},
        }
    if isinstance(value, Mapping):
        return {str(key): as_settings(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [as_settings(item) for item in items]
    if callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    return str(value)


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _git_revision() -> str | None:
    command = ("git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    try:
        said = subprocess.run(  # noqa: S603 - a constant command
            command, capture_output=True, text=True, timeout=GIT_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() or None
