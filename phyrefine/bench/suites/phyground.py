"""PhyGround (arXiv 2605.10806): 250 prompts with the laws that apply; PhyJudge-9B's own data."""

from phyrefine.bench.benchmark import Benchmark
from phyrefine.bench.data.tables import read_table

BENCHMARK = Benchmark(
    "phyground",
    "PhyGround",
    "250 prompts with the laws that apply to each of them, for PhyJudge-9B",
    read=read_table,
    prompts=250,
    files=("prompts/phyground.json", "phyground.json", "**/phyground.json"),
    fields={"prompt": ("prompt",), "id": ("id",), "laws": ("physical_laws",)},
    clip_name=lambda number, record, _prompt: str(record.get("id_stem") or f"{number:04d}"),
    judge="phyjudge-9b",
    own_scores="Its own judge, where the row phyjudge-9b is served with its published template.",
    traps=(
        (
            "Its published numbers condition on a first picture (first_images/): text-to-video "
            "scores are another figure."
        ),
    ),
    verified="Fields and names of clips: its card, read 2026-11-27; the file was not at hand.",
    sources=("https://huggingface.co/datasets/NU-World-Model-Embodied-AI/phyground",),
)
