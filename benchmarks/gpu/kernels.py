"""Kernels in the shapes of MAGI-1, by torch alone: ceilings, products, attention, copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial

import torch
from steps import Measurement, Record, Setting, error
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

# (in, out) of the linears of a block of 4.5B.
LINEARS = {"to_q": (3072, 3072), "to_out": (6144, 3072), "fc1": (3072, 12288), "fc2": (12288, 3072)}
# Tokens of a chunk: 6 latent frames of 30 x 52 and 45 x 80 patches.
TOKENS = {"480x832": 9360, "720x1280": 21600}
HEADS, GROUPS, WIDTH = 24, 8, 128
CHUNKS_SEEN = 5
E4M3_MOST = 448.0


def steps(setting: Setting) -> Iterator[Measurement]:
    """All kernels."""
    yield from ceilings(setting)
    yield from products(setting)
    yield from attention(setting)
    yield from copies(setting)


def ceilings(setting: Setting) -> Iterator[Measurement]:
    """What the card gives at most: a large product, and a large copy."""
    size = 64 if setting.tiny else 8192
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        yield f"matmul {_name(dtype)}", partial(_square, setting, dtype, size)
    yield "matmul tf32", partial(_square, setting, torch.float32, size, tf32=True)
    yield "copy on the device", partial(_copy, setting, 2**16 if setting.tiny else 2**31)


def _square(setting: Setting, dtype: torch.dtype, size: int, *, tf32: bool = False) -> Record:
    a, b = (torch.randn(size, size, device=setting.device, dtype=dtype) for _ in range(2))
    torch.backends.cuda.matmul.allow_tf32 = tf32
    try:
        found = setting.seconds(lambda: a @ b, repeats=10)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    return found | {"tflops": 2 * size**3 / found["s"] / 1e12}


def _copy(setting: Setting, count: int) -> Record:
    source = torch.empty(count, dtype=torch.uint8, device=setting.device).random_(256)
    target = torch.empty_like(source)
    found = setting.seconds(lambda: target.copy_(source), repeats=10)
    return found | {"gb_per_s": 2 * count / found["s"] / 1e9}


# -- products ------------------------------------------------------------------------------------


def products(setting: Setting) -> Iterator[Measurement]:
    """The linears of a block on one chunk, and the ways to multiply fp8 weights."""
    for size, tokens in TOKENS.items():
        for name, (inside, outside) in LINEARS.items():
            shape = (96, 64, 32) if setting.tiny else (tokens, inside, outside)
            for way in WAYS:
                if not setting.gpu and way in GPU_ONLY:
                    continue
                yield f"{size} {name} {way}", partial(_product, setting, shape, way)
            if setting.tiny:
                break


def _product(setting: Setting, shape: tuple[int, int, int], way: str) -> Record:
    tokens, inside, outside = shape
    generator = torch.Generator("cpu").manual_seed(0)
    x = torch.randn(tokens, inside, generator=generator).to(setting.device)
    weight = (torch.randn(outside, inside, generator=generator) / inside**0.5).to(setting.device)
    work, wanted = WAYS[way](x, weight)
    made = work()
    found = setting.seconds(work, repeats=5)
    flops = 2 * tokens * inside * outside
    rows = slice(0, min(tokens, 256))
    return found | {
        "tflops": flops / found["s"] / 1e12,
        "relative_error": error(made[rows], wanted(rows)),
        "dtype": _name(made.dtype),
    }


Work = tuple[Callable[[], Tensor], Callable[[slice], Tensor]]


def _plain(dtype: torch.dtype, x: Tensor, weight: Tensor) -> Work:
    a, b = x.to(dtype), weight.to(dtype)
    return lambda: F.linear(a, b), lambda rows: a[rows].double() @ b.double().T


def _eight(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Operands as e4m3 with one scale each."""
    scale_x, scale_w = x.abs().amax() / E4M3_MOST, weight.abs().amax() / E4M3_MOST
    a, b = ((t / s).to(torch.float8_e4m3fn) for t, s in ((x, scale_x), (weight, scale_w)))
    return a, b, scale_x.float(), scale_w.float()


def _eight_wanted(a: Tensor, b: Tensor, scale: Tensor) -> Callable[[slice], Tensor]:
    return lambda rows: (a[rows].double() @ b.double().T) * scale.double()


def _eight_as_float32(x: Tensor, weight: Tensor) -> Work:
    a, b, sx, sw = _eight(x, weight)
    return (
        lambda: (F.linear(a.float(), b.float()) * (sx * sw)).to(torch.bfloat16),
        _eight_wanted(a, b, sx * sw),
    )


def _eight_as_bfloat16(x: Tensor, weight: Tensor) -> Work:
    a, b, sx, sw = _eight(x, weight)
    return (
        lambda: F.linear(a.bfloat16(), b.bfloat16()) * (sx * sw).bfloat16(),
        _eight_wanted(a, b, sx * sw),
    )


def _eight_as_bfloat16_to_float32(x: Tensor, weight: Tensor) -> Work:
    a, b, sx, sw = _eight(x, weight)

    def work() -> Tensor:
        product = torch.mm(a.bfloat16(), b.bfloat16().t(), out_dtype=torch.float32)
        return (product * (sx * sw)).to(torch.bfloat16)

    return work, _eight_wanted(a, b, sx * sw)


