"""``phyrefine doctor``: what works here, before a GPU minute is spent."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from phyrefine.cli.judge_check import NO_JUDGE, JudgeFlags, check_judge
from phyrefine.cli.run import Options

if TYPE_CHECKING:
    from phyrefine.registry import Backend, Role

Check = tuple[str, bool | None, str]


def doctor(
    *,
    out: Annotated[Path, Parameter(help="Folder runs will be written to.")] = Path("runs"),
    vlm: Annotated[str | None, Parameter(help="Check this VLM and its options.")] = None,
    llm: Annotated[str | None, Parameter(help="Check this LLM and its options.")] = None,
    generator: Annotated[
        str | None,
        Parameter(help="Check this generator; estimate the memory of diffusers:PATH_OR_ID."),
    ] = None,
    vlm_option: Options = (),
    llm_option: Options = (),
    generator_option: Options = (),
    judging: JudgeFlags = NO_JUDGE,
) -> int:
    """Check packages, GPU, keys (never shown), codecs, disk, and models that retire.

    Nothing is loaded and no service is asked, except with --judge: then that VLM is tested on your
    clips. Exits with 1 if something is missing that the base package or an option given here
    needs, or if the judge fails its test and so may write text but not choose.
    """
    from rich.table import Table

    from phyrefine.cli.telling.tables import console
    from phyrefine.options import join_options

    table = Table(title="phyrefine doctor")
    for title in ("check", "", "detail"):
        table.add_column(title, overflow="fold")
    broken = False
    for name, ok, detail in checks(out):
        table.add_row(name, SIGNS[ok], Text(detail))
        broken = broken or (ok is False and name in REQUIRED)
    asked: tuple[tuple[Role, str | None, tuple[str, ...]], ...] = (
        ("vlm", vlm, vlm_option),
        ("llm", llm, llm_option),
        ("generator", generator, generator_option),
    )
    for role, spec, options in asked:
        if spec is not None:
            title, ok, detail = check_backend(role, join_options(spec, options))
            table.add_row(Text(title), SIGNS[ok], Text(detail))
            broken = broken or ok is False
    screen = console()
    screen.print(table)
    screen.print(_verdict(broken))
    if generator is not None and not broken:
        _estimate(join_options(generator, generator_option))
    if judging.judge is not None and not check_judge(judging):
        broken = True
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
    yield _models()


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
    if not place.is_dir():
        return "disk", False, f"{place} is a file: --out names a folder"
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
    from phyrefine.errors import UnknownBackendError

    for name in registry.names():
        try:
            backend = registry.find(name)
        except UnknownBackendError as error:
            yield name, False, str(error)
            continue
        ok, detail = _ready(backend)
        yield name, ok, detail


def _models() -> Check:
    """When models of services are retired."""
    from phyrefine.backends.calling import models

    told = "; ".join(models.retirements_told())
    defaults = f"defaults {models.GEMINI_DEFAULT} and {models.OPENAI_DEFAULT}"
    return "models", True, f"as of {models.CHECKED}: {defaults}; {told}"


def _ready(backend: Backend, keys: tuple[str, ...] | None = None) -> tuple[bool | None, str]:
    """Whether a backend's packages and key are here."""
    from phyrefine._optional import installed

    keys = backend.keys if keys is None else keys

    missing = [module for module in backend.needs if not installed(module)]
    if missing:
        hint = f'pip install "phyrefine[{backend.extra}]"' if backend.extra else ""
        return None, f"needs {', '.join(missing)}: {hint}"
    present = [key for key in keys if os.environ.get(key)]
    if keys and not present:
        return None, f"installed; no key in {' or '.join(keys)}"
    key = f", key in {present[0]}" if present else ""
    return True, f"{', '.join(backend.roles)}{key}"


def _keys_needed(model: str, options: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Variables of a named server's key; none for an address of one's own, ``None`` as usual."""
    from phyrefine.backends.calling.models import SERVERS

    server, slash, _ = model.partition("/")
    if slash and server in SERVERS:
        key = SERVERS[server].key
        return (key,) if key is not None else ()
    own = options.get("base_url") is not None or options.get("vertexai")
    return () if own else None


def check_backend(role: Role, spec: str) -> Check:
    """Whether a name is known, takes the options it is given, and is ready."""
    from phyrefine import registry
    from phyrefine.backends.calling.models import retirement_of
    from phyrefine.errors import PhyrefineError

    title = f"{role} {spec}"
    try:
        maker = registry.maker(role, spec)
        options = maker.values({})
    except PhyrefineError as error:
        return title, False, str(error)
    told = ", ".join(f"{name}={value!r}" for name, value in options.items())
    told = f"options: {told}. " if told else ""
    if maker.backend is None:
        return title, True, f"{told}{maker.factory.__module__}.{maker.factory.__qualname__}"
    ok, detail = _ready(maker.backend, _keys_needed(maker.model or "", options))
    end = retirement_of(maker.backend.name, maker.model) if maker.model else None
    if end is not None:
        over = end.on <= dt.datetime.now(dt.UTC).date() and not end.renamed
        ok, told = (None if over else ok), f"{told}{end.told(str(maker.model))}. "
    return title, ok, told + detail


def _estimate(generator: str) -> None:
    from rich.table import Table

    from phyrefine.backends.diffusers.estimates import estimate_memory
    from phyrefine.cli.telling.tables import console
    from phyrefine.registry import maker

    made = maker("generator", generator)
    screen = console()
    if made.backend is None or made.backend.name != "diffusers" or made.model is None:
        screen.print(f"No memory estimate for {generator!r}: only for diffusers:PATH_OR_ID.")
        return
    told = made.values({})
    named = ("dtype", "fp8", "size", "num_frames")
    found = estimate_memory(made.model, **{name: told[name] for name in named if name in told})
    parts = ", ".join(f"{part} {size:.1f}" for part, size in found.weights.items())
    work = ", ".join(f"{stage} {size:.1f}" for stage, size in found.work.items())
    height, width = found.size
    screen.print(
        f"Device memory of {found.family} in {found.dtype}, estimated for a pass of "
        f"{found.frames} frames of {height} x {width}:"
    )
    table = Table()
    for title in ("memory=", "GiB"):
        table.add_column(title)
    for mode, size in found.peak.items():
        table.add_row(mode, f"{size:.1f}")
    screen.print(table)
    screen.print(f"Weights in GiB: {parts}. Beside them, estimated: {work}.")
    screen.print(f"Basis: {found.basis}.", soft_wrap=True)
