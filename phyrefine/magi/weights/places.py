"""Where the parts of a model lie: every layout that weights of MAGI-1 come in.

================================  ==============================================================
what is given                     what lies there
================================  ==============================================================
the published tree                ``ckpt/`` with ``magi/VARIANT``, ``vae`` and ``t5/t5-v1_1-xxl``
the examples' tree                ``VARIANT``, ``vae`` and ``t5_pretrained/t5-v1_1-xxl``
a variant's own folder            ``inference_weight*``; the other parts are looked for beside it
an official configuration file    its ``load``, ``vae_pretrained`` and ``t5_pretrained``
a folder saved by this library    ``magi_pipeline.json`` and diffusers' folders
================================  ==============================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from phyrefine.errors import InvalidInputError
from phyrefine.magi.config import VARIANTS, Variant, parse_config, read_config, variant_named

PIPELINE_FILE = "magi_pipeline.json"
SPECIAL_TOKENS = "special_tokens.npz"
_T5 = "t5-v1_1-xxl"
_WEIGHTS = "inference_weight"
_NEWER = "magi1.1"
# How far above a variant's folder or a configuration file the other parts are looked for.
_LEVELS = 4


@frozen
class Layout:
    """Where the parts of a model lie.

    Attributes:
        variant: Shape and sampling.
        weights: Folder of the transformer's weights.
        vae: Folder of the autoencoder.
        text_encoder: Folder of the text encoder, tokenizer included.
        special_tokens: ``special_tokens.npz``, if it is there.
        original: The original's layout rather than ours.
    """

    variant: Variant
    weights: Path
    vae: Path
    text_encoder: Path
    special_tokens: Path | None
    original: bool


def find_layout(
    path: str | Path,
    variant: str | None = None,
    *,
    vae: str | Path | None = None,
    text_encoder: str | Path | None = None,
) -> Layout:
    """Find the parts of a model.

    Args:
        path: A folder or an official configuration file; see the table above.
        variant: Which one, where the folder holds several.
        vae: Folder of the autoencoder, if it lies elsewhere.
        text_encoder: Folder of the text encoder, or the one above it, if it lies elsewhere.

    Raises:
        InvalidInputError: A part is not there, or the variant has to be named.
    """
    root = Path(path)
    if root.is_file():
        found = _from_configuration(root, given=(vae, text_encoder))
    elif (root / PIPELINE_FILE).exists():
        found = _own(root)
    elif (root / "model_index.json").exists():
        raise InvalidInputError(
            f"{root} is a diffusers pipeline, a layout MAGI-1 has not been published in. Pass the "
            "original checkpoint's folder, or one saved by MagiPipeline.save_pretrained."
        )
    else:
        found = _original(root, variant)
    if vae is not None:
        found = attrs.evolve(found, vae=Path(vae))
    if text_encoder is not None:
        found = attrs.evolve(found, text_encoder=_t5_in(Path(text_encoder)))
    return found


def _own(root: Path) -> Layout:
    saved = json.loads((root / PIPELINE_FILE).read_text(encoding="utf-8"))
    variant = parse_config(saved["config"], name=saved["variant"])
    tokens = root / SPECIAL_TOKENS
    return Layout(
        variant,
        root / "transformer",
        root / "vae",
        root / "text_encoder",
        tokens if tokens.exists() else None,
        original=False,
    )


# -- the original's trees --------------------------------------------------------------------------


def _original(root: Path, variant: str | None) -> Layout:
    folder = _variant_folder(root, variant)
    config = folder / "config.json"
    found = read_config(config) if config.exists() else _named(folder, variant)
    _check_weight_folder(folder, found)
    above: Sequence[Path] = folder.absolute().parents[:_LEVELS]
    if folder not in (root, root.parent):  # a tree was given: nothing outside it is taken
        above = [home for home in above if home.is_relative_to(root.absolute())]
    homes = [root, root / "ckpt", root / "downloads", *above]
    return Layout(
        found,
        folder / found.folder,
        _first([home / "vae" for home in homes], default=folder.parent / "vae"),
        _first(_t5_places(homes), default=_published_t5(folder)),
        _special_tokens(homes),
        original=True,
    )


def _variant_folder(root: Path, variant: str | None) -> Path:
    if root.name.startswith(_WEIGHTS):
        return root.parent
    if _holds_weights(root):
        return root
    for models in (root / "ckpt" / "magi", root / "magi"):
        if models.is_dir():
            return _chosen(models, [f for f in models.iterdir() if f.is_dir()], variant)
    for models in (root / "ckpt", root / "downloads", root):
        held = [f for f in models.iterdir() if _holds_weights(f)] if models.is_dir() else []
        if held:
            return _chosen(models, held, variant)
    if _NEWER in root.parts or any((root / place / _NEWER).is_dir() for place in ("", "ckpt")):
        raise InvalidInputError(
            f"{root} holds MAGI-1.1, whose weights are packed in another way and cannot be read. "
            f"Use a variant of MAGI-1: {', '.join(VARIANTS)}."
        )
    raise InvalidInputError(
        f"{root} holds no MAGI-1 model: neither {PIPELINE_FILE} (saved by this library) nor the "
        "original's folders magi, vae and t5 (or ckpt/ with these), nor a folder with "
        f"{_WEIGHTS}. An official configuration file can be given too."
    )


def _chosen(models: Path, folders: Sequence[Path], variant: str | None) -> Path:
    names = sorted(folder.name for folder in folders)
    if variant is None and len(names) != 1:
        raise InvalidInputError(
            f"Name the variant: {models} holds {', '.join(names) or 'none'}. In Python it is "
            f"variant={(names or ['4.5B_base'])[0]!r}, on the command line "
            f"magi:PATH#{(names or ['4.5B_base'])[0]}."
        )
    name = names[0] if variant is None else variant
    if name not in names:
        raise InvalidInputError(
            f"There is no variant {variant!r} in {models}; it holds {', '.join(names) or 'none'}."
        )
    return models / name


def _named(folder: Path, variant: str | None) -> Variant:
    """The released variant of a folder without a configuration."""
    name = folder.name if variant is None or folder.name in VARIANTS else variant
    if name not in VARIANTS:
        raise InvalidInputError(
            f"{folder} has no config.json and is named like no MAGI-1 variant. Name the variant: "
            f"{', '.join(VARIANTS)}."
        )
    return variant_named(name)


def _check_weight_folder(folder: Path, variant: Variant) -> None:
    if (folder / variant.folder).is_dir():
        return
    present = sorted(f.name for f in folder.iterdir() if f.name.startswith(_WEIGHTS))
    kind = "distilled" if variant.model.distilled else "base"
    raise InvalidInputError(
        f"The configuration of {folder} is for a {kind} model, whose weights lie in "
        f"{variant.folder}; the folder holds {', '.join(present) or 'no weights'}. Use the "
        "configuration that belongs to these weights (its fields distill, fp8_quant and "
        "cfg_number)."
    )


# -- an official configuration file ------------------------------------------------------------


def _from_configuration(file: Path, *, given: Sequence[object]) -> Layout:
    """The layout that a configuration file names; paths are as the original resolves them.

    The original takes relative paths from the working directory, which is its repository's root.
    They are looked for there, then beside the file and in the folders above it.
    """
    sections = _read(file)
    variant = parse_config(sections, name=file.stem.removesuffix("_config"))
    runtime = sections["runtime_config"]
    load = _named_path(file, runtime, "load")
    variant = attrs.evolve(variant, name=load.name if load.name in VARIANTS else variant.name)
    folder = load if _has_weight_file(load) else load / variant.folder
    if folder != load:
        if not load.is_dir():
            raise InvalidInputError(f"{file} names {load} as its weights, which is not there.")
        _check_weight_folder(load, variant)
    vae, text = given
    homes = [Path.cwd(), *file.absolute().parents[:_LEVELS], *load.absolute().parents[:_LEVELS]]
    return Layout(
        variant,
        folder,
        Path() if vae is not None else _named_path(file, runtime, "vae_pretrained"),
        Path() if text is not None else _t5_in(_named_path(file, runtime, "t5_pretrained")),
        _special_tokens(homes),
        original=True,
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        sections = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidInputError(
            f"{file} is neither a folder nor a configuration file of MAGI-1 ({error})."
        ) from error
    if not isinstance(sections, dict):
        raise InvalidInputError(f"{file} is no configuration file of MAGI-1.")
    return sections


def _named_path(file: Path, runtime: dict[str, Any], key: str) -> Path:
    if not runtime.get(key):
        raise InvalidInputError(f"The MAGI-1 configuration {str(file)!r} lacks {key!r}.")
    named = Path(runtime[key]).expanduser()
    homes = [Path.cwd(), *file.absolute().parents[:_LEVELS]]
    return _first([home / named for home in homes], default=named)


# -- looking -----------------------------------------------------------------------------------


def _holds_weights(folder: Path) -> bool:
    return folder.is_dir() and any(f.is_dir() for f in folder.glob(f"{_WEIGHTS}*"))


def _has_weight_file(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("model*.safetensors*"))


def _t5_in(folder: Path) -> Path:
    inner = folder / _T5
    return inner if inner.is_dir() else folder


def _t5_places(homes: Iterable[Path]) -> list[Path]:
    return [home / above / _T5 for home in homes for above in ("t5", "t5_pretrained", "")]


def _published_t5(folder: Path) -> Path:
    return folder.parent.parent / "t5" / _T5


def _special_tokens(homes: Iterable[Path]) -> Path | None:
    places = [home / above for home in homes for above in ("", "example/assets", "assets")]
    return next((p / SPECIAL_TOKENS for p in places if (p / SPECIAL_TOKENS).is_file()), None)


def _first(places: Iterable[Path], *, default: Path) -> Path:
    return next((place for place in places if place.exists()), default)