def _eight_scaled_mm(x: Tensor, weight: Tensor, *, fast: bool = False, rows: bool = False) -> Work:
    a, b, sx, sw = _eight(x, weight)
    scale_a = sx.expand(a.shape[0], 1).contiguous() if rows else sx
    scale_b = sw.expand(1, b.shape[0]).contiguous() if rows else sw

    def work() -> Tensor:
        made: Tensor = torch._scaled_mm(  # noqa: SLF001 - torch offers no public name for fp8
            a,
            b.t(),
            scale_a=scale_a,
            scale_b=scale_b,
            out_dtype=torch.bfloat16,
            use_fast_accum=fast,
        )
        return made

    return work, _eight_wanted(a, b, sx * sw)


WAYS: dict[str, Callable[[Tensor, Tensor], Work]] = {
    "bfloat16": partial(_plain, torch.bfloat16),
    "float16": partial(_plain, torch.float16),
    "float32": partial(_plain, torch.float32),
    "fp8 as float32": _eight_as_float32,
    "fp8 as bfloat16": _eight_as_bfloat16,
    "fp8 as bfloat16, float32 out": _eight_as_bfloat16_to_float32,
    "fp8 _scaled_mm": _eight_scaled_mm,
    "fp8 _scaled_mm, fast": partial(_eight_scaled_mm, fast=True),
    "fp8 _scaled_mm, rows": partial(_eight_scaled_mm, rows=True),
}
GPU_ONLY = [way for way in WAYS if "_scaled_mm" in way or "out" in way]


# -- attention -----------------------------------------------------------------------------------


def attention(setting: Setting) -> Iterator[Measurement]:
    """One chunk's queries over five chunks of keys, grouped heads, by torch's backends."""
    backends = {
        "chosen by torch": None,
        "flash": SDPBackend.FLASH_ATTENTION,
        "cudnn": SDPBackend.CUDNN_ATTENTION,
        "efficient": SDPBackend.EFFICIENT_ATTENTION,
        "math": SDPBackend.MATH,
    }
    for size, tokens in TOKENS.items():
        for name, backend in backends.items():
            # The table of 21600 x 108000 scores for every head is too large for a card.
            if name in (("math",) if setting.gpu else ("cudnn", "efficient")):
                continue
            for grouped in (True, False):
                how = "grouped" if grouped else "keys repeated"
                work = partial(_attend, setting, 24 if setting.tiny else tokens, backend, grouped)
                yield f"attention {size} {name}, {how}", work


def _attend(setting: Setting, tokens: int, backend: SDPBackend | None, grouped: bool) -> Record:
    dtype = torch.bfloat16 if setting.gpu else torch.float32
    make = partial(torch.randn, device=setting.device, dtype=dtype)
    seen = CHUNKS_SEEN * tokens
    query = make(1, tokens, HEADS, WIDTH).transpose(1, 2)
    key, value = (make(1, seen, GROUPS, WIDTH).transpose(1, 2) for _ in range(2))

    def work() -> Tensor:
        k, v = key, value
        if not grouped:
            k, v = (t.repeat_interleave(HEADS // GROUPS, dim=1) for t in (k, v))
        return F.scaled_dot_product_attention(query, k, v, enable_gqa=grouped)

    with sdpa_kernel(backend) if backend is not None else nullcontext():
        found = setting.seconds(work, repeats=5)
    flops = 4 * tokens * seen * HEADS * WIDTH
    return found | {"tflops": flops / found["s"] / 1e12}


# -- copies --------------------------------------------------------------------------------------


def copies(setting: Setting) -> Iterator[Measurement]:
    """Host to device and back, and whether a copy hides behind a product."""
    count = 2**16 if setting.tiny else 2**30
    for way in ("to the device, pinned", "to the device, pageable", "to the host, pinned"):
        yield way, partial(_transfer, setting, count, way)
    if setting.gpu:
        yield "copy beside a product", partial(_overlap, setting, count)


def _transfer(setting: Setting, count: int, way: str) -> Record:
    pinned = setting.gpu and "pinned" in way
    host = torch.ones(count, dtype=torch.uint8)
    host = host.pin_memory() if pinned else host
    device = torch.ones(count, dtype=torch.uint8, device=setting.device)
    source, target = (host, device) if "device" in way else (device, host)
    found = setting.seconds(lambda: target.copy_(source, non_blocking=pinned))
    return found | {"gb_per_s": count / found["s"] / 1e9}


def _overlap(setting: Setting, count: int) -> Record:
    host = torch.ones(count, dtype=torch.uint8).pin_memory()
    device = torch.empty(count, dtype=torch.uint8, device=setting.device)
    a = torch.randn(8192, 8192, device=setting.device, dtype=torch.bfloat16)
    stream = torch.cuda.Stream(setting.device)

    def compute() -> None:
        for _ in range(12):
            a @ a

    def copy() -> None:
        with torch.cuda.stream(stream):
            device.copy_(host, non_blocking=True)

    def both() -> None:
        copy()
        compute()

    apart = [setting.seconds(work)["s"] for work in (compute, copy)]
    together = setting.seconds(both)["s"]
    hidden = (sum(apart) - together) / min(apart)
    return {"product_s": apart[0], "copy_s": apart[1], "together_s": together, "hidden": hidden}


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
