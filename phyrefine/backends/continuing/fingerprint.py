"""Which weights, settings and attachments a pipeline holds, as a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from phyrefine.backends.continuing.weights import digest_of_weights
from phyrefine.errors import InvalidInputError
from phyrefine.identities import UnnamedError, digest_of

# Hooks that move weights around and change nothing else.
_MOVERS = (
    "accelerate.hooks",
    "diffusers.hooks.group_offloading",
    "diffusers.hooks.layerwise_casting",
    # Put on at a model's first call, to collect what its layers give.
    "transformers.utils.output_capturing",
)
_NORMS = ("torch.nn.utils.weight_norm", "torch.nn.utils.spectral_norm")
_HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs",
    "_forward_pre_hooks_with_kwargs",
)  # fmt: skip
# Settings of adapters and caches that libraries keep under private names.
_PRIVATE = (
    "_disable_adapters", "_active_adapter", "merged_adapters", "_cache_config",
    "_attention_backend", "_shift",
)  # fmt: skip
# What Qwen-VL models keep of the last text they saw, and do not read for the next.
_LEFT_BY_A_CALL = ("rope_deltas",)
_LAST_CALL = ("truncation", "padding")
# How a library of ours or of the models' wraps methods of an instance without changing results.
_WRAPPED = ("phyrefine.", "accelerate.", "diffusers.hooks")


def fingerprint(pipe: Any) -> str:
    """Digest of a pipeline: classes, configurations, attachments and every byte of every weight.

    The same files give the same digest in every process. Other weights anywhere, a LoRA, its
    strength, an adapter that is switched off, a hook, an attention processor, a cache or another
    scheduler give another one. Weights are read in full each time, see
    :mod:`phyrefine.backends.continuing.weights`.

    Raises:
        InvalidInputError: Something attached cannot be told from other things of its kind.
    """
    import torch

    digest = hashlib.blake2b(digest_size=16)

    def add(text: str) -> None:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\x00")

    # What is no component is a switch, such as Wan's boundary_ratio.
    switches = {key: value for key, value in pipe.config.items() if key not in pipe.components}
    add(_canonical(switches))
    add(_class(type(pipe)))
    for text in _replaced_methods(pipe, "the pipeline", skip=set(pipe.components)):
        add(text)
    for name, part in sorted(pipe.components.items()):
        add(f"{name} {_class(type(part))} {_config_of(part)}")
        if isinstance(part, torch.nn.Module):
            add(digest_of_weights(part))
            for text in _attachments(part, name):
                add(text)
        elif part is not None:
            add(_private(part))
            add(_vocabulary(part))
    return digest.hexdigest()


def _class(kind: type) -> str:
    """Name of a class; with its code where it is the user's own."""
    return _described(kind, f"the class {kind.__qualname__}")


def _described(value: Any, what: str) -> str:
    try:
        return digest_of(value, own="")
    except UnnamedError as error:
        raise InvalidInputError(
            f"{what} changes what the pipeline makes and cannot be told from others: {error}. "
            "Name the whole pipeline instead: DiffusersVideoGenerator(..., label='my pipeline 1')."
        ) from error


def _attachments(module: Any, name: str) -> Iterator[str]:
    """Everything besides weights that changes what a model computes, submodule by submodule."""
    for prefix, part in module.named_modules():
        where = f"{name}.{prefix}".rstrip(".")
        plain = {
            key: value
            for key, value in sorted(vars(part).items())
            if (key in _PRIVATE or not key.startswith("_"))
            and key not in _LEFT_BY_A_CALL
            and _is_plain(value)
        }
        yield f"{where} {type(part).__module__}.{type(part).__qualname__} {plain!r}"
        if scaling := getattr(part, "scaling", None):
            yield f"{where} scaling {sorted(scaling.items()) if isinstance(scaling, dict) else ''}"
        yield from _hooks(part, where)
        yield from _registered(part, where)
        processor = getattr(part, "processor", None)
        if processor is not None:
            yield f"{where} processor {_processor(processor, where)}"
        yield from _replaced_methods(part, where, skip=set())


def _hooks(part: Any, where: str) -> Iterator[str]:
    for kind in _HOOKS:
        for hook in getattr(part, kind, {}).values():
            if callable(hook) and not _moves_only(hook):
                yield f"{where} {kind} {_hook(hook, where)}"


