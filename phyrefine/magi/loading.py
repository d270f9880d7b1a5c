"""Loads the parts of a pipeline from a folder, a configuration file or the hub."""

from __future__ import annotations

from pathlib import Path

import torch
from attrs import frozen

from phyrefine.errors import InvalidInputError
from phyrefine.magi.config import Variant
from phyrefine.magi.model.transformer import MagiTransformer3DModel
from phyrefine.magi.ranks.group import Member
from phyrefine.magi.ranks.leader import Leader, follow_if_told
from phyrefine.magi.ranks.messages import Load
from phyrefine.magi.text.captions import SpecialTokens, TextOptions, load_special_tokens
from phyrefine.magi.text.encoder import TextEncoder
from phyrefine.magi.vae.autoencoder import AutoencoderKLMagi
from phyrefine.magi.weights.hub import DEFAULT_VARIANT, download, fetch_special_tokens
from phyrefine.magi.weights.memory import Memory
from phyrefine.magi.weights.models import load_autoencoder, load_network
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
class Places:
    """Which devices are used.

    Attributes:
        device: Where the network runs; the first of several.
        devices: Over how many devices it is split.
        vae: Where the autoencoder runs; by default with the network.
    """

    device: torch.device
    devices: int = 1
    vae: torch.device | None = None


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
        leader: Leads the other devices, if there are any.
    """

    models: tuple[MagiTransformer3DModel, AutoencoderKLMagi, TextEncoder]
    variant: Variant
    special_tokens: SpecialTokens | None
    leader: Leader | None = None


def load_parts(
    source: Source,
    dtype: torch.dtype,
    plan: Memory,
    places: Places,
    text: TextPlan,
) -> Parts:
    """All parts of a pipeline; every file is checked before the first weights are read.

    Args:
        source: Where they lie.
        dtype: Dtype of transformer and autoencoder.
        plan: How memory is spent.
        places: Where transformer and autoencoder run.
        text: How prompts are read.

    Raises:
        InvalidInputError: A part is missing or does not fit the configuration, or the number of
            devices does not fit.
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
    leader = None
    if places.devices > 1:
        # Followers load their network while this process loads the rest.
        load = Load(layout, dtype, plan, torch.get_num_threads())
        leader = Leader(places.devices, places.device, load)
    try:
        models = _models(layout, dtype, plan, places, text, leader)
    except BaseException:
        # A group that is left open would refuse the next attempt.
        if leader is not None:
            leader.close()
        raise
    return Parts(models, layout.variant, tokens, leader)


def _models(
    layout: Layout,
    dtype: torch.dtype,
    plan: Memory,
    places: Places,
    text: TextPlan,
    leader: Leader | None,
) -> tuple[MagiTransformer3DModel, AutoencoderKLMagi, TextEncoder]:
    transformer = load_network(layout, dtype, plan, places.device)
    if leader is not None:
        leader.lead(transformer)
    vae = load_autoencoder(layout, dtype, places.vae or places.device)
    encoder = TextEncoder.from_pretrained(
        layout.text_encoder,
        dtype=text.dtype,
        device=text.device,
        max_length=layout.variant.model.caption_max_length,
        cache=text.cache,
    )
    return transformer, vae, encoder


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


def places_of(device: torch.device, devices: int | None, vae: str | torch.device | None) -> Places:
    """The devices meant; in the further processes of ``torchrun`` this serves and never returns.

    Raises:
        InvalidInputError: Several devices, the first of which is not the first GPU.
        SystemExit: This process followed to the end.
    """
    if follow_if_told():
        raise SystemExit(0)
    member = Member.of_environment()
    count = devices or (1 if member is None else member.size)
    if count > 1 and device.type == "cuda":
        if device.index not in (None, 0):
            raise InvalidInputError(
                f"devices={count} are the first {count} GPUs, but device is {device}. Leave device "
                "out, and choose GPUs by CUDA_VISIBLE_DEVICES."
            )
        device = torch.device("cuda", 0)
    return Places(device, count, None if vae is None else torch.device(vae))
