"""Whether an exception says that memory is used up."""

from __future__ import annotations


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch says that memory is used up."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text
    )
