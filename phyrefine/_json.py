"""JSON that others wrote: whatever is wrong with it is a ``ValueError``."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes, *, strict: bool = True) -> Any:
    """The value of a JSON text.

    Args:
        text: Of a file, a reply, or a command line.
        strict: Refuse control characters inside strings.

    Raises:
        json.JSONDecodeError: It is no JSON, or nested so deeply that Python cannot hold it.
        UnicodeDecodeError: It is not text in UTF-8, 16 or 32.
    """
    try:
        return json.loads(text, strict=strict)
    except RecursionError as error:
        raise json.JSONDecodeError("Brackets are nested too deeply", "", 0) from error
