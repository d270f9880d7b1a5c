"""Memory of tensors that are alive at the same time, by running a module without data.

On torch's ``meta`` device a module computes shapes alone: a decoder of full size takes seconds and
no memory. What is counted is every tensor the module makes, from its creation until nobody holds
it, as torch's allocator would count it on a GPU. Work space of libraries such as cuDNN, and what
the allocator reserves beyond live tensors, come on top.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveTensors(TorchDispatchMode):
    """Counts bytes of the tensors that operations make while it is entered.

    Attributes:
        peak: Most bytes at one time.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._now = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation and note what it made."""
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, torch.Tensor):
                self._note(leaf.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)  # torch keeps one object for a storage while that lives
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self._now += storage.nbytes()
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self._now -= self._sizes.pop(key, 0)


class _FusedAttention(TorchFunctionMode):
    """Attention as fused kernels do it: no table of scores."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is functional.scaled_dot_product_attention:
            named = dict(zip(("query", "key", "value"), args, strict=False)) | dict(kwargs or {})
            query, value = named["query"], named["value"]
            return query.new_empty(*query.shape[:-1], value.shape[-1])
        return func(*args, **(kwargs or {}))


def peak_bytes(work: Callable[[], Any]) -> int:
    """Most bytes of live tensors that ``work`` makes at one time.

    Args:
        work: Calls a module on the ``meta`` device, or on a real one.
    """
    with torch.no_grad(), _FusedAttention(), LiveTensors() as live:
        work()
        peak: int = live.peak
    return peak
