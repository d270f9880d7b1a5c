"""Weights of the tiny video network: half-precision safetensors that carry their own sizes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import attrs
import torch
from safetensors import safe_open
from safetensors.torch import save

from phyrefine._atomic import write_bytes
from phyrefine.errors import InvalidInputError
from phyrefine.world.generator.network import NetworkConfig, VideoNetwork

WEIGHTS = Path(__file__).parents[1] / "weights"


def weights_path(variant: str) -> Path:
    """Where the weights of ``variant`` lie: a shipped variant, or the path of a weights file.

    Raises:
        InvalidInputError: No such variant is shipped, or there is no such file.
    """
    if variant.endswith(".safetensors"):
        given = Path(variant)
        if not given.is_file():
            raise InvalidInputError(f"There are no weights at {variant}.")
        return given
    path = WEIGHTS / f"{variant}.safetensors"
    if not path.is_file():
        shipped = sorted(file.stem for file in WEIGHTS.glob("*.safetensors"))
        raise InvalidInputError(f"No generator variant {variant!r}. Shipped: {', '.join(shipped)}.")
    return path


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def channels_last(network: VideoNetwork) -> VideoNetwork:
    """The network with its weights laid out as the CPU's convolutions like them."""
    # torch's stubs do not know this argument of Module.to.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def save_network(network: VideoNetwork, path: Path, **facts: str) -> None:
    """Write weights as float16 with the network's sizes, vocabulary and ``facts``."""
    tensors = {
        name: value.detach().half().contiguous() for name, value in network.state_dict().items()
    }
    notes = {"config": json.dumps(attrs.asdict(network.config)), **facts}
    # Not save_file: that one makes files which only their owner may read.
    write_bytes(path, save(tensors, metadata=notes))


def load_network(path: Path, dtype: torch.dtype = torch.float32) -> VideoNetwork:
    """Read weights written by ``save_network``, ready for inference."""
    with safe_open(path, framework="pt") as file:
        config = json.loads(file.metadata()["config"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    network = VideoNetwork(NetworkConfig(**config))
    network.load_state_dict(tensors)
    return channels_last(network.to(dtype)).eval().requires_grad_(False)
