"""Loads the parts of a pipeline from a folder, a configuration file or the hub."""

from __future__ import annotations

from pathlib import Path

import torch
from attrs import frozen

from phyrefine.magi.config import Variant
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.text.captions import SpecialTokens, TextOptions, load_special_tokens
from phyrefine.magi.text.encoder import TextEncoder
from phyrefine.magi.vae.autoencoder import AutoencoderKLMagi
from phyrefine.magi.weights.checkpoint import load_transformer, load_vae
from phyrefine.magi.weights.hub import DEFAULT_VARIANT, download, fetch_special_tokens
from phyrefine.magi.weights.memory import Memory, stream_blocks
from phyrefine.magi.weights.parts import check_parts
from phyrefine.magi.weights.places import Layout, find_layout

FETCH = "fetch"


@frozen
class Source:
    """What a pipeline is loaded from.

    Attributes:
        path: A folder, an official configuration file, or an id on the Hugging Face hub.
        variant: Which variant, where there are several.
        vae: Folder of the autoencoder, if it lies elsewhere.
        text_encoder: Folder of the text encoder, if it lies elsewhere.
        special_tokens: ``special_tokens.npz``, or ``"fetch"`` to have it fetched.
        revision: Revision on the hub.
        token: Access token for the hub.
    """

    path: str | Path
    variant: str | None = None
    vae: str | Path | None = None
    text_encoder: str | Path | None = None
    special_tokens: str | Path | None = None
    revision: str | None = None
    token: str | None = None


@frozen
class TextPlan:
    """How prompts are read.

    Attributes:
        options: Which special tokens are used.
        dtype: Dtype of the text encoder.
        device: Where it runs.
        cache: Folder for text features of prompts seen before.
    """

    options: TextOptions
    dtype: torch.dtype = torch.float32
    device: str | torch.device = "cpu"
    cache: str | Path | None = None


@frozen(eq=False)
class Parts:
    """What a pipeline is made of.

    Attributes:
        models: The network, the autoencoder and the text encoder.
        variant: Shape and sampling defaults.
        special_tokens: Tokens of the release, if there are any.
    """

    models: tuple[MagiTransformer3DModel, AutoencoderKLMagi, TextEncoder]
    variant: Variant
    special_tokens: SpecialTokens | None


def load_parts(
    source: Source,
    dtype: torch.dtype,
    plan: Memory,
    device: str | torch.device,
    text: TextPlan,
) -> Parts:
    """All parts of a pipeline; every file is checked before the first weights are read.

    Args:
        source: Where they lie.
        dtype: Dtype of transformer and autoencoder.
        plan: How memory is spent.
        device: Where transformer and autoencoder run.
        text: How prompts are read.

    Raises:
        InvalidInputError: A part is missing or does not fit the configuration.
        ModelNotFoundError: The special tokens were to be fetched, and cannot be.
    """
    root, variant = Path(source.path), source.variant
    fetched = not root.exists()
    if fetched:
        root = download(str(source.path), variant, revision=source.revision, token=source.token)
        # The cache may hold other variants from earlier.
        variant = variant or DEFAULT_VARIANT
    layout = find_layout(root, variant, vae=source.vae, text_encoder=source.text_encoder)
    check_parts(layout)
    tokens = _tokens(source.special_tokens, layout, text.options, fetched=fetched)
    transformer, vae = _models(layout, dtype, plan, device)
    encoder = TextEncoder.from_pretrained(
        layout.text_encoder,
        dtype=text.dtype,
        device=text.device,
        max_length=layout.variant.model.caption_max_length,
        cache=text.cache,
    )
    return Parts((transformer, vae, encoder), layout.variant, tokens)


def _tokens(
    given: str | Path | None, layout: Layout, options: TextOptions, *, fetched: bool
) -> SpecialTokens | None:
    if given == FETCH:
        given = fetch_special_tokens()
    found = given or layout.special_tokens
    if found is None and fetched and options.needed:
        # The weights came from the hub just so; its repository lacks the tokens.
        found = fetch_special_tokens(required=False)
    return load_special_tokens(found, options)


def _models(
    layout: Layout, dtype: torch.dtype, plan: Memory, device: str | torch.device
) -> tuple[MagiTransformer3DModel, AutoencoderKLMagi]:
    """The network, where the plan wants it, and the autoencoder on ``device``."""
    home = "cpu" if plan.stream_blocks else device
    if layout.original:
        shape = layout.variant.model
        transformer = load_transformer(layout.weights, shape, dtype=dtype, device=home)
        vae = load_vae(layout.vae, dtype=dtype, device=device)
    else:
        saved = {"torch_dtype": dtype, "local_files_only": True}
        transformer = MagiTransformer3DModel.from_pretrained(layout.weights, **saved).to(home)
        vae = AutoencoderKLMagi.from_pretrained(layout.vae, **saved).to(device)
    if plan.stream_blocks:
        stream_blocks(transformer, device)
    return transformer, vae
