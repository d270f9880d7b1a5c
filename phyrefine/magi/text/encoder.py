"""The T5 encoder behind MAGI-1's captions, with a cache of what it made."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from phyrefine._optional import require
from phyrefine.errors import InvalidInputError
from phyrefine.magi.text.cleaning import clean_caption
from phyrefine.magi.weights.fingerprint import fingerprint

log = logging.getLogger(__name__)

_KEPT_PROMPTS = 64
_PLAIN_WORDS = "a ball falls"


class TextEncoder:
    """Prompts to T5 features.

    Args:
        tokenizer: A transformers tokenizer.
        model: A transformers T5 encoder.
        max_length: Tokens a prompt is padded or cut to.
        cache: Folder for features of prompts seen before; by default they are kept in memory.
        identity: What tells the encoder's weights apart; features on disk belong to it.
        reload: Gives the model again after `release`; without it the model is kept.

    Attributes:
        encoded: How often the model ran.
        loaded: How often `reload` was called.
    """

    def __init__(
        self,
        tokenizer: Any,
        model: Any,
        *,
        max_length: int = 800,
        cache: str | Path | None = None,
        identity: str | None = None,
        reload: Callable[[], Any] | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self._model: Any = model
        self._reload = reload
        self.max_length = max_length
        self.folder = None if cache is None else Path(cache)
        self.identity = fingerprint(model) if identity is None else identity
        self.encoded = self.loaded = 0
        self._kept: OrderedDict[str, Tensor] = OrderedDict()
        self._emptied: set[str] = set()
        # Streams of several threads share one encoder; tokenizers are not safe to share, and a
        # prompt that two of them need is encoded once.
        self._lock = threading.RLock()

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        *,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
        max_length: int = 800,
        cache: str | Path | None = None,
    ) -> TextEncoder:
        """Load from a folder in transformers' layout (the release's ``t5-v1_1-xxl``).

        Args:
            path: The folder.
            dtype: The release runs float32 (19 GB); bfloat16 halves that.
            device: Where it runs; the release's default is the CPU.
            max_length: Tokens a prompt is padded or cut to.
            cache: See the class.

        Raises:
            InvalidInputError: There is no such folder, or its tokenizer knows no words.
        """
        if not Path(path).is_dir():
            raise InvalidInputError(f"There is no text encoder in {path}.")
        transformers = require("transformers", extra="magi", feature="MAGI-1's text encoder")
        tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        _check_tokenizer(tokenizer, path)

        def load() -> Any:
            model = transformers.T5EncoderModel.from_pretrained(path, dtype=dtype)
            return model.to(device).eval()

        return cls(tokenizer, load(), max_length=max_length, cache=cache, reload=load)

    @property
    def model(self) -> Any:
        """The T5 encoder, loaded again if it was released."""
        with self._lock:
            if self._model is None:
                assert self._reload is not None
                self._model = self._reload()
                self.loaded += 1
            return self._model

    def release(self) -> None:
        """Give the model's memory back until the next new prompt, if it can be loaded again."""
        with self._lock:
            if self._reload is not None:
                self._model = None

    def encode(self, prompt: str) -> tuple[Tensor, Tensor]:
        """Features and mask of a prompt, cleaned first.

        Returns:
            (tokens, D) float32 features of the valid tokens, and their mask (tokens) of ones.
            Positions beyond the prompt never reach the network, so they are not kept.
        """
        text = clean_caption(prompt)
        if not text and prompt not in self._emptied:
            self._emptied.add(prompt)
            log.warning(
                "MAGI-1's caption cleaning leaves nothing of the prompt %r: the clip is made "
                "without text. It keeps Latin letters and words; write the prompt in English.",
                prompt,
            )
        with self._lock:
            if text not in self._kept:
                self._kept[text] = self._from_disk(text)
                while len(self._kept) > _KEPT_PROMPTS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(text)
            features = self._kept[text]
        return features, torch.ones(len(features), dtype=torch.int64)

    def encode_padded(self, prompt: str) -> tuple[Tensor, Tensor]:
        """Features (1, max_length, D) float32 and mask (1, max_length) int64, as T5 gives them."""
        with self._lock:
            return self._encode_cleaned(clean_caption(prompt))

    def _encode_cleaned(self, text: str) -> tuple[Tensor, Tensor]:
        tokens = self.tokenizer(
            text,
            max_length=self.max_length,
            padding="max_length",
            truncation=True,
            return_attention_mask=True,
            add_special_tokens=True,
            return_tensors="pt",
        )
        model = self.model
        device = model.device
        with torch.no_grad():
            output = model(
                input_ids=tokens["input_ids"].to(device),
                attention_mask=tokens["attention_mask"].to(device),
            )
        self.encoded += 1
        return output[0].float().cpu(), tokens["attention_mask"]

    def _from_disk(self, text: str) -> Tensor:
        path = self._path(text)
        if path is not None and path.exists():
            return load_file(path)["features"]
        features, mask = self._encode_cleaned(text)
        valid = features[0][mask[0].bool()].contiguous()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_suffix(".tmp")
            save_file({"features": valid}, aside)
            aside.replace(path)
        return valid

    def _path(self, text: str) -> Path | None:
        if self.folder is None:
            return None
        digest = hashlib.sha256(f"{self.identity}\0{self.max_length}\0{text}".encode())
        return self.folder / f"{digest.hexdigest()}.safetensors"


def _check_tokenizer(tokenizer: Any, path: str | Path) -> None:
    """Refuse the empty tokenizer that transformers makes of a folder without its vocabulary."""
    words = tokenizer(_PLAIN_WORDS, add_special_tokens=False)["input_ids"]
    if not words or tokenizer.unk_token_id in words:
        raise InvalidInputError(
            f"The tokenizer in {path} does not know the words {_PLAIN_WORDS!r}, so prompts would "
            "read alike. Fetch spiece.model (or tokenizer.json) again."
        )
