"""PhysFixBench: faulty generated clips to repair; here by their prompt."""

from phyrefine.bench.benchmark import Benchmark
from phyrefine.bench.data.tables import read_table

BENCHMARK = Benchmark(
    "physfixbench",
    "PhysFixBench",
    "300 faulty clips of five models; their prompts are repaired, before against after",
    read=read_table,
    files=(
        "data/physfixbench_*.jsonl",
        "data/physfixbench_*.csv",
        "physfixbench_*.jsonl",
        "*.jsonl",
        "*.csv",
    ),
    fields={
        "prompt": ("prompt", "caption", "original_prompt", "t2v_prompt", "text_prompt"),
        "id": ("record_id", "id"),
        "category": ("error_family", "glitch_category_official"),
        "clip": ("record_id", "filename", "video"),
    },
    clip_name=lambda number, record, _prompt: str(record.get("record_id") or f"{number:04d}"),
    own_scores=(
        "NOT its own protocol: its task is to edit the faulty video, and it is reviewed by people. "
        "Here the prompt is repaired and the clip made anew; the judge named in the table scores "
        "before (plain) and after (loops), paired by prompt. With --given the faulty clip of the "
        "download is judged too."
    ),
    traps=(
        "It is a draft (v1 300 clips, v0.2 166 clips, under human review): name the version.",
        (
            "Its repair texts are in Chinese and describe the wanted edit. They are not prompts "
            "of a text-to-video model, and are not used here."
        ),
        (
            "Its clips are the worst of Physion-Eval (severity 5): after a new draw some are "
            "better by chance. Compare the loops with plain, never with the given clip."
        ),
    ),
    verified=(
        "Files and the fields record_id, error_family, glitch_category_official: its card, read "
        "2026-11-27. The name of the field that holds the prompt was NOT seen: prompt, caption, "
        "original_prompt, t2v_prompt and text_prompt are tried; else pass --field prompt=NAME."
    ),
    sources=("https://huggingface.co/datasets/HuggingFriends/PhysFixBench",),
)
