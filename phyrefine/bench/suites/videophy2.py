"""VideoPhy-2 (arXiv 2503.06800): actions in text, semantic adherence and physical commonsense."""

from phyrefine.bench.benchmark import Benchmark
from phyrefine.bench.data.records import is_true
from phyrefine.bench.data.tables import read_table

BENCHMARK = Benchmark(
    "videophy-2",
    "VideoPhy-2",
    "about 600 prompts of 200 actions; joint share of clips with SA >= 4 and PC >= 4",
    read=read_table,
    files=(
        "videophy2_test*.csv",
        "*upsampled_prompts*.csv",
        "**/videophy2_test*.csv",
        "*.csv",
        "*.jsonl",
    ),
    fields={
        "prompt": ("caption", "prompt"),
        "id": ("id",),
        "category": ("category", "action"),
        "clip": ("videopath", "local_path"),
    },
    subsets={"hard": lambda record: is_true(record.get("is_hard"))},
    judge="videophy-2-autoeval",
    own_scores=(
        "People's ratings lead its published table; VideoPhy-2-AutoEval is its automatic judge. "
        "Numbers of the two are not comparable."
    ),
    official_csv=True,
    traps=(
        (
            "The test file has a row per generated video: each of its prompts stands there once "
            "per model. Each prompt is used once here."
        ),
        (
            "Some published models were given upsampled_caption, others caption. This run uses the "
            "field named in the table; --field prompt=upsampled_caption takes the other."
        ),
        (
            "The hard subset was chosen by the failures of one model (CogVideoX-5B): its numbers "
            "and those of all prompts are two different figures. Say which one you quote."
        ),
        "Joint counts a prompt if SA >= 4 and PC >= 4; a mean of the two scores is another number.",
    ),
    verified=(
        "Fields, subset and threshold: the data set's card and the authors' README, read "
        "2026-11-27. The file itself was not at hand, and neither was the file of upsampled "
        "prompts, whose field names were not seen."
    ),
    sources=(
        "https://huggingface.co/datasets/videophysics/videophy2_test",
        "https://github.com/Hritikbansal/videophy/tree/main/VIDEOPHY2",
    ),
)
