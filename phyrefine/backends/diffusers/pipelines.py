"""Diffusers pipelines, loaded once, shared within a process, and borrowed without a trace."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import inspect
import logging
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from attrs import evolve, frozen

from phyrefine._optional import require
from phyrefine.backends.continuing.fingerprint import fingerprint
from phyrefine.backends.diffusers import memory, modular
from phyrefine.backends.diffusers.families import table as families
from phyrefine.backends.diffusers.families.spec import FamilySpec
from phyrefine.backends.diffusers.loras import load_loras
from phyrefine.errors import InvalidInputError, MissingDependencyError, ModelNotFoundError

log = logging.getLogger(__name__)

PROMPTS_KEPT = 64
ENCODINGS_KEPT = 8

# What a shared pipeline was when it was loaded, and the generators that use it.
_as_loaded: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
_users: weakref.WeakKeyDictionary[Any, weakref.WeakSet[Any]] = weakref.WeakKeyDictionary()
_loaded: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
_locks: weakref.WeakKeyDictionary[Any, threading.RLock] = weakref.WeakKeyDictionary()
_guard = threading.RLock()


def diffusers() -> Any:
    """The diffusers package.

    Raises:
        MissingDependencyError: It is not installed.
    """
    return require("diffusers", extra="diffusers", feature="The diffusers backend")


# -- loading -----------------------------------------------------------------------------------


@frozen
class Wanted:
    """What to load, and how.

    Attributes:
        model: Hub id or folder.
        dtype: Anything :func:`~phyrefine.backends.diffusers.memory.choose_dtype` takes.
        device: A ``torch.device``.
        revision: Hub revision.
        mode: Memory mode.
        fp8: See :func:`~phyrefine.backends.diffusers.memory.apply_mode`.
        size: (height, width) it will work at; by default the family's.
        spec: Row of a family that is not in the table.
        options: Further arguments of ``from_pretrained`` (``quantization_config``, ``variant``,
            ``safety_checker``, components).
        loras: LoRAs by path or hub id, and the strength of each.
        shared: Whether other generators may use it too; never when there are ``options`` or
            ``loras``.
    """

    model: str
    dtype: Any
    device: Any
    revision: str | None
    mode: memory.MemoryMode
    fp8: bool
    size: tuple[int, int] | None
    spec: FamilySpec | None
    options: Mapping[str, Any]
    loras: Mapping[str, float]
    shared: bool

    def key(self, row: FamilySpec) -> str:
        """Equal for those that may share a pipeline of this row."""
        settings = (self.revision, str(self.device), str(self.dtype), self.mode, self.fp8)
        return repr((str(self.model), _changed(self.model), *settings, self.size, row.pipeline))


def load(wanted: Wanted) -> Any:
    """A pipeline on its device; loaded once per process and setting.

    Raises:
        ModelNotFoundError: No diffusers pipeline of that name.
        InvalidInputError: A pipeline that cannot continue a prefix, or a wrong setting.
        MissingDependencyError: A package that the pipeline needs is not installed.
    """
    row = wanted.spec or row_of(wanted.model, wanted.revision)
    wanted = evolve(wanted, dtype=memory.choose_dtype(row, wanted.device, wanted.dtype))
    if not wanted.shared or wanted.options or wanted.loras:
        return _ready(wanted, row)
    with _guard:
        key = wanted.key(row)
        found = _loaded.get(key)
        if found is not None and fingerprint(found) != _as_loaded.get(found):
            log.info("%s was changed since it was loaded, so it is loaded again.", wanted.model)
            found = None
        if found is None:
            found = _loaded[key] = _ready(wanted, row)
            _as_loaded[found] = fingerprint(found)
    return found


def _ready(wanted: Wanted, row: FamilySpec) -> Any:
    """A pipeline of its own, with its LoRAs, in its memory mode."""
    pipe = _load(wanted.model, row, wanted.dtype, wanted.revision, wanted.options)
    row.check(pipe)
    if wanted.loras:
        load_loras(pipe, wanted.loras)
    memory.apply_mode(
        pipe, wanted.mode, wanted.device, size=wanted.size or row.size, fp8=wanted.fp8
    )
    return pipe


def share(generator: Any) -> None:
    """Note that a generator uses its pipeline, if that was loaded to be shared."""
    with _guard:
        if generator.pipe in _as_loaded:
            _users.setdefault(generator.pipe, weakref.WeakSet()).add(generator)


def check_unchanged(generator: Any, now: str) -> None:
    """Refuse a pipeline that several generators share once one of them has changed it.

    Args:
        generator: The one that is about to be used.
        now: Fingerprint of its pipeline.

    Raises:
        InvalidInputError: It was changed since it was loaded, and others use it too.
    """
    with _guard:
        before = _as_loaded.get(generator.pipe)
        users = _users.get(generator.pipe, ())
        if before is None or before == now or generator not in users or len(users) < 2:
            return
    raise InvalidInputError(
        f"The pipeline of {source_of(generator.pipe)} was changed after it was loaded (a LoRA, a "
        f"hook, weights), and {len(users)} generators of this process share it. Load the one to "
        "be changed with from_pretrained(..., share=False)."
    )


def _changed(model: str) -> int:
    """When a folder's files last changed, in nanoseconds; 0 for a hub id."""
    files = Path(model).glob("**/*") if Path(model).is_dir() else ()
    return max((file.stat().st_mtime_ns for file in files), default=0)


