"""Folders of filmed experiments, as Morpheus has them: EXPERIMENT/CLIP/ with an info.json."""

from phyrefine.bench.benchmark import Benchmark
from phyrefine.bench.data.folders import read_folders

BENCHMARK = Benchmark(
    "morpheus",
    "Morpheus-style folders",
    "filmed experiments in folders; each clip's first frame (or 3 s) is continued",
    read=read_folders,
    fields={"prompt": ("prompt", "caption", "description", "text_prompt")},
    mode="i2v",
    own_scores=(
        "NOT Morpheus' own scores: it tracks objects with SAM 2 and fits laws of motion to their "
        "paths. The judge named in the table gave these."
    ),
    traps=("Its experiments are filmed: the clip that conditions the generator is real footage.",),
    verified=(
        "Folders EXPERIMENT/CLIP/ with cropped_video.mp4 and info.json: its card, read 2026-11-27. "
        "The fields of info.json were NOT seen: prompt, caption, description and text_prompt are "
        "tried; else give prompts.csv with the columns id and prompt."
    ),
    sources=("https://huggingface.co/datasets/physics-from-video/morpheus-real-world",),
)
