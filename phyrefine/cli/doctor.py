"""``phyrefine doctor``: what works here, before a GPU minute is spent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

Check = tuple[str, bool | None, str]


def doctor(
    *,
    out: Annotated[Path, Parameter(help="Folder runs will be written to.")] = Path("runs"),
    generator: Annotated[
        str | None, Parameter(help="Estimate the memory of diffusers:PATH_OR_ID.")
    ] = None,
) -> int:
    """Check packages, GPU, keys (never shown), codecs and disk.

    Exits with 1 when something the base package needs is missing.
    """
    from rich.table import Table

    from phyrefine.cli.tables import console

    table = Table(title="phyrefine doctor")
    for title in ("check", "", "detail"):
        table.add_column(title, overflow="fold")
    broken = False
    for name, ok, detail in checks(out):
        table.add_row(name, SIGNS[ok], Text(detail))
        broken = broken or (ok is False and name in REQUIRED)
    screen = console()
    screen.print(table)
    screen.print(_verdict(broken))
    if generator is not None:
        _estimate(generator)
    return 1 if broken else 0


REQUIRED = ("python", "H.264", "disk")
SIGNS = {
    True: Text("ok", "green"),
    False: Text("missing", "red"),
    None: Text("not ready", "yellow"),
}


def _verdict(broken: bool) -> str:
    if broken:
        return "phyrefine cannot work here yet: see what is missing above."
    return (
        "phyrefine works here. What is not ready is optional: set it up when you use it. "
        "Try: phyrefine demo"
    )


def checks(out: Path) -> Iterator[Check]:
    """(name, whether it works or ``None`` if optional, detail) of everything looked at."""
    yield _python()
    yield from _codecs()
    yield _disk(out)
    yield _gpu()
    yield from _backends()


def _python() -> Check:
    import platform
    from importlib.metadata import version

    detail = f"{platform.python_version()}, phyrefine {version('phyrefine')}"
    return "python", True, detail


def _codecs() -> Iterator[Check]:
    import av.codec

    for title, name in (("H.264", "libx264"), ("VP9", "libvpx-vp9"), ("AV1", "libdav1d")):
        try:
            av.codec.Codec(name, "r" if name == "libdav1d" else "w")
            yield title, True, f"PyAV {av.__version__} has {name}"
        except ValueError:
            yield title, False, f"this PyAV has no {name}: pip install --force-reinstall av"


def _disk(out: Path) -> Check:
    place = out.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 2**30
    writable = os.access(place, os.W_OK)
    detail = f"{free:.0f} GiB free at {place}" + ("" if writable else ", not writable")
    return "disk", writable and free > 1, detail


def _gpu() -> Check:
    from phyrefine._optional import installed

    if not installed("torch"):
        return "GPU", None, 'torch is not installed: pip install "phyrefine[demo]"'
    import torch

    if torch.cuda.is_available():
        parts = []
        for index in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(index)
            # Tensor cores know bfloat16 from compute capability 8.0 on; V100 and T4 do not.
            kind = "bf16" if facts.major >= 8 else "fp16 only"
            parts.append(f"{facts.name} {facts.total_memory / 2**30:.0f} GiB ({kind})")
        return "GPU", True, ", ".join(parts)
    if torch.backends.mps.is_available():
        return "GPU", True, "Apple MPS"
    return "GPU", None, f"none; torch {torch.__version__} runs on {torch.get_num_threads()} threads"


def _backends() -> Iterator[Check]:
    from phyrefine import registry
    from phyrefine._optional import installed
    from phyrefine.errors import UnknownBackendError

    for name in registry.names():
        try:
            backend = registry.find(name)
        except UnknownBackendError as error:
            yield name, False, str(error)
            continue
        missing = [module for module in backend.needs if not installed(module)]
        if missing:
            hint = f'pip install "phyrefine[{backend.extra}]"' if backend.extra else ""
            yield name, None, f"needs {', '.join(missing)}: {hint}"
            continue
        present = [key for key in backend.keys if os.environ.get(key)]
        if backend.keys and not present:
            yield name, None, f"installed; no key in {' or '.join(backend.keys)}"
            continue
        key = f", key in {present[0]}" if present else ""
        yield name, True, f"{', '.join(backend.roles)}{key}"


def _estimate(generator: str) -> None:
    from rich.table import Table

    from phyrefine.backends.diffusers.estimates import estimate_memory
    from phyrefine.cli.tables import console

    name, _, path = generator.partition(":")
    screen = console()
    if name != "diffusers" or not path:
        screen.print(f"No memory estimate for {generator!r}: only for diffusers:PATH_OR_ID.")
        return
    found = estimate_memory(path)
    parts = ", ".join(f"{part} {size:.1f}" for part, size in found.weights.items())
    screen.print(f"Device memory of {found.family} in {found.dtype}, estimated:")
    table = Table()
    for title in ("memory=", "GiB"):
        table.add_column(title)
    for mode, size in found.peak.items():
        table.add_row(mode, f"{size:.1f}")
    screen.print(table)
    screen.print(f"Weights in GiB: {parts}. Basis: {found.basis}.")
