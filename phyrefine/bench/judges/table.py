"""The table of judges, as of ``CHECKED``.

The wording that a judge was trained on is its authors' and is not in this package: it is read from
the file that ``published`` names (``--judge-template``). Without it our own wording is asked, and
every table says so, because a fine-tuned judge is calibrated to its own words only.

None of these weights were run here: rows were exercised on servers of this machine and on tiny
models with random weights.
"""

from __future__ import annotations

from collections.abc import Mapping

from phyrefine._closest import did_you_mean
from phyrefine.bench.judges.row import JudgeRow, RowQuestion
from phyrefine.errors import InvalidInputError

CHECKED = "2026-11-27"
_SA = "how well the clip shows what the prompt says"
_PC = "how well the clip keeps to everyday physics"
_FOUR = {"sa": 4.0, "pc": 4.0}

GENERAL = JudgeRow(
    "general",
    "any VLM, by phyrefine's own question",
    "the VLM that is named",
    "any VLM of phyrefine",
    (RowQuestion("both", ("sa", "pc")),),
    "keys",
    fps=8.0,
    frames=64,
    pixels=512 * 512,
    tokens=1024,
    means={"sa": _SA, "pc": _PC},
    marks=_FOUR,
    told_laws=True,
    traps=(
        (
            "A general VLM misses most violations: Gemini 2.5 Pro caught 41 % of implausible "
            "clips, GPT-4o 33 % (TRAVL). Test it first: phyrefine doctor --judge."
        ),
        "Scores of two VLMs, or of two versions of one, are not comparable.",
    ),
    verified="Ours.",
)

VIDEOPHY2 = JudgeRow(
    "videophy-2-autoeval",
    "VideoPhy-2-AutoEval",
    "videophysics/videophy_2_auto, 7 B, mPLUG-Owl-Video",
    "its architecture is not in transformers or vLLM: a VLM of your own around its code "
    "(package.module:factory), or its own program on the clips written here, read back with "
    "--scores",
    (RowQuestion("sa", ("sa",)), RowQuestion("pc", ("pc",))),
    "rating",
    frames=32,
    tokens=256,
    temperature=0.0,
    means={"sa": _SA, "pc": _PC},
    marks=_FOUR,
    joint_published=True,
    published="VIDEOPHY2/template.py",
    published_keys={"sa": "PROMPT_SA", "pc": "PROMPT_PHYSICS"},
    traps=(
        "It reads the prompt for SA only; PC is asked without it.",
        (
            "The authors' program searches its reply for a digit or a word as a part of other "
            "words ('none' counts as 1) and takes what it cannot read as 0. Here a reply is read "
            "as a whole, and one that cannot be read is no score. A 0 in --scores is taken as no "
            "score."
        ),
        "One published version of that program scores the first 20 rows only (df.iloc[:20]).",
        "Its scores and people's ratings are not comparable.",
    ),
    verified=(
        "Questions, 32 frames, greedy, 256 tokens, scale and marks: template.py, inference.py and "
        "README of the authors' repository."
    ),
    sources=(
        "https://huggingface.co/videophysics/videophy_2_auto",
        "https://github.com/Hritikbansal/videophy/tree/main/VIDEOPHY2",
    ),
)

PHYJUDGE = JudgeRow(
    "phyjudge-9b",
    "PhyJudge-9B",
    "NU-World-Model-Embodied-AI/phyjudge-9B, LoRA on Qwen/Qwen3.5-9B",
    "merge the adapter into its base model, serve it with any server that speaks OpenAI's API, and "
    "name it openai:MODEL?base_url=URL&clips=video_url",
    (
        RowQuestion("SA", ("sa",)),
        RowQuestion("PTV", ("ptv",)),
        RowQuestion("persistence", ("persistence",)),
        RowQuestion("law", ("pc",), each_law=True),
    ),
    "keys",
    labels={"sa": "SA", "ptv": "PTV", "persistence": "persistence"},
    fps=2.0,
    frames=64,
    pixels=360 * 640,
    tokens=128,
    temperature=0.0,
    system="You rate videos strictly.",
    means={
        "sa": _SA,
        "ptv": "whether events follow each other plausibly",
        "persistence": "whether things keep existing and keep their looks",
        "pc": "mean over the laws that apply",
    },
    marks=_FOUR,
    published="subq+human.yaml",
    published_keys={
        "SA": "eval_prompts.SA",
        "PTV": "eval_prompts.PTV",
        "persistence": "eval_prompts.persistence",
        "law": "physical_template",
        "system": "system_prompt",
    },
    traps=(
        (
            "Only laws that apply may be asked: they come from the benchmark's file, or from "
            "--laws. Without any it gives no physics score."
        ),
        (
            "Its base model thinks first unless told not to, and was trained to answer at once: "
            "serve it with thinking switched off."
        ),
        (
            "Its criteria and sub-questions stand in its authors' code, not in the template: ours"
            " are filled in, so that even with its template it is not asked word for word as in "
            "training."
        ),
        "Reports differ on whether vLLM serves the adapter unmerged; the merged model is safe.",
        "The joint share here is phyrefine's (SA >= 4 and mean of laws >= 4): it publishes none.",
    ),
    verified=(
        "Questions, one call per key, thinking off: the authors' repository. 2 fps, 360 x 640 "
        "pixels and 128 tokens: notes of a first reading, not seen again. Most frames: ours."
    ),
    sources=(
        "https://huggingface.co/NU-World-Model-Embodied-AI/phyjudge-9B",
        "https://github.com/NU-World-Model-Embodied-AI/PhyGround",
    ),
)

