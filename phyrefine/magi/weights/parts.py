"""Checks every file of a model before the first gigabyte is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from phyrefine.errors import InvalidInputError
from phyrefine.magi.weights.places import Layout
from phyrefine.magi.weights.tensors import file_fault, weight_files

VAE_WEIGHTS = "diffusion_pytorch_model.safetensors"
_TOKENIZERS = ("spiece.model", "tokenizer.json")
# A transformers checkpoint: one file, or an index and shards, in either format.
_T5_FILES = ("model.safetensors", "pytorch_model.bin")


def check_parts(layout: Layout) -> None:
    """Refuse a model of which a part is missing, cut off or only a git-lfs pointer.

    Raises:
        InvalidInputError: Names everything that is wrong, in one line.
    """
    faults = [*_transformer(layout), *_autoencoder(layout), *_text_encoder(layout.text_encoder)]
    if faults:
        raise InvalidInputError(f"The MAGI-1 model is not complete: {'; '.join(faults)}.")


def _transformer(layout: Layout) -> Iterator[str]:
    if not layout.original:
        files = sorted(layout.weights.glob("*.safetensors"))
        if not files or not (layout.weights / "config.json").is_file():
            yield f"{layout.weights} holds no transformer (config.json and *.safetensors)"
    else:
        try:
            files = weight_files(layout.weights)
        except InvalidInputError as error:
            yield str(error).rstrip(".")
            return
    yield from _faults(files)


def _autoencoder(layout: Layout) -> Iterator[str]:
    if not layout.vae.is_dir():
        yield f"there is no autoencoder in {layout.vae}"
        return
    wanted = [layout.vae / "config.json"]
    shards = sorted(layout.vae.glob("*.safetensors"))
    wanted += [layout.vae / VAE_WEIGHTS] if layout.original or not shards else shards
    yield from _faults(wanted)


def _text_encoder(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        yield f"there is no text encoder in {folder}"
        return
    tokenizers = [folder / name for name in _TOKENIZERS if (folder / name).is_file()]
    if not tokenizers:
        yield f"{folder} has no tokenizer ({' or '.join(_TOKENIZERS)})"
    weights = _t5_weights(folder)
    if not weights:
        yield f"{folder} has no weights ({', '.join(_T5_FILES)}, or an index and its shards)"
    yield from _faults([folder / "config.json", *tokenizers, *weights])


def _t5_weights(folder: Path) -> list[Path]:
    for name in _T5_FILES:
        index = folder / f"{name}.index.json"
        if index.is_file() and not file_fault(index):
            named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            return [folder / shard for shard in sorted(set(named))]
        if (folder / name).is_file():
            return [folder / name]
    return []


def _faults(files: list[Path]) -> Iterator[str]:
    for file in files:
        fault = file_fault(file)
        if fault is not None:
            yield fault
