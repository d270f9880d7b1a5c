"""The table of families: which diffusers video pipelines continue a prefix, and how.

Figures are from the model cards, the diffusers documentation and the class defaults of diffusers
0.42.1. ``verified`` says what was run: the real classes with tiny random weights. No published
weights were run on a GPU.
"""

from __future__ import annotations

import difflib
from typing import Any

from phyrefine.backends.diffusers.families.cogvideox import COGVIDEOX
from phyrefine.backends.diffusers.families.cosmos import COSMOS
from phyrefine.backends.diffusers.families.hunyuan import HUNYUAN
from phyrefine.backends.diffusers.families.ltx import LTX
from phyrefine.backends.diffusers.families.modular import MODULAR
from phyrefine.backends.diffusers.families.native import NATIVE
from phyrefine.backends.diffusers.families.newer import NEWER
from phyrefine.backends.diffusers.families.spec import FamilySpec
from phyrefine.backends.diffusers.families.text_only import TEXT_ONLY
from phyrefine.backends.diffusers.families.wan import WAN
from phyrefine.errors import InvalidInputError

FAMILIES: tuple[FamilySpec, ...] = (
    *COGVIDEOX,
    *LTX,
    *WAN,
    *HUNYUAN,
    *NATIVE,
    *COSMOS,
    *TEXT_ONLY,
    *NEWER,
    *MODULAR,
)

REFUSED = {
    "CogVideoXVideoToVideoPipeline": (
        "it restyles a clip (its output is as long as its input) and does not continue it. Load "
        "the image-to-video checkpoint, for example THUDM/CogVideoX-5b-I2V"
    ),
    "CogVideoXFunControlPipeline": "it follows a control video and does not continue one",
    "WanVideoToVideoPipeline": "it restyles a clip and does not continue it",
    "WanAnimatePipeline": "it animates a character after a driving video",
    "WanAnimate2ModularPipeline": "it animates a character after a driving video",
    "EasyAnimateControlPipeline": "it follows a control video and does not continue one",
    "LucyEditPipeline": "it edits a clip and does not continue it",
    "SanaWMPipeline": (
        "it needs a camera path for every clip (c2w or action), which a physics scene does not have"
    ),
    "ConsisIDPipeline": "it keeps a person's identity and does not continue a clip",
    "StableVideoDiffusionPipeline": "it reads no text, so no prompt can be refined",
}


# -- telling ----------------------------------------------------------------------------------


def facts(spec: FamilySpec) -> dict[str, str]:
    """What to know of a family before choosing it, in words, by column title."""
    most, context = spec.contexts[0], "text only"
    if most:
        context = (
            f"{most} (or {', '.join(map(str, spec.contexts[1:4]))})" if spec.contexts[1:] else "1"
        )
        context = context.replace(")", ", ...)") if len(spec.contexts) > 4 else context
    length = spec.grid.most or spec.grid.least
    seconds = spec.new(length, most) / spec.fps
    return {
        "family": spec.name,
        "context frames": context,
        "height x width, rate": f"{spec.size[0]} x {spec.size[1]}, {spec.fps:g} fps",
        "new in one pass": f"{seconds:.1f} s",
        "16-bit types": ", ".join(spec.dtypes),
        "license": spec.license,
    }


# -- looking up --------------------------------------------------------------------------------


def list_families() -> tuple[FamilySpec, ...]:
    """All rows, in the order of the table."""
    return FAMILIES


def named(name: str) -> FamilySpec:
    """The row called ``name``.

    Raises:
        InvalidInputError: There is none.
    """
    for spec in FAMILIES:
        if spec.name == name:
            return spec
    raise InvalidInputError(
        f"No family called {name!r}. There are: {', '.join(spec.name for spec in FAMILIES)}."
    )


def by_class(name: str) -> tuple[FamilySpec, ...]:
    """The rows that can use a checkpoint saved by the diffusers class ``name``.

    Raises:
        InvalidInputError: The class cannot continue a prefix, or is not in the table.
    """
    rows = tuple(spec for spec in FAMILIES if spec.pipeline == name or name in spec.accepts)
    if rows:
        return rows
    if name in REFUSED:
        raise InvalidInputError(f"{name} cannot be used: {REFUSED[name]}.")
    near = difflib.get_close_matches(name, {spec.pipeline for spec in FAMILIES}, n=3, cutoff=0.75)
    hint = f" It is near {', '.join(near)}." if near else ""
    raise InvalidInputError(
        f"{name} is not in the table of families ('phyrefine generators' lists it).{hint} To use "
        "it, describe it with a FamilySpec and pass family=."
    )


def _rows_of(kind: type) -> tuple[FamilySpec, ...]:
    """The rows of a class, or of the nearest class it inherits from."""
    for parent in kind.__mro__:
        rows = tuple(spec for spec in FAMILIES if spec.pipeline == parent.__name__)
        if rows:
            return rows
        if parent.__name__ in REFUSED:
            break
    return by_class(parent.__name__ if parent is not object else kind.__name__)


def of(pipe: Any, name: str | None = None) -> FamilySpec:
    """The row of a pipeline, corrected by the pipeline's own configuration.

    Args:
        pipe: A diffusers pipeline.
        name: Name of its class, when ``pipe`` only stands for it.

    Raises:
        InvalidInputError: It cannot continue a prefix, or is not in the table.
    """
    rows = by_class(name) if name else _rows_of(type(pipe))
    for row in rows:
        if row.fits(pipe):
            return row.adapt(pipe, row)
    raise InvalidInputError(
        f"No family fits this {name or type(pipe).__name__}: its configuration is not that of "
        f"{' or '.join(row.name for row in rows)}. Load an image- or video-conditioned checkpoint, "
        "or describe it with a FamilySpec and pass family=."
    )
