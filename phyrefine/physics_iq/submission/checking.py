"""Checks of a finished pack: names, lengths, sizes, rates, card and descriptions."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import av

from phyrefine.errors import InvalidInputError, VideoError
from phyrefine.physics_iq.data.decoding import probe
from phyrefine.physics_iq.data.layout import SAMPLES, TEST_SECONDS
from phyrefine.physics_iq.submission.card import (
    Finding,
    check_card,
    section,
    valid_run_id,
)
from phyrefine.physics_iq.submission.card_files import read_card_file, read_text

VERIFIED_CARD, ORIGINAL_CARD = "submission.yaml", "original.yaml"
CARDS = (VERIFIED_CARD, ORIGINAL_CARD)
DURATION_TOLERANCE = 0.001
_FPS_TOLERANCE = 0.01


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
        findings += check_descriptions(read_text(folder / "descriptions.csv"), sorted(files))
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
        if not abs(item.seconds - TEST_SECONDS) <= DURATION_TOLERANCE:
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