def _hook(hook: Any, where: str) -> str:
    kind = type(hook)
    # Weight norm and its like: what they make follows from weights, which are read anyway.
    if kind.__module__.startswith(_NORMS):
        plain = {key: held for key, held in sorted(vars(hook).items()) if _is_plain(held)}
        return f"{kind.__qualname__} {plain}"
    return _described(hook, f"A hook on {where}")


def _registered(part: Any, where: str) -> Iterator[str]:
    """Hooks of diffusers' registry, such as caches of blocks and of attention."""
    registry = getattr(part, "_diffusers_hook", None)
    for key, hook in sorted(getattr(registry, "hooks", {}).items()):
        if not _moves_only(hook):
            settings = {name: repr(held) for name, held in sorted(vars(hook).items()) if
                        _is_plain(held) or hasattr(held, "__dataclass_fields__")}  # fmt: skip
            yield f"{where} {key} {type(hook).__qualname__} {settings}"
    config = getattr(part, "_cache_config", None)
    if config is not None:
        yield f"{where} cache {type(config).__name__} {_settings_of(config)}"


def _settings_of(config: Any) -> str:
    return repr({name: held for name, held in sorted(vars(config).items()) if not callable(held)})


def _moves_only(hook: Any) -> bool:
    function = getattr(hook, "func", hook)
    for one in (function, type(hook), getattr(function, "__self__", None)):
        module = one if isinstance(one, str) else getattr(one, "__module__", "") or ""
        if module.startswith(_MOVERS):
            return True
    return False


def _processor(processor: Any, where: str) -> str:
    kind = type(processor)
    if kind.__module__.startswith(("diffusers.", "transformers.", "phyrefine.")):
        plain = {key: value for key, value in sorted(vars(processor).items()) if _is_plain(value)}
        return f"{kind.__qualname__} {plain}"
    return _described(processor, f"The attention processor of {where}")


def _replaced_methods(owner: Any, where: str, *, skip: set[str]) -> Iterator[str]:
    """Methods that were set on an instance, as against those of its class."""
    for key, held in sorted(vars(owner).items()):
        if key in skip or key.startswith("_") or not callable(held):
            continue
        original = getattr(type(owner), key, None)
        if not callable(original) or _is_module(held):
            continue
        if getattr(held, "__func__", None) is original:  # put back by whoever had replaced it
            continue
        inner = getattr(held, "func", held)
        module = getattr(inner, "__module__", None) or type(held).__module__
        if not module.startswith(_WRAPPED) and not type(held).__module__.startswith(_WRAPPED):
            yield f"{where} {key} {_described(held, f'The method {key} set on {where}')}"


def _is_module(value: Any) -> bool:
    import torch

    return isinstance(value, torch.nn.Module)


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple | set):
        return all(_is_plain(item) for item in value)
    return isinstance(value, bool | int | float | str | None)


def _private(part: Any) -> str:
    """Settings of a scheduler or a guider that its configuration does not hold."""
    held = {name: vars(part)[name] for name in _PRIVATE if name in getattr(part, "__dict__", {})}
    return repr(sorted(held.items(), key=repr))


def _vocabulary(part: Any) -> str:
    """A tokenizer's words and rules."""
    fast = getattr(part, "backend_tokenizer", None)
    if fast is not None and hasattr(fast, "to_str"):
        rules = json.loads(fast.to_str())
        # How the last call cut and padded its text.
        whole = json.dumps({key: held for key, held in rules.items() if key not in _LAST_CALL})
    elif hasattr(part, "get_vocab"):
        whole = repr(sorted(part.get_vocab().items()))
    else:
        return ""
    # Not the side it pads on: LTX-2 sets that in every call.
    limit = getattr(part, "model_max_length", None)
    return f"{hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()} {limit}"


def _config_of(part: Any) -> str:
    config = getattr(part, "config", None)
    if config is None:
        return ""
    return _canonical(config.to_dict() if hasattr(config, "to_dict") else dict(config))


def _canonical(items: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in items.items() if not key.startswith("_")}
    kept.pop("transformers_version", None)
    return json.dumps(kept, sort_keys=True, default=lambda value: type(value).__name__)