def row_of(model: str, revision: str | None) -> FamilySpec:
    """The family of a checkpoint, from its configuration files alone.

    Args:
        model: Hub id or folder.
        revision: Hub revision.

    Raises:
        ModelNotFoundError: No diffusers pipeline of that name.
        InvalidInputError: It cannot continue a prefix, or is not in the table.
    """
    if modular.has_modular_index(model):
        return _modular_row(model, revision)
    try:
        index = diffusers().DiffusionPipeline.load_config(model, revision=revision)
    except OSError as error:
        raise ModelNotFoundError(
            f"{model!r} is no diffusers pipeline: {_line(error)}. Pass a hub id or a folder with a "
            "model_index.json.",
            provider="diffusers",
            model=model,
        ) from error
    parts: dict[str, Any] = {"config": SimpleNamespace(**index)}
    kind = getattr(diffusers(), str((index.get("transformer") or [None, None])[1]), None)
    if kind is not None:
        config = kind.load_config(model, revision=revision, subfolder="transformer")
        parts["transformer"] = SimpleNamespace(config=SimpleNamespace(**config))
    return families.of(SimpleNamespace(**parts), index["_class_name"])


def _modular_row(model: str, revision: str | None) -> FamilySpec:
    config = diffusers().ModularPipeline.load_config(model, revision=revision)
    named: dict[str, Any] = config[0] if isinstance(config, tuple) else config
    return families.of(SimpleNamespace(config=SimpleNamespace(**named)), named["_class_name"])


