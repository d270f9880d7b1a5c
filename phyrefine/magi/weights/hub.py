"""What is fetched: a model from the Hugging Face hub, and the special tokens of the release."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from phyrefine._optional import require
from phyrefine.errors import ModelNotFoundError
from phyrefine.magi.weights.places import PIPELINE_FILE, SPECIAL_TOKENS

log = logging.getLogger(__name__)

DEFAULT_VARIANT = "4.5B_base"
# The hub's repository does not hold them; the code's does (Apache-2.0, 102 rows, 3.3 MB).
TOKENS_URL = (
    "https://raw.githubusercontent.com/SandAI-org/MAGI-1/main/example/assets/special_tokens.npz"
)
_SECONDS = 60


def download(
    repo: str, variant: str | None, *, revision: str | None = None, token: str | None = None
) -> Path:
    """Fetch the parts of one variant from the Hugging Face hub; gives the local folder."""
    hub = require("huggingface_hub", extra="magi", feature="Downloading MAGI-1")
    wanted = variant or DEFAULT_VARIANT
    patterns = [
        f"ckpt/magi/{wanted}/**",
        "ckpt/vae/**",
        "ckpt/t5/**",
        PIPELINE_FILE,
        "transformer/**",
        "vae/**",
        "text_encoder/**",
        SPECIAL_TOKENS,
    ]
    folder = hub.snapshot_download(repo, revision=revision, token=token, allow_patterns=patterns)
    return Path(folder)


def fetch_special_tokens(url: str = TOKENS_URL, *, required: bool = True) -> Path | None:
    """The release's special tokens, fetched once into the hub's cache.

    Args:
        url: Where they lie.
        required: Whether to raise when they cannot be had, or warn and give ``None``.

    Raises:
        ModelNotFoundError: They cannot be had; says where they lie.
    """
    hub = require("huggingface_hub", extra="magi", feature="Fetching MAGI-1's special tokens")
    folder = Path(
        hub.cached_assets_path("phyrefine", "magi-1", assets_dir=hub.constants.HF_ASSETS_CACHE)
    )
    file = folder / SPECIAL_TOKENS
    if file.exists():
        return file
    try:
        # The hub's own client: it knows proxies, and refuses when HF_HUB_OFFLINE is set.
        reply = hub.utils.get_session().get(url, follow_redirects=True, timeout=_SECONDS)
        reply.raise_for_status()
    except Exception as error:  # whatever the hub's client raises means the same here
        told = (
            f"MAGI-1's special tokens could not be fetched from {url} "
            f"({type(error).__name__}: {error}). Save the file and pass special_tokens=FILE."
        )
        if not required:
            log.warning("%s", told)
            return None
        raise ModelNotFoundError(told, provider="magi", model=SPECIAL_TOKENS) from error
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"{SPECIAL_TOKENS}.{os.getpid()}.part"
    aside.write_bytes(reply.content)
    aside.replace(file)
    return file
