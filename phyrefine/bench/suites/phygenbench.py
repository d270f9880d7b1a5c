"""PhyGenBench (arXiv 2410.05363): 160 prompts over 27 laws, scored here by a named judge."""

from phyrefine.bench.benchmark import Benchmark
from phyrefine.bench.data.tables import read_table

BENCHMARK = Benchmark(
    "phygenbench",
    "PhyGenBench",
    "160 prompts over 27 laws of force, light, heat and material",
    read=read_table,
    prompts=160,
    files=("prompts.json", "PhyGenBench/prompts.json", "**/PhyGenBench/prompts.json"),
    fields={
        "prompt": ("caption", "prompt"),
        "category": ("main_category", "sub_category"),
        "laws": ("physical_laws", "sub_category"),
    },
    # As the authors' README asks: the place in prompts.json, from 1.
    clip_name=lambda number, _record, _prompt: f"output_video_{number}",
    own_scores=(
        "NOT PhyGenEval: its three stages (VQAScore, GPT-4o or LLaVA on key frames, GPT-4o or "
        "InternVideo2 on the clip, 0 to 3 points) do not run here. The judge named in the table "
        "gave these scores; never put them beside published PhyGenBench numbers. The clips have "
        "the names that the authors' program wants, so it can score the same folder."
    ),
    traps=(
        (
            "Some prompts ask for what looks wrong at home (no gravity in a space station): a "
            "judge that does not read the prompt calls the right clip faulty."
        ),
        (
            "explicit_prompts.json states the law in the prompt: scores of it and of prompts.json"
            " are two different figures."
        ),
    ),
    verified=(
        "Fields, names of clips and stages: prompts.json, README and overall.py of the authors' "
        "repository, read 2026-11-27."
    ),
    sources=("https://github.com/OpenGVLab/PhyGenBench",),
)