def _load(
    model: str, row: FamilySpec, dtype: Any, revision: str | None, options: Mapping[str, Any]
) -> Any:
    import torch

    kind = getattr(diffusers(), row.pipeline)
    if issubclass(kind, diffusers().ModularPipeline):
        return modular.load_modular(model, dtype=dtype, revision=revision, options=dict(options))
    components = kind.load_config(model, revision=revision)
    table = memory.dtype_table(row, dtype, components)
    try:
        pipe = kind.from_pretrained(model, revision=revision, dtype=table, **options)
    except ImportError as error:
        raise MissingDependencyError(
            f"{row.pipeline} needs a package that is not installed: {_line(error)}"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidInputError(
            f"{model!r} does not load as {row.pipeline}: {_line(error)}. Check the folder and "
            f"load_options ({', '.join(options) or 'none'})."
        ) from error
    if dtype != torch.float32:
        for name in row.fp32:
            part = getattr(pipe, name, None)
            if isinstance(part, torch.nn.Module) and part.dtype != torch.float32:
                part.float()
    if row.scheduler is not None and "scheduler" not in options:
        name, settings = row.scheduler
        scheduler = getattr(diffusers(), name)
        pipe.scheduler = scheduler.from_config(pipe.scheduler.config, **settings)
    return pipe


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


# -- borrowing ---------------------------------------------------------------------------------


def shadow(pipe: Any, *, guidance: float | None = None) -> Any:
    """A second handle on a pipeline: the same weights, its own scheduler, guider and settings.

    Calls through it leave the original's scheduler, guider, progress bar and interrupt flag alone.

    Args:
        pipe: A diffusers pipeline.
        guidance: Scale of the handle's guider, for pipelines that have one; ``None`` keeps it.
    """
    twin = copy.copy(pipe)
    twin.scheduler = copy.deepcopy(pipe.scheduler)
    if getattr(pipe, "guider", None) is not None:
        twin.guider = pipe.guider.new(**({} if guidance is None else {"guidance_scale": guidance}))
    if modular.is_modular(twin):
        modular.own_blocks(twin)
    else:
        twin.set_progress_bar_config(disable=True)
    if hasattr(twin, "encode_prompt"):
        twin.encode_prompt = Remembered(pipe.encode_prompt, PROMPTS_KEPT)
    return twin


def lock_of(pipe: Any) -> threading.RLock:
    """The lock that serializes calls of a pipeline, whichever handle they come through."""
    # Not its truth: a module wrapped by torch.compile has none.
    transformer = getattr(pipe, "transformer", None)
    key = pipe if transformer is None else transformer
    with _guard:
        return _locks.setdefault(key, threading.RLock())


@contextlib.contextmanager
def borrowed(
    pipe: Any, encode: Remembered | None, attention: str | None, *, seed: int
) -> Iterator[None]:
    """While a call runs: alone on the models, global state of torch and diffusers kept as it was.

    Args:
        pipe: The handle from :func:`shadow`.
        encode: Memory of the VAE's encodings, if the pipeline has such a VAE.
        attention: Attention backend for this call; ``None`` keeps the process's.
        seed: For the random numbers some pipelines draw past their generator (SkyReels-V2's noise
            on the history).
    """
    import torch

    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with contextlib.ExitStack() as stack:
        stack.enter_context(lock_of(pipe))
        stack.enter_context(torch.random.fork_rng(devices=devices))
        # Not torch.manual_seed, which seeds every GPU of the process.
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        if attention is not None:
            from diffusers.models.attention_dispatch import attention_backend

            stack.enter_context(attention_backend(attention))
        if encode is not None:
            stack.enter_context(_instead(pipe.vae, "encode", encode))
        yield


@contextlib.contextmanager
def _instead(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = owner.__dict__.get(name)
    object.__setattr__(owner, name, value)
    try:
        yield
    finally:
        object.__delattr__(owner, name)
        if before is not None:
            object.__setattr__(owner, name, before)


class Remembered:
    """A function whose results are kept by its arguments, the oldest forgotten first.

    Tensors among the arguments count by content.

    Args:
        function: A bound method without side effects.
        most: Results kept.
    """

    def __init__(self, function: Callable[..., Any], most: int) -> None:
        self.function = function
        self.most = most
        self.calls = 0
        self.kept: OrderedDict[str, Any] = OrderedDict()

    @property
    def __signature__(self) -> inspect.Signature:
        """The function's own, for callers that look at it."""
        return inspect.signature(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's result, from memory where these arguments were seen before."""
        key = repr((*map(_key, args), *((name, _key(kwargs[name])) for name in sorted(kwargs))))
        if key in self.kept:
            self.kept.move_to_end(key)
            return self.kept[key]
        self.calls += 1
        result = self.kept[key] = self.function(*args, **kwargs)
        while len(self.kept) > self.most:
            self.kept.popitem(last=False)
        return result


def _key(value: Any) -> str:
    import torch

    if isinstance(value, torch.Tensor):
        data = value.detach().to("cpu").contiguous().view(torch.uint8).numpy()
        digest = hashlib.blake2b(data.tobytes(), digest_size=16).hexdigest()
        return f"{value.dtype} {tuple(value.shape)} {value.device} {digest}"
    return repr(value)


def source_of(pipe: Any) -> str:
    """Name of the checkpoint a pipeline was loaded from, for people; its class if unknown."""
    name = str(getattr(pipe.config, "_name_or_path", "") or getattr(pipe, "name_or_path", "") or "")
    return Path(name).name if name.startswith(("/", ".")) else name or type(pipe).__name__
