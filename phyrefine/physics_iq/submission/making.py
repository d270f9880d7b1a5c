"""Submission packs: clips of exactly 5 s under the benchmark's names, tables, card, checks.

A pack is made of one edition. The two share their scenes, so nothing measured on one may serve the
other: a choice that was made with a score of the other edition is refused here, by code.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import av

from phyrefine._atomic import write_bytes
from phyrefine._optional import require
from phyrefine.errors import InvalidInputError, VideoError
from phyrefine.physics_iq.data.decoding import probe
from phyrefine.physics_iq.data.layout import SAMPLES, TEST_SECONDS, Edition
from phyrefine.physics_iq.scoring.aggregate import Aggregate, aggregate
from phyrefine.physics_iq.scoring.evaluate import Evaluation
from phyrefine.physics_iq.scoring.original import original_score
from phyrefine.physics_iq.submission.card import (
    TERMS_VERSION,
    WARRANTIES,
    Finding,
    check_card,
    section,
    valid_run_id,
)
from phyrefine.video.clip import Clip

VERIFIED_CARD, ORIGINAL_CARD = "submission.yaml", "original.yaml"
_DURATION_TOLERANCE = 0.001
_FPS_TOLERANCE = 0.01
_LABELS = {
    "physiq": "Phys-IQ verified",
    "spatial_iou": "SP verified",
    "weighted_spatial_iou": "WS verified",
    "spatiotemporal_iou": "ST verified",
    "mse": "MSE verified",
}


@attrs.frozen
class ClipFacts:
    """What the check reads of one clip.

    Attributes:
        seconds: Duration of the container; NaN if unknown.
        width: Pixels.
        height: Pixels.
        fps: Frames per second by the stream's base rate (``r_frame_rate``), which rounded time
            stamps leave whole.
    """

    seconds: float
    width: int
    height: int
    fps: float


@attrs.frozen
class Selection:
    """How the clips of a run came to be chosen.

    Attributes:
        selector: Name of the ensemble, or ``"none"``.
        oracle: It looked at ground truth.
        used: Editions whose scores had a part in it, in tuning too.
    """

    selector: str = "none"
    oracle: bool = False
    used: frozenset[Edition] = frozenset()


def require_clean(selection: Selection, edition: Edition) -> None:
    """Refuse a selection that has no place on a leaderboard.

    Raises:
        InvalidInputError: It looked at ground truth, or used a score of the other edition.
    """
    others = sorted(item for item in selection.used if item is not edition)
    if others:
        raise InvalidInputError(
            f"The selection {selection.selector!r} used scores of Physics-IQ {', '.join(others)}: "
            f"it must not enter Physics-IQ {edition}. The editions share their scenes."
        )
    if selection.oracle or selection.used:
        raise InvalidInputError(
            f"The selection {selection.selector!r} looked at the ground truth of the benchmark it "
            "would be entered in: that is a bound, not a submission."
        )


# -- making ------------------------------------------------------------------------------------


def cut_clip(source: Path, target: Path, fps: int) -> None:
    """Copy a clip, cut to exactly 5 s.

    A clip that already lasts 5 s is copied as it is; a longer one is cut at the end and encoded
    again.

    Raises:
        VideoError: It is shorter, or runs at another rate.
    """
    facts = probe(source)
    if facts.fps != fps:
        raise VideoError(f"{source} runs at {facts.fps:g} FPS, not {fps}.")
    if facts.seconds is not None and abs(facts.seconds - TEST_SECONDS) <= _DURATION_TOLERANCE:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return
    clip = Clip.read(source)
    wanted = TEST_SECONDS * fps
    if len(clip) < wanted:
        raise VideoError(f"{source} holds {len(clip)} frames, {wanted} are needed for 5 s.")
    Clip(clip.frames[:wanted], fps).write(target, quality=14)


def write_pack(
    folder: Path,
    runs: Mapping[str, Mapping[str, Path]],
    evaluations: Sequence[Evaluation],
    *,
    descriptions: Path,
    public_info: Mapping[str, Any],
    selection: Selection,
) -> list[Finding]:
    """Write a pack for the leaderboard of the evaluations' edition.

    Verified: ``submission.yaml``, whose terms and warranties are left for a person to accept, so
    that findings on them are expected. Original, which takes one run and has no card of its own:
    ``original.yaml`` with the score.

    Args:
        folder: A new folder; it appears once all is written.
        runs: Run name to generated-video name (with ``.mp4``) to clip.
        evaluations: Score of each run, in the same order; all of one edition.
        descriptions: The prompts that were used.
        public_info: The card's ``public_info``; see the leaderboard's documentation.
        selection: How the clips were chosen.

    Returns:
        What the official check would find.

    Raises:
        InvalidInputError: The selection has no place on a leaderboard, runs and scores do not
            match, or the numbers are not official.
        VideoError: A clip cannot be cut to 5 s.
    """
    require_new(folder)
    if len(runs) != len(evaluations) or not runs:
        raise InvalidInputError(f"{len(runs)} runs and {len(evaluations)} scores do not match.")
    edition, fps = evaluations[0].provenance.edition, evaluations[0].provenance.fps
    require_clean(selection, edition)
    if edition is Edition.ORIGINAL and len(runs) > 1:
        raise InvalidInputError(
            f"Physics-IQ original takes one run, these are {len(runs)}: enter one seed's (--seed)."
        )
    if not all(item.provenance.official for item in evaluations):
        raise InvalidInputError("A score was not measured as the official program does.")
    combined = aggregate(evaluations)
    info = {**public_info, "fps": fps, "bon_sampling_method": selection.selector}
    with _appearing_whole(folder) as aside:
        for name, clips in runs.items():
            for file, source in clips.items():
                cut_clip(source, aside / "runs" / name / file, fps)
        shutil.copyfile(descriptions, aside / "descriptions.csv")
        for name, item in zip(runs, evaluations, strict=True):
            item.table.write(aside / "results" / f"{name}.csv")
        (aside / "scores.csv").write_text(combined.to_csv())
        if edition is Edition.ORIGINAL:
            score = original_score(evaluations[0].table).score
            card = {"public_info": info, "final_score_origround": score}
            write_card(aside / ORIGINAL_CARD, card)
        else:
            write_card(aside / VERIFIED_CARD, _verified_card(info, combined))
    return check_pack(folder)


def require_new(folder: Path) -> None:
    """See that a pack can be written there.

    Raises:
        InvalidInputError: Something is there.
    """
    if folder.exists() or folder.is_symlink():
        raise InvalidInputError(f"{folder} exists: a pack is written into a new folder.")


@contextlib.contextmanager
def _appearing_whole(folder: Path) -> Iterator[Path]:
    """Yield a new neighbour that becomes ``folder`` when the block succeeds, else is removed."""
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    aside.mkdir(parents=True)
    try:
        yield aside
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)  # nothing is there once it is renamed


def _verified_card(info: Mapping[str, Any], combined: Aggregate) -> dict[str, Any]:
    reported = {
        f"{name}_{part}": round(getattr(combined.spreads[label], part), 2)
        for name, label in _LABELS.items()
        for part in ("mean", "std")
    }
    terms = {"terms_version": TERMS_VERSION, "terms_accepted": False,
             "accepted_on_behalf_of": "", "accepted_at": ""}  # fmt: skip
    warranties = dict.fromkeys(WARRANTIES, False)
    return {
        "public_info": dict(info),
        "reported_scores": reported,
        "terms": terms,
        "warranties": warranties,
    }


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write a card as YAML."""
    text = _yaml().safe_dump(dict(card), sort_keys=False, allow_unicode=True)
    write_bytes(path, text.encode())


