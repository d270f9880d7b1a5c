"""Load a checkpoint of the released 4.5B size, once: memory, and one small forward.

    python benchmarks/magi_full_size.py FOLDER

Writes about 9 GB of random weights below FOLDER in the published layout (bfloat16, two shards and an
index), loads them in a process of their own, runs one chunk of 32 x 32 pixels, and deletes them.
Peak memory of the process must stay within the weights plus 15 %. The key tables of all sizes are
counted on the meta device.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

VARIANT = "4.5B_base"
SHARDS = 2
ROOM = 1.15
# Parameters of the released sizes.
COUNTS = {"4.5B_base": 4_459_898_128, "24B_base": 23_899_281_936}


def write(root: Path) -> int:
    """The checkpoint, tensor by tensor; gives the bytes of its weights."""
    import torch

    from phyrefine.magi.config import config_sections, variant_named
    from phyrefine.magi.weights.names import parameter_shapes

    variant = variant_named(VARIANT)
    folder = root / "ckpt" / "magi" / VARIANT
    weights = folder / variant.folder
    weights.mkdir(parents=True)
    sections = config_sections(variant.model, variant.sampling)
    (folder / "config.json").write_text(json.dumps(sections), encoding="utf-8")
    shapes = list(parameter_shapes(variant.model).items())
    half = len(shapes) // SHARDS
    noise = torch.randn(2**24, generator=torch.Generator().manual_seed(0))
    index: dict[str, str] = {}
    for number, part in enumerate((shapes[:half], shapes[half:]), 1):
        name = f"model-{number:05}-of-{SHARDS:05}.safetensors"
        write_shard(weights / name, part, noise)
        index.update((key, name) for key, _ in part)
    note = {"metadata": {}, "weight_map": index}
    (weights / "model.safetensors.index.json").write_text(json.dumps(note), encoding="utf-8")
    return sum(2 * math.prod(shape) for _, shape in shapes)


def write_shard(path: Path, shapes: list, noise) -> None:
    """One safetensors file; every tensor is a stretch of the same noise, scaled by its fan-in."""
    import torch

    header, position = {}, 0
    for name, shape in shapes:
        size = 2 * math.prod(shape)
        header[name] = {
            "dtype": "BF16",
            "shape": shape,
            "data_offsets": [position, position + size],
        }
        position += size
    encoded = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for place, (_, shape) in enumerate(shapes):
            scale = math.prod(shape[1:]) ** -0.5 if len(shape) > 1 else 0.1
            stretch = noise[place : place + math.prod(shape)]
            block = (stretch * scale).to(torch.bfloat16).view(torch.uint8).numpy()
            left = 2 * math.prod(shape)
            while left:
                left -= file.write(memoryview(block)[: min(left, len(block))])


def load(root: Path) -> dict:
    """Load the checkpoint in this process and run one chunk."""
    import torch

    from phyrefine.magi.model.cache import Captions
    from phyrefine.magi.model.layout import Row
    from phyrefine.magi.weights.checkpoint import load_transformer
    from phyrefine.magi.weights.places import find_layout

    torch.set_num_threads(1)
    imported = peak()
    layout = find_layout(root, VARIANT)
    start = time.process_time()
    model = load_transformer(layout.weights, layout.variant.model, dtype=torch.bfloat16)
    loading = time.process_time() - start
    loaded = peak()
    weights = sum(parameter.nbytes for parameter in model.parameters())
    start = time.process_time()
    rows = [Row(0, 0.5, (0, 1))]
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 16, 6, 4, 4, generator=generator)
    captions = Captions(torch.randn(20, 4096, generator=generator), [[(0, 20)]])
    velocity = model(latents, rows, captions)
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "weights": weights,
        "after imports": imported,
        "after loading": loaded,
        "after a forward": peak(),
        "loading CPU s": loading,
        "forward CPU s": time.process_time() - start,
        "finite": bool(torch.isfinite(velocity).all()),
        "largest": velocity.abs().max().item(),
    }


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    if sys.argv[1:2] == ["--load"]:
        print(json.dumps(load(Path(sys.argv[2]))))
        return
    from phyrefine.magi.config import variant_named
    from phyrefine.magi.weights.names import parameter_shapes

    for name, count in COUNTS.items():
        shapes = parameter_shapes(variant_named(name).model)
        found = sum(math.prod(shape) for shape in shapes.values())
        print(f"{name}: {len(shapes)} keys, {found:,} parameters on the meta device", flush=True)
        if found != count:
            raise SystemExit(f"{name} should have {count:,} parameters.")
    root = Path(sys.argv[1]) / "magi_full_size"
    root.mkdir()
    try:
        print(f"written: {write(root) / 1e9:.2f} GB", flush=True)
        command = [sys.executable, __file__, "--load", str(root)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    finally:
        shutil.rmtree(root)
    found = json.loads(done.stdout)
    for name, value in found.items():
        print(
            f"{name}: {value / 1e9:.3f} GB"
            if value is not True and value > 1e6
            else f"{name}: {value}"
        )
    ratio = found["after loading"] / found["weights"]
    print(f"peak while loading / weights: {ratio:.3f} (limit {ROOM})")
    if ratio > ROOM or not found["finite"]:
        raise SystemExit("Out of bounds.")


if __name__ == "__main__":
    main()
