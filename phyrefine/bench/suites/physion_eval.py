"""Physion-Eval (arXiv 2603.19607): generated clips with glitches that experts described."""

from phyrefine.bench.benchmark import Benchmark
from phyrefine.bench.data.tables import read_table

BENCHMARK = Benchmark(
    "physion-eval",
    "Physion-Eval",
    "captions of filmed processes; its glitches test critics (phyrefine glitches)",
    read=read_table,
    files=("all_metadata_with_caption.json", "Physion_Eval_*.json", "*.json", "*.jsonl"),
    fields={
        "prompt": ("caption", "prompt"),
        "id": ("id", "filename"),
        "category": ("Glitch_Category", "category"),
        "clip": ("filename", "id"),
    },
    own_scores=(
        "NOT its own scores: experts describe glitches in given clips. The judge named in the "
        "table scores clips that are made anew."
    ),
    traps=(
        (
            "Its captions describe the filmed reference video; the prompts that its five models "
            "were given are not published."
        ),
        "The first five frames of each of its clips are removed: times count from the sixth.",
        "A record is a description by an expert, and several may belong to one clip.",
    ),
    verified=(
        "Fields id, filename, has_glitches, reasoning, glitch_severity, model, Glitch_Category, "
        "caption and the removed frames: a public audit of the files, read 2026-11-27. The files "
        "themselves were not at hand."
    ),
    sources=("https://huggingface.co/datasets/PhysionLabs/Physion-Eval",),
)
