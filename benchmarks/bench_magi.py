"""CPU seconds and memory of the MAGI-1 sampler, with and without its savings.

    python benchmarks/bench_magi.py [--case FOLDER] [--repeats 3]

A case is a folder with config_{base,distill,v2v}.json, inference_weight/, inputs.safetensors and
official_{base,distill,v2v}.safetensors, against which every float32 result is checked. Without one
the same shape is drawn from a seed, and the savings are checked against the plain run. In float32
the plain run also makes its products as torch does by itself (see phyrefine/magi/model/products.py). Each
measurement is a process of its own with one thread: seconds are the process's CPU time over the
sampler alone, memory is the process's peak. What transfers to a GPU is in magi_counts.py.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

DTYPES = ("float32", "bfloat16")
MODES = ("base", "distill", "v2v")
PLAIN = {"skip": False, "pack": False, "keep_text": False}
LIMIT = 2e-5  # on max|a - g| / max|g|, float32
PROMPTS = 4
# CPU seconds of the original and of our plain path on one quiet machine (27 November 2026, one
# thread, alternated runs). Seconds do not travel between machines; the ratio of the two does.
ORIGINAL = {"base": 22.1, "distill": 10.4, "v2v": 16.9}
PLAIN_BESIDE_IT = {"base": 24.2, "distill": 10.5, "v2v": 17.1}


def seeded_case(folder: Path) -> None:
    """The shape of the timing case with random weights: 6 layers of width 256, 384 tokens a chunk."""
    import attrs
    import torch
    from safetensors.torch import save_file

    from phyrefine.magi.config import MagiConfig, SamplingConfig, config_sections
    from phyrefine.magi.model.transformer import MagiTransformer3DModel
    from phyrefine.magi.weights.names import original_name

    torch.manual_seed(0)
    shape = MagiConfig(6, 256, 1024, 16, 8, 16, caption_channels=256, caption_max_length=128)
    model = MagiTransformer3DModel.from_shape(shape)
    torch.nn.init.normal_(model.caption_embed.null_embedding)
    weights = {original_name(k): v.contiguous() for k, v in model.state_dict().items()}
    (folder / "inference_weight").mkdir()
    save_file(weights, folder / "inference_weight" / "model.safetensors")
    for mode in MODES:
        distilled = mode == "distill"
        kind = attrs.evolve(shape, distilled=distilled)
        sampling = SamplingConfig(num_steps=16, passes=1 if distilled else 3, height=128, width=128)
        sections = config_sections(kind, sampling)
        sections["runtime_config"]["num_frames"] = 48 if mode == "v2v" else 72
        (folder / f"config_{mode}.json").write_text(json.dumps(sections), encoding="utf-8")
    inputs = {
        "noise": torch.randn(1, 16, 18, 16, 16),
        "prefix": torch.randn(1, 16, 6, 16, 16),
        "caption_embs": torch.randn(1, 1, 128, 256),
        "caption_mask": (torch.arange(128) < 60).long()[None],
    }
    save_file(inputs, folder / "inputs.safetensors")


def prepare(case: Path, mode: str, dtype: str, savings: dict[str, bool]) -> tuple:
    """The network, and a function that gives a sampler for a prompt number."""
    import torch
    from safetensors.torch import load_file

    from phyrefine.magi.config import parse_config
    from phyrefine.magi.sampling.sampler import Sampler, Savings
    from phyrefine.magi.sampling.schedule import chunk_count
    from phyrefine.magi.text.captions import TextOptions, chunk_caption, null_caption, pack
    from phyrefine.magi.weights.checkpoint import load_transformer

    sections = json.loads((case / f"config_{mode}.json").read_text(encoding="utf-8"))
    found = parse_config(sections)
    network = load_transformer(case / "inference_weight", found.model, dtype=getattr(torch, dtype))
    inputs = load_file(case / "inputs.safetensors")
    width = found.sampling.chunk_width
    prefix = inputs["prefix"] if mode == "v2v" else None
    latents = 0 if prefix is None else prefix.shape[2]
    first = latents // width
    frames = sections["runtime_config"]["num_frames"]
    chunks = chunk_count(frames, latents, width)
    options = TextOptions(hq=False, duration=False)
    plan = Savings(**savings)

    def sampler(prompt: int = 0) -> Sampler:
        null = null_caption(network.caption_embed.null_embedding, options)
        features = inputs["caption_embs"][0, 0].roll(prompt, 0)
        mask = inputs["caption_mask"].flatten()
        captions = [
            chunk_caption(features, mask, null, chunks - c, options) for c in range(first, chunks)
        ]
        return Sampler(
            network,
            found.sampling,
            num_frames=frames,
            noise=lambda chunk: inputs["noise"][0, :, chunk * width : (chunk + 1) * width],
            captions=pack([null, *captions], keep=plan.keep_text),
            text_of=lambda chunk: chunk - first + 1,
            prefix=prefix,
            savings=plan,
        )

    return network, sampler


def measure(case: Path, mode: str, dtype: str, variant: str) -> dict:
    """One measurement, in this process."""
    import torch
    from safetensors.torch import load_file

    from phyrefine.magi.model import products

    torch.set_num_threads(1)
    if variant == "plain" and dtype == "float32":
        products.ONEDNN = False  # products as torch makes them by itself
    network, sampler = prepare(case, mode, dtype, PLAIN if variant == "plain" else {})
    golden = case / f"official_{mode}.safetensors"
    wanted = load_file(golden)["latents"] if golden.exists() else None
    if wanted is None and variant != "plain":
        plain = prepare(case, mode, "float32", PLAIN)[1]
        wanted = torch.cat([chunk.latents for chunk in plain().run()], dim=2)
    calls: list[tuple] = []  # rows of each network call
    network.register_forward_pre_hook(lambda _module, inputs: calls.append(tuple(inputs[1])))
    kept = None
    seconds, per_prompt = [], []
    for prompt in range(PROMPTS if variant.startswith("prompts") else 1):
        calls.clear()
        start = time.process_time()
        running = sampler(prompt)
        if variant == "prompts, prefix reused":
            kept = kept or running.prefix_cache()
            running.cache = kept
        result = torch.cat([chunk.latents for chunk in running.run()], dim=2)
        seconds.append(time.process_time() - start)
        prefix_chunks = running.schedule.prefix
        over_prefix = [rows for rows in calls if rows[0].stored and rows[0].chunk < prefix_chunks]
        per_prompt.append({"calls": len(calls), "prefix_calls": len(over_prefix)})
        if prompt == 0:
            first = result
    error = None
    if wanted is not None:
        error = ((first - wanted).abs().max() / wanted.abs().max()).item()
    return {
        "seconds": sum(seconds),
        "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "error": error,
        "prompts": per_prompt,
    }


def variants(mode: str, dtypes: Sequence[str]) -> Iterator[tuple[str, str]]:
    for dtype in dtypes:
        yield dtype, "plain"
        yield dtype, "savings"
    if mode == "v2v" and "float32" in dtypes:
        yield "float32", "prompts, prefix anew"
        yield "float32", "prompts, prefix reused"


def run_apart(case: Path, mode: str, dtype: str, variant: str) -> dict:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, "--case", str(case), "--one", mode, dtype, variant]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return json.loads(done.stdout)


def report(case: Path, repeats: int, modes: Sequence[str], dtypes: Sequence[str]) -> None:
    print("mode     dtype     variant                  CPU s  (each run)          peak MB  error")
    for mode in modes:
        runs: dict[tuple[str, str], list[dict]] = {}
        for _ in range(repeats):  # in turn, so that what runs beside slows all alike
            for key in variants(mode, dtypes):
                # Four prompts are four measurements already.
                if key not in runs or not key[1].startswith("prompts"):
                    runs.setdefault(key, []).append(run_apart(case, mode, *key))
        for (dtype, variant), found in runs.items():
            tell(mode, dtype, variant, found)
        for dtype in dtypes:
            compare(mode, runs[dtype, "plain"], runs[dtype, "savings"], dtype)


def tell(mode: str, dtype: str, variant: str, runs: Sequence[dict]) -> None:
    """One line of the table; leaves when results are wrong."""
    seconds = [run["seconds"] for run in runs]
    each = " ".join(f"{second:.2f}" for second in seconds)
    peak = statistics.median(run["rss"] for run in runs) / 1e6
    error = runs[0]["error"]
    shown = "-" if error is None else f"{error:.1e}"
    print(
        f"{mode:8} {dtype:9} {variant:24} {statistics.median(seconds):5.2f}"
        f"  {each:20} {peak:6.0f}  {shown}",
        flush=True,
    )
    prompts = runs[0]["prompts"]
    if len(prompts) > 1:
        over = [prompt["prefix_calls"] for prompt in prompts]
        print(f"         network calls over the prefix, by prompt: {over}")
    if dtype == "float32" and error is not None and error > LIMIT:
        raise SystemExit(f"{mode} {variant}: error {error:.1e} is above {LIMIT}.")


def compare(mode: str, plain: Sequence[dict], savings: Sequence[dict], dtype: str) -> None:
    """Savings over plain, run by run; in float32 also what that is of the original."""
    pairs = [b["seconds"] / a["seconds"] for a, b in zip(plain, savings, strict=True)]
    ratio = statistics.median(pairs)
    line = f"         savings / plain {ratio:.2f} ({min(pairs):.2f} to {max(pairs):.2f})"
    if dtype == "float32":
        original = ratio * PLAIN_BESIDE_IT[mode] / ORIGINAL[mode]
        line += f"; of the original {original:.2f}, by its ratio to plain"
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--case", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--one", nargs=3, metavar=("MODE", "DTYPE", "VARIANT"))
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.case, *options.one)))
    elif options.case:
        report(options.case, options.repeats, options.modes, options.dtypes)
    else:
        with tempfile.TemporaryDirectory() as folder:
            seeded_case(Path(folder))
            report(Path(folder), options.repeats, options.modes, options.dtypes)


if __name__ == "__main__":
    main()
