"""Submission cards as YAML files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phyrefine._atomic import write_bytes
from phyrefine._optional import require
from phyrefine.errors import InvalidInputError


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write a card as YAML."""
    text = yaml_module().safe_dump(dict(card), sort_keys=False, allow_unicode=True)
    write_bytes(path, text.encode())


def read_card(text: str, name: str = "The card") -> dict[str, Any]:
    """Parse a card.

    Args:
        text: YAML.
        name: What messages call it.

    Raises:
        InvalidInputError: It is not YAML, or not a mapping.
    """
    yaml = yaml_module()
    try:
        # The same safe loader in C where libyaml is there: a tenth of the time.
        card = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError) as error:  # a ValueError is a day that no month has
        said = " ".join(str(error).split())
        raise InvalidInputError(f"{name} is not YAML: {said}") from error
    if not isinstance(card, dict):
        raise InvalidInputError(f"{name} is a {type(card).__name__}, not a mapping.")
    return card


def read_card_file(path: Path) -> dict[str, Any]:
    """Read a card, or a part of one.

    Raises:
        InvalidInputError: There is no such file, or it is not YAML in UTF-8, or not a mapping.
    """
    return read_card(read_text(path), str(path))


def read_text(path: Path) -> str:
    """Text of a UTF-8 file, or an error that names it."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path} is not text in UTF-8: {error}.") from error


def yaml_module() -> Any:
    """PyYAML, or the pip command."""
    return require("yaml", extra="physics-iq", feature="A Physics-IQ submission card")
