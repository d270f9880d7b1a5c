"""Models and processors from a hub id, a folder or a GGUF file, with or without torchvision."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from attrs import define, field, frozen

from phyrefine._optional import installed, require
from phyrefine.errors import InvalidInputError, MissingDependencyError, ModelNotFoundError

logger = logging.getLogger(__name__)

FEATURE = "The transformers backend"
# What a saved processor lists besides its own arguments.
_PARTS = frozenset(
    {"processor_class", "auto_map", "image_processor", "video_processor", "tokenizer",
     "feature_extractor", "chat_template"}
)  # fmt: skip


@frozen
class Source:
    """Where a model comes from and how it is held.

    Attributes:
        path: Hub id or folder.
        gguf_file: File inside ``path`` that holds quantized weights and tokenizer.
        revision: Branch, tag or commit on the hub.
        dtype: ``"auto"`` or a torch dtype's name.
        device: ``"cpu"``, ``"cuda:1"``, ...; ``None`` takes CUDA, else MPS, else the CPU.
        device_map: accelerate's placement, for example ``"auto"``; instead of ``device``.
        quantization: ``"8bit"``, ``"4bit"`` (bitsandbytes) or a quantization config.
        attn_implementation: ``"sdpa"``, ``"eager"``, ``"flash_attention_2"``.
    """

    path: str
    gguf_file: str | None = None
    revision: str | None = None
    dtype: str = "auto"
    device: str | None = None
    device_map: Any = None
    quantization: Any = None
    attn_implementation: str | None = None

    @classmethod
    def of(cls, path: str, **options: Any) -> Source:
        """Like the constructor; a path that ends in ``.gguf`` is folder and file at once."""
        if path.endswith(".gguf"):
            file = Path(path)
            return cls(str(file.parent), file.name, **options)
        return cls(path, **options)

    @property
    def hub(self) -> dict[str, Any]:
        """Keyword arguments of every ``from_pretrained``."""
        return {"revision": self.revision} if self.revision is not None else {}

    @property
    def described(self) -> dict[str, Any]:
        """What changes the output, for an identity."""
        quantized = self.quantization
        if quantized is not None and not isinstance(quantized, str):
            quantized = type(quantized).__name__
        return {
            "revision": self.revision,
            "gguf": self.gguf_file,
            "dtype": self.dtype,
            "quantization": quantized,
            "attention": self.attn_implementation,
        }


@define
class Loaded:
    """A model ready to answer.

    Attributes:
        model: In evaluation mode, on its device.
        processor: Of a VLM; the tokenizer of an LLM.
        images_only: The processor cannot take videos.
    """

    model: Any
    processor: Any
    images_only: bool = field(default=True)

    @property
    def tokenizer(self) -> Any:
        """The tokenizer."""
        return getattr(self.processor, "tokenizer", self.processor)

    @property
    def longest(self) -> int | None:
        """Most tokens the model can hold, if it says so."""
        config = self.model.config.get_text_config()
        most = getattr(config, "max_position_embeddings", None)
        return int(most) if most else None


def load_vlm(source: Source) -> Loaded:
    """A model that takes images, with its processor.

    Raises:
        ModelNotFoundError: Nothing usable at ``source.path``.
        MissingDependencyError: transformers is missing, or torchvision is there but broken.
    """
    transformers = require("transformers", extra="transformers", feature=FEATURE)
    _refuse_broken_torchvision()
    processor, images_only = _guarded(source, lambda: load_processor(transformers, source))
    model = _load(transformers.AutoModelForImageTextToText, source)
    return Loaded(model, processor, images_only)


def load_llm(source: Source) -> Loaded:
    """A model of text, with its tokenizer; a VLM will do.

    Raises:
        ModelNotFoundError: Nothing usable at ``source.path``.
        MissingDependencyError: transformers, or gguf for a GGUF file, is missing.
    """
    transformers = require("transformers", extra="transformers", feature=FEATURE)
    if source.gguf_file is not None and not installed("gguf"):
        raise MissingDependencyError("Reading a GGUF file needs gguf. Run: pip install gguf")
    gguf = {"gguf_file": source.gguf_file} if source.gguf_file is not None else {}
    tokenizer = _guarded(
        source,
        lambda: transformers.AutoTokenizer.from_pretrained(source.path, **gguf, **source.hub),
    )
    try:
        model = _load(transformers.AutoModelForCausalLM, source, **gguf)
    except InvalidInputError:
        model = _load(transformers.AutoModelForImageTextToText, source)
    return Loaded(model, tokenizer)


def load_encoder(source: Source) -> Any:
    """An encoder of images or videos, without a processor.

    Raises:
        ModelNotFoundError: Nothing usable at ``source.path``.
        MissingDependencyError: transformers is missing.
    """
    transformers = require("transformers", extra="transformers", feature=FEATURE)
    return _load(transformers.AutoModel, source)


def _load(auto: Any, source: Source, **more: Any) -> Any:
    options: dict[str, Any] = {"dtype": source.dtype, **source.hub, **more}
    if source.attn_implementation is not None:
        options["attn_implementation"] = source.attn_implementation
    if source.device_map is not None:
        options["device_map"] = source.device_map
    elif source.quantization is not None and source.device is not None:
        options["device_map"] = source.device  # a quantized model may not be moved afterwards
    if source.quantization is not None:
        options["quantization_config"] = _quantization(source.quantization)
    model = _guarded(source, lambda: auto.from_pretrained(source.path, **options)).eval()
    placed = source.device_map is not None or source.quantization is not None
    if placed:
        return model
    device = _device(source)
    logger.info("%s runs on %s", source.path, device)
    return model.to(device)


def _device(source: Source) -> str:
    import torch

    if source.device is not None:
        return source.device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _quantization(wanted: Any) -> Any:
    if not isinstance(wanted, str):
        return wanted
    if wanted not in ("8bit", "4bit"):
        raise InvalidInputError(
            f"quantization must be '8bit', '4bit' or a quantization config, not {wanted!r}."
        )
    if not installed("bitsandbytes"):
        raise MissingDependencyError(
            f"quantization={wanted!r} needs bitsandbytes. Run: pip install bitsandbytes"
        )
    transformers: Any = require("transformers", extra="transformers", feature=FEATURE)
    return transformers.BitsAndBytesConfig(**{f"load_in_{wanted}": True})


def _guarded(source: Source, load: Any) -> Any:
    try:
        return load()
    except OSError as error:
        raise ModelNotFoundError(
            f"No usable model at {source.path!r}: {_first_line(error)} Pass a folder, or a hub id "
            "that is in the cache or can be downloaded (HF_HUB_OFFLINE forbids it).",
            provider="transformers",
            model=source.path,
        ) from error
    except ValueError as error:
        raise InvalidInputError(
            f"transformers cannot load {source.path!r}: {_first_line(error)}"
        ) from error
    except ImportError as error:  # accelerate, a quantizer, a tokenizer's own package
        raise MissingDependencyError(
            f"Loading {source.path!r} needs a package that is not installed: {_first_line(error)}",
            name=error.name,
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


# -- processors --------------------------------------------------------------------------------


def has_torchvision() -> bool:
    """Whether torchvision can be imported; its metadata alone say little."""
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        return False
    return True


def _refuse_broken_torchvision() -> None:
    import torch

    try:
        has_torchvision()
    except Exception as error:
        raise MissingDependencyError(
            f"torchvision is installed but does not work with torch {torch.__version__} "
            f"({_first_line(error)}), which breaks every processor of transformers. Uninstall it, "
            "or install the build that matches torch.",
            name="torchvision",
        ) from error


def load_processor(transformers: Any, source: Source) -> tuple[Any, bool]:
    """The processor, and whether it takes images only.

    Processors with a video part need torchvision even for images. Without it the same processor
    class is put together around its image part; frames go in as images.
    """
    if has_torchvision():
        processor = transformers.AutoProcessor.from_pretrained(source.path, **source.hub)
        return processor, getattr(processor, "video_processor", None) is None
    try:
        return transformers.AutoProcessor.from_pretrained(source.path, **source.hub), True
    except (ImportError, ValueError) as error:
        if "torchvision" not in str(error).lower() and "video" not in str(error).lower():
            raise
        logger.info("no torchvision: the processor of %s takes images only", source.path)
    return _images_only(transformers, source), True


def _images_only(transformers: Any, source: Source) -> Any:
    saved, _ = transformers.ProcessorMixin.get_processor_dict(source.path, **source.hub)
    config = transformers.AutoConfig.from_pretrained(source.path, **source.hub)
    kind = _without_video(_processor_class(transformers, config.model_type, saved))
    images = transformers.AutoImageProcessor.from_pretrained(
        source.path, backend="pil", **source.hub
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(source.path, **source.hub)
    return kind(
        image_processor=images,
        tokenizer=tokenizer,
        # Some processors look at these settings even when no video is given.
        video_processor=SimpleNamespace(num_frames=None, fps=None, video_sampling={}),
        chat_template=saved.get("chat_template") or tokenizer.chat_template,
        **{name: value for name, value in saved.items() if name not in _PARTS},
    )


def _processor_class(transformers: Any, model_type: str, saved: dict[str, Any]) -> Any:
    auto = importlib.import_module("transformers.models.auto.processing_auto")
    name = auto.PROCESSOR_MAPPING_NAMES.get(model_type) or saved.get("processor_class")
    kind = getattr(transformers, str(name), None)
    if kind is None:
        raise InvalidInputError(
            f"No processor is known for models of type {model_type!r}. Install the torchvision "
            "build that matches torch, or choose another model."
        )
    return kind


def _without_video(kind: Any) -> Any:
    """``kind`` with its check of the video part off; a private hook, held by a test."""

    class ImagesOnly(kind):  # type: ignore[misc]
        def check_argument_for_proper_class(self, name: str, argument: Any) -> Any:
            if name == "video_processor":
                return SimpleNamespace
            return super().check_argument_for_proper_class(name, argument)

    ImagesOnly.__name__ = kind.__name__
    return ImagesOnly