PHYRUBRIC = JudgeRow(
    "phyrubric",
    "PhyRubric-Judge",
    "kittyhy/PhyRubric-Judge, LoRA (rank 16) on Qwen/Qwen3-VL-8B-Instruct",
    "merge the adapter, then transformers:PATH, or a server and openai:MODEL?base_url=URL",
    (RowQuestion("all", ("sa", "pc")),),
    "assessable",
    labels={"sa": "sa_score", "pc": "pc_score", "assessable": "pc_assessable"},
    frames=16,
    pixels=448 * 448,
    tokens=512,
    means={"sa": _SA, "pc": _PC + ", where the central event appears at all"},
    marks=_FOUR,
    published="its repository (chenyil6/phyRubric)",
    published_keys={"all": ""},
    traps=(
        (
            "It says whether physics can be assessed at all. A clip in which the event never "
            "happens gets no physics score; it is counted, and fails the joint share, so that a "
            "model that shows nothing gains nothing."
        ),
        "The joint share here is phyrefine's: its card, as far as seen, defines none.",
    ),
    verified=(
        "16 frames, at most 448 x 448, keys of the reply: its card. Its template and the length of "
        "a reply were NOT seen."
    ),
    sources=("https://huggingface.co/kittyhy/PhyRubric-Judge",),
)

VIDEOSCORE2 = JudgeRow(
    "videoscore2",
    "VideoScore2",
    "TIGER-Lab/VideoScore2, Qwen2.5-VL-7B",
    "transformers:TIGER-Lab/VideoScore2, or a server and openai:MODEL?base_url=URL",
    (RowQuestion("all", ("vq", "sa", "pc")),),
    "labels",
    labels={
        "vq": "visual quality",
        "sa": "text-to-video alignment",
        "pc": "physical/common-sense consistency",
    },
    fps=2.0,
    frames=64,
    tokens=1024,
    temperature=0.7,
    means={"vq": "visual quality", "sa": _SA, "pc": _PC},
    marks=_FOUR,
    published="its card (the query template)",
    published_keys={"all": ""},
    traps=(
        (
            "It reasons before it scores, and is sampled at temperature 0.7: repeat it "
            "(--repeats) and look at the spread."
        ),
        (
            "Its published scores are fractions read from the probabilities of the digits; here "
            "the digits themselves are read."
        ),
        "The joint share here is phyrefine's: it publishes none.",
    ),
    verified=(
        "Labels, 2 fps, temperature: the authors' code. Their code allows 4096 new tokens, other "
        "reports 1024. Most frames: ours."
    ),
    sources=(
        "https://huggingface.co/TIGER-Lab/VideoScore2",
        "https://github.com/TIGER-AI-Lab/VideoScore2",
    ),
)

COSMOS = JudgeRow(
    "cosmos-reason2",
    "Cosmos-Reason 2",
    "nvidia/Cosmos-Reason2-8B (or 2B), from Qwen3-VL",
    "transformers:nvidia/Cosmos-Reason2-8B, or a server and openai:MODEL?base_url=URL",
    (RowQuestion("pc", ("pc",)),),
    "rating",
    fps=16.0,
    frames=128,
    tokens=4096,
    system="You are a helpful assistant.",
    means={"pc": _PC},
    marks={"pc": 4.0},
    joint=(),
    published="video_reward.yaml (Cosmos cookbook, physical plausibility)",
    published_keys={"pc": "user_prompt", "system": "system_prompt"},
    traps=(
        (
            "It rates physics only and does not read the prompt: no joint share, and a beautiful "
            "clip of something else passes."
        ),
        (
            "Before fine-tuning on VideoPhy-2 it overrates implausible clips, by its own "
            "cookbook; the fine-tuned weights of the cookbook are not published."
        ),
        (
            "Its 16 fps is advised for its video critic; the rate of the cookbook's scoring "
            "program was not seen."
        ),
    ),
    verified=(
        "Question, scale, system message: the cookbook. 16 fps and 4096 tokens: the video critic "
        "of its repository. Most frames: ours (it limits all pixels together)."
    ),
    sources=(
        "https://github.com/nvidia-cosmos/cosmos-reason2",
        "https://github.com/nvidia-cosmos/cosmos-cookbook",
    ),
)

JUDGES: Mapping[str, JudgeRow] = {
    row.name: row for row in (GENERAL, VIDEOPHY2, PHYJUDGE, PHYRUBRIC, VIDEOSCORE2, COSMOS)
}


def find(name: str) -> JudgeRow:
    """The row called ``name``.

    Raises:
        InvalidInputError: There is none.
    """
    if name in JUDGES:
        return JUDGES[name]
    hint = did_you_mean(name, JUDGES)
    raise InvalidInputError(f"No judge called {name!r}.{hint} There are: {', '.join(JUDGES)}.")
