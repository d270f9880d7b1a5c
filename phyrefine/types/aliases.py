"""Names for types used all over."""

from typing import Any, Literal

JSON = Any  # what the json module reads and writes
Stage = Literal["predict", "compose", "critique", "judge"]
