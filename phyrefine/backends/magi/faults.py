"""What went wrong inside MAGI-1, as the library's errors."""

from __future__ import annotations

from phyrefine.backends.continuing.memory_faults import is_out_of_memory
from phyrefine.errors import GenerationError, GeneratorMemoryError


def explained(error: Exception, variant: str) -> GenerationError:
    """The error a user sees, with what needs less memory where that is the cause."""
    if is_out_of_memory(error):
        return GeneratorMemoryError(
            f"MAGI-1 {variant} ran out of device memory. Load it with memory='balanced' or 'low' "
            "or a smaller size=(height, width); on the command line --generator-option "
            "memory=balanced, or magi:PATH?memory=balanced.",
            provider="magi",
        )
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return GenerationError(f"MAGI-1 failed: {type(error).__name__}: {line}", provider="magi")