def read_card(text: str, name: str = "The card") -> dict[str, Any]:
    """Parse a card.

    Args:
        text: YAML.
        name: What messages call it.

    Raises:
        InvalidInputError: It is not YAML, or not a mapping.
    """
    yaml = _yaml()
    try:
        # The same safe loader in C where libyaml is there: a tenth of the time.
        card = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError) as error:  # a ValueError is a day that no month has
        said = " ".join(str(error).split())
        raise InvalidInputError(f"{name} is not YAML: {said}") from error
    if not isinstance(card, dict):
        raise InvalidInputError(f"{name} is a {type(card).__name__}, not a mapping.")
    return card


def read_card_file(path: Path) -> dict[str, Any]:
    """Read a card, or a part of one.

    Raises:
        InvalidInputError: There is no such file, or it is not YAML in UTF-8, or not a mapping.
    """
    return read_card(_text(path), str(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path} is not text in UTF-8: {error}.") from error


# -- checking ----------------------------------------------------------------------------------


def check_pack(folder: Path, run_id: str | None = None) -> list[Finding]:
    """What the leaderboard's own check would find: run id, card, descriptions, clips.

    Args:
        folder: The pack.
        run_id: The id it is to be sent under.

    Returns:
        All that is wrong, files that are missing or cannot be read too.

    Raises:
        InvalidInputError: The folder has no card, so that it is not a pack.
    """
    findings = []
    if run_id is not None and not valid_run_id(run_id):
        findings.append(Finding("run_id", f"{run_id!r} is not <org>__<id>__<YYYY-MM-DD>"))
    verified = folder / VERIFIED_CARD
    path = verified if verified.is_file() else folder / ORIGINAL_CARD
    if not path.is_file():
        raise InvalidInputError(f"{folder} holds neither {VERIFIED_CARD} nor {ORIGINAL_CARD}.")
    card: dict[str, Any] = {}
    try:
        card = read_card_file(path)
    except InvalidInputError as error:
        findings.append(Finding(f"other:{path.name}", str(error)))
    if path == verified:
        findings += check_card(card)
    runs = sorted(path for path in (folder / "runs").glob("*") if path.is_dir())
    if not runs:
        findings.append(Finding("other:runs", "holds no folder of clips: one for each run"))
    files = {path.name for run in runs for path in run.glob("*.mp4")}
    try:
        findings += check_descriptions(_text(folder / "descriptions.csv"), sorted(files))
    except (InvalidInputError, csv.Error) as error:
        findings.append(Finding("other:descriptions.csv", str(error)))
    for run in runs:
        names = sorted(path.name for path in run.glob("*.mp4"))
        findings += check_run(names, _prober(run), section(card, "public_info"))
    return findings


def check_run(
    names: Sequence[str],
    facts_of: Callable[[str], ClipFacts],
    info: Mapping[str, Any],
) -> list[Finding]:
    """Findings on one run folder.

    Args:
        names: File names, sorted.
        facts_of: Probes a file; raises :class:`VideoError` on one that cannot be read.
        info: The card's ``public_info``, of which ``fps`` and ``resolution`` are used.

    Returns:
        Only the count, if that is wrong.
    """
    if len(names) != SAMPLES:
        return [Finding("count", f"{len(names)} clips, {SAMPLES} are needed")]
    findings, facts = [], {}
    for number, name in enumerate(names, start=1):
        if not name.startswith(f"{number:04d}_"):
            findings.append(Finding(f"prefix:{name}", f"should begin with {number:04d}_"))
        try:
            facts[name] = facts_of(name)
        except VideoError as error:
            findings.append(Finding(f"other:{name}", str(error)))
    for name, item in facts.items():
        if not abs(item.seconds - TEST_SECONDS) <= _DURATION_TOLERANCE:
            findings.append(Finding(f"duration:{name}", f"lasts {item.seconds} s, not 5 s"))
    return findings + _check_sizes(facts, info) + _check_rates(facts, info)


def check_descriptions(text: str, files: Iterable[str]) -> list[Finding]:
    """Findings on the prompts file: its columns, and every clip named in it."""
    rows = csv.DictReader(io.StringIO(text))
    wanted = {"scenario", "description", "generated_video_name"}
    lacking = sorted(wanted - set(rows.fieldnames or ()))
    if lacking:
        return [Finding("other", f"descriptions.csv lacks the columns {lacking}")]
    listed, short = set(), 0
    for row in rows:
        short += row["generated_video_name"] is None
        listed.add((row["generated_video_name"] or "").strip())
    findings = [Finding("other", f"{short} rows of descriptions.csv are cut short")] * bool(short)
    return findings + [
        Finding(f"other:{name}", "is not listed in descriptions.csv")
        for name in files
        if name not in listed
    ]


def _check_sizes(facts: Mapping[str, ClipFacts], info: Mapping[str, Any]) -> list[Finding]:
    match = re.fullmatch(r"(\d+)x(\d+)", str(info.get("resolution")))
    if match is None:
        said = info.get("resolution")
        return [Finding("public_info.resolution", f"{said!r} is not like '1280x720'")]
    asked = int(match[1]), int(match[2])
    return [
        Finding(f"resolution:{name}", f"is {item.width}x{item.height}, the card says {match[0]}")
        for name, item in facts.items()
        if (item.width, item.height) != asked
    ]


def _check_rates(facts: Mapping[str, ClipFacts], info: Mapping[str, Any]) -> list[Finding]:
    rates = sorted({item.fps for item in facts.values()})
    if len(rates) > 1:
        return [Finding("fps", f"the clips run at different rates: {rates}")]
    try:
        asked = float(info.get("fps"))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return [Finding("fps", f"the card says {info.get('fps')!r}, not a number")]
    if rates and not abs(rates[0] - asked) <= _FPS_TOLERANCE:
        return [Finding("fps", f"the clips run at {rates[0]:g}, the card says {asked:g}")]
    return []


def _prober(folder: Path) -> Callable[[str], ClipFacts]:
    def facts_of(name: str) -> ClipFacts:
        facts = probe(folder / name)  # which tells what is wrong with a file
        seconds = math.nan if facts.seconds is None else facts.seconds
        with av.open(str(folder / name)) as container:
            base = container.streams.video[0].base_rate
        return ClipFacts(seconds, facts.width, facts.height, float(base or facts.fps))

    return facts_of


def _yaml() -> Any:
    return require("yaml", extra="physics-iq", feature="A Physics-IQ submission card")
