"""The attention backend that a process has in common."""

from __future__ import annotations


def process_attention() -> str | None:
    """Name of the attention backend that every model of this process uses that has none of its own.

    diffusers keeps it for the whole process: ``set_attention_backend`` of one model and the
    environment variable ``DIFFUSERS_ATTN_BACKEND`` change it for all others too.

    Returns:
        ``None`` for diffusers' default, PyTorch's own attention.
    """
    from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

    active, _ = _AttentionBackendRegistry.get_active_backend()
    return None if active == AttentionBackendName.NATIVE else str(active.value)
