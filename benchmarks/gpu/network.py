"""The full-size network: seconds a pass, share of the card's peak, memory by mode, compilation."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import models
import torch
from models import SIZES
from steps import Measurement, Record, Setting

from phyrefine.magi.model import tensor_cores
from phyrefine.magi.model.layout import Row
from phyrefine.magi.weights.memory import memory_named, stream_blocks

BASE, DISTILLED, QUANTIZED = "4.5B_base", "4.5B_distill", "4.5B_distill_quant"
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
BACKENDS = ("native", "_native_flash", "_native_cudnn", "_native_efficient")
ON_CPU = ("native", "_native_flash")


class Bench:
    """One network on the device at a time, and calls of it."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._held: tuple[Any, ...] | None = None

    def network(self, name: str, dtype: torch.dtype) -> tuple[Any, Any]:
        """The variant and its network; the last one is kept."""
        if self._held is None or self._held[:2] != (name, dtype):
            self._held = None
            found = models.variant(name, self.setting)
            made = models.transformer(found, dtype, self.setting.device)
            self._held = (name, dtype, found, made)
        return self._held[2], self._held[3]

    def call(
        self,
        name: str,
        size: str,
        *,
        which: str = "row",
        dtype: torch.dtype = torch.bfloat16,
        offload: bool = False,
    ) -> tuple[Any, float]:
        """A call ready to be made, and its operations."""
        found, network = self.network(name, dtype)
        height, width = models.size_of(size, self.setting)
        tokens = 6 * (height // 16) * (width // 16)
        rows = self.rows(found, which)
        device = self.setting.device
        cache = models.filled_cache(found, rows, tokens, dtype, device, offload=offload)
        inputs = models.latents(rows, (height, width), device)
        captions = models.captions(found, device)
        told = 0.5 if found.model.distilled else None
        work = functools.partial(network, inputs, rows, captions, cache, told)
        return work, models.flops(found, rows, tokens)

    @staticmethod
    def rows(found: Any, which: str) -> Sequence[Row]:
        """One row, the largest packed call, or the largest call of a single view."""
        rows = models.largest_call(found, pack=which != "view")
        return models.first_row(rows) if which == "row" else rows


def steps(setting: Setting) -> Iterator[Measurement]:
    """Seconds a pass, by size, dtype and kind of call; where the time goes; attention backends."""
    bench = Bench(setting)
    peak = functools.cache(partial(_peak, setting))
    for size in SIZES:
        yield f"one chunk, {size}", partial(_pass, bench, peak, BASE, size)
    yield "one chunk, 480x832, sums by float32 products", partial(_without_sums, bench, peak)
    yield "where one chunk's time goes, 480x832", partial(_profile, bench)
    yield "all views of a step, 480x832", partial(_pass, bench, peak, BASE, "480x832", which="all")
    for backend in BACKENDS if setting.gpu else ON_CPU:
        for size in SIZES:
            yield f"one chunk, {size}, {backend}", partial(_backend, bench, peak, backend, size)
    yield (
        "one chunk, 480x832, float16",
        partial(_pass, bench, peak, BASE, "480x832", dtype=torch.float16),
    )
    for size in SIZES:
        yield f"one chunk, {size}, fp8", partial(_pass, bench, peak, QUANTIZED, size)
    yield (
        "one chunk, 480x832, float32",
        partial(_pass, bench, peak, BASE, "480x832", dtype=torch.float32),
    )


def memory_steps(setting: Setting) -> Iterator[Measurement]:
    """Memory and seconds by mode, and keys and values on the device against the host."""
    bench = Bench(setting)
    for size in reversed(SIZES):
        for where in ("device", "pinned host"):
            yield f"keys and values on the {where}, {size}", partial(_cached, bench, size, where)
    for mode in ("fast", "balanced", "low"):
        yield f"{mode}, 720x1280, distilled", partial(_mode, setting, DISTILLED, mode)
    for mode in ("fast", "balanced"):
        yield f"{mode}, 720x1280, base", partial(_mode, setting, BASE, mode)


def compile_steps(setting: Setting) -> Iterator[Measurement]:
    """The repeated block compiled by torch, against as it is."""
    bench = Bench(setting)
    for size in SIZES:
        yield f"as it is, {size}", partial(_compiled, bench, size, compiled=False)
        yield f"compiled, {size}", partial(_compiled, bench, size, compiled=True)


def _peak(setting: Setting) -> float:
    """What a large bfloat16 product reaches here, in operations a second."""
    size = 64 if setting.tiny else 8192
    a = torch.randn(size, size, device=setting.device, dtype=torch.bfloat16)
    return 2 * size**3 / setting.seconds(lambda: a @ a, repeats=10)["fastest"]


def _pass(
    bench: Bench,
    peak: Any,
    name: str,
    size: str,
    *,
    which: str = "row",
    dtype: torch.dtype = torch.bfloat16,
) -> Record:
    work, flops = bench.call(name, size, which=which, dtype=dtype)
    finite = bool(torch.isfinite(work()).all())
    found = bench.setting.seconds(work, repeats=3 if which == "row" else 1, warm=0)
    memory = bench.setting.highest(work)
    rate = flops / found["s"]
    told = {"tflop": flops / 1e12, "tflops": rate / 1e12, "share_of_matmul_peak": rate / peak()}
    return found | told | memory | {"finite": finite}


def _without_sums(bench: Bench, peak: Any) -> Record:
    """The products that sum in float32 made as torch before 2.8 must: from float32 operands."""
    given = tensor_cores.GIVES_SUMS
    tensor_cores.GIVES_SUMS = False
    try:
        return _pass(bench, peak, BASE, "480x832")
    finally:
        tensor_cores.GIVES_SUMS = given


def _backend(bench: Bench, peak: Any, backend: str, size: str) -> Record:
    _, network = bench.network(BASE, torch.bfloat16)
    network.set_attention_backend(backend)
    try:
        return _pass(bench, peak, BASE, size)
    finally:
        network.set_attention_backend("native")


def _profile(bench: Bench) -> Record:
    """Device time by kernel of one call, the largest first."""
    from torch.profiler import ProfilerActivity, profile

    work, _ = bench.call(BASE, "480x832")
    work()
    gpu = bench.setting.gpu
    kind = ProfilerActivity.CUDA if gpu else ProfilerActivity.CPU
    with profile(activities=[kind]) as seen:
        work()
        bench.setting.wait()
    events = seen.key_averages()
    times = [(e.self_device_time_total if gpu else e.self_cpu_time_total, e) for e in events]
    total = sum(time for time, _ in times) or 1
    first = sorted(times, key=lambda pair: -pair[0])[:25]
    return {
        "device_s": total / 1e6,
        "kernels": [
            {"name": e.key[:110], "calls": e.count, "share": round(time / total, 4)}
            for time, e in first
        ],
    }


def _cached(bench: Bench, size: str, where: str) -> Record:
    work, _ = bench.call(DISTILLED, size, offload=where != "device")
    work()
    return bench.setting.seconds(work, warm=0) | bench.setting.highest(work)


def _mode(setting: Setting, name: str, mode: str) -> Record:
    """The largest call of a step in a memory mode, everything it needs counted."""
    plan = memory_named(mode)  # type: ignore[arg-type] - one of the presets
    found = models.variant(name, setting)
    dtype, device = torch.bfloat16, setting.device
    size = models.size_of("720x1280", setting)
    tokens = 6 * (size[0] // 16) * (size[1] // 16)
    rows = models.largest_call(found, pack=plan.savings.pack)
    cache = models.filled_cache(found, rows, tokens, dtype, device, offload=plan.offload_cache)
    network = models.transformer(found, dtype, device)
    if plan.stream_blocks:
        network = network.to("cpu")
        torch.cuda.empty_cache()
    network.max_tokens = plan.max_tokens
    if plan.stream_blocks:
        stream_blocks(network, device)
    inputs = models.latents(rows, size, device)
    captions = models.captions(found, device)
    told = 0.5 if found.model.distilled else None
    work = partial(network, inputs, rows, captions, cache, told)
    memory = setting.highest(work)
    return setting.seconds(work, repeats=1, warm=0) | memory | {"rows": len(rows)}


def _compiled(bench: Bench, size: str, *, compiled: bool) -> Record:
    bench._held = None  # noqa: SLF001 - a network that was compiled stays so
    work, flops = bench.call(BASE, size)
    _, network = bench.network(BASE, torch.bfloat16)
    if compiled:
        network.compile_repeated_blocks(dynamic=False)
    first = bench.setting.seconds(work, repeats=1, warm=0)["s"]
    found = bench.setting.seconds(work)
    return found | {"first_s": first, "tflops": flops / found["s"] / 1e12}
