"""Pools on disk: the clips of one scene and prompt under many noise seeds, rendered once.

A file's name holds the digest of weights, settings and prompt, so that clips of other weights or
of another wording are never taken for these.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from benchmarks.world.prompts import Said, said
from benchmarks.world.rendering import Renderer
from benchmarks.world.scenes import SceneId
from phyrefine._atomic import write_bytes
from phyrefine.video.clip import Clip
from phyrefine.world.generator.network import FPS

UInt8Array = NDArray[np.uint8]


@frozen
class PoolFile:
    """Where the clips of one scene, prompt and generator lie.

    Attributes:
        root: Folder of all pools.
        scene: Which scene.
        name: The prompt's name.
        prompt: Its text.
        renderer: Weights and settings.
    """

    root: Path
    scene: SceneId
    name: str
    prompt: Said
    renderer: Renderer

    @classmethod
    def of(cls, root: Path, scene: SceneId, name: str, renderer: Renderer) -> PoolFile:
        return cls(root, scene, name, said(name, scene), renderer)

    @property
    def key(self) -> str:
        """Weights, settings and prompt."""
        return f"{self.name}-{self.renderer.key}-{self.prompt.digest}"

    @property
    def path(self) -> Path:
        return self.root / "pool" / self.scene.name / f"{self.key}.npz"

    def stored(self) -> dict[int, Clip]:
        """Clips by noise seed; empty if there are none yet."""
        if not self.path.exists():
            return {}
        with np.load(self.path) as file:
            frames, seeds = file["frames"], file["seeds"]
        return {int(s): Clip(f, FPS) for s, f in zip(seeds, frames, strict=True)}

    def clips(self, seeds: Sequence[int]) -> list[Clip]:
        """The clips of ``seeds``; those that are missing are rendered in one batch and stored."""
        known = self.stored()
        missing = [seed for seed in seeds if seed not in known]
        if missing:
            frames = self.renderer.render(self.scene.scenario, self.prompt, missing)
            known |= {s: Clip(f, FPS) for s, f in zip(missing, frames, strict=True)}
            self._write(known)
        return [known[seed] for seed in seeds]

    def _write(self, clips: dict[int, Clip]) -> None:
        buffer = io.BytesIO()
        # np.load reads any compression of zip; LZMA makes 16 clips about 220 kB instead of 360.
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as file:
            arrays = {"frames": np.stack([c.frames for c in clips.values()]),
                      "seeds": np.array(list(clips))}  # fmt: skip
            for name, array in arrays.items():
                with file.open(f"{name}.npy", "w") as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(self.path, buffer.getvalue())


def pack(root: Path, out: Path, most: int) -> list[Path]:
    """All pools as tar files of at most ``most`` bytes each, for carrying to another machine."""
    out.mkdir(parents=True, exist_ok=True)
    shards = list(_shards(sorted(_files(root)), most))
    paths = [out / f"pool-{number:02}.tar" for number in range(len(shards))]
    for path, files in zip(paths, shards, strict=True):
        with tarfile.open(path, "w") as tar:
            for file in files:
                tar.add(file, file.relative_to(root))
    return paths


def _files(root: Path) -> list[Path]:
    """Clips, and what is known of them."""
    return [path for path in (root / "pool").rglob("*") if path.suffix in (".npz", ".json")]


def _shards(files: Sequence[Path], most: int) -> Iterator[list[Path]]:
    shard: list[Path] = []
    # A tar file needs a header, padding to 512 bytes, and up to 10 kB at its end.
    room = most - 10_240
    for file in files:
        needed = file.stat().st_size + 2048
        if shard and needed > room:
            yield shard
            shard, room = [], most - 10_240
        shard.append(file)
        room -= needed
    if shard:
        yield shard


def unpack(root: Path, shards: Sequence[Path]) -> None:
    """Put packed pools where :class:`PoolFile` finds them."""
    for path in shards:
        with tarfile.open(path) as tar:
            tar.extractall(root, filter="data")
