"""Where a sampler stands, as bytes: enough to go on in another process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from phyrefine.errors import InvalidInputError
from phyrefine.magi.sampling.sampler import Progress

_VERSION = 1


def pack_state(progress: Progress, identity: Mapping[str, str]) -> bytes:
    """A sampler's standing as bytes.

    Args:
        progress: Where it stands.
        identity: What must be the same to go on; checked by `unpack_state`.
    """
    tensors = {}
    for kind in ("in_flight", "finished"):
        for chunk, latents in getattr(progress, kind).items():
            tensors[f"{kind}.{chunk}"] = latents.float().cpu().contiguous()
    tensors["stage"] = torch.tensor(progress.stage)
    note = {"version": _VERSION, "identity": dict(identity)}
    packed: bytes = save(tensors, metadata={"magi": json.dumps(note, sort_keys=True)})
    return packed


def unpack_state(
    data: bytes, identity: Mapping[str, str], device: str | torch.device = "cpu"
) -> Progress:
    """The standing behind the bytes.

    Raises:
        InvalidInputError: The bytes are damaged or belong to another prefix, size or setting.
    """
    note, tensors = _read(data)
    stored = note["identity"]
    other = [key for key in identity if stored.get(key) != identity[key]]
    if other:
        changed = ", ".join(f"{key} ({stored.get(key)} then, {identity[key]} now)" for key in other)
        raise InvalidInputError(f"The state belongs to another continuation: {changed}.")
    held: dict[str, dict[int, torch.Tensor]] = {"in_flight": {}, "finished": {}}
    stage = int(tensors.pop("stage"))
    for name, tensor in tensors.items():
        kind, chunk = name.split(".")
        held[kind][int(chunk)] = tensor.to(device)
    return Progress(stage, held["in_flight"], held["finished"])


def finished_chunks(data: bytes, window_size: int) -> int:
    """How many chunks were finished when the state was given out.

    Args:
        data: What `pack_state` made.
        window_size: Chunks in flight at once.

    Raises:
        InvalidInputError: The bytes are no state.
    """
    _, tensors = _read(data)
    # A chunk leaves in the stage in which it is the oldest of a whole window.
    return int(tensors["stage"]) - window_size + 1


def _read(data: bytes) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        size = int.from_bytes(data[:8], "little")
        note = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["magi"])
        tensors = load(data)
    except (KeyError, ValueError, SafetensorError) as error:
        raise InvalidInputError(f"This is no state of a MAGI-1 sampler: {error}.") from error
    if note["version"] != _VERSION:
        raise InvalidInputError(f"The state has version {note['version']}, not {_VERSION}.")
    return note, tensors
