"""Submission packs: clips of exactly 5 s under the benchmark's names, tables, card, checks.

A pack is made of one edition. The two share their scenes, so nothing measured on one may serve the
other: a choice that was made with a score of the other edition is refused here, by code.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from phyrefine.errors import InvalidInputError, VideoError
from phyrefine.physics_iq.data.decoding import probe
from phyrefine.physics_iq.data.layout import TEST_SECONDS, Edition
from phyrefine.physics_iq.scoring.aggregate import Aggregate, aggregate
from phyrefine.physics_iq.scoring.evaluation import Evaluation
from phyrefine.physics_iq.scoring.original import original_score
from phyrefine.physics_iq.submission.card import (
    TERMS_VERSION,
    WARRANTIES,
    Finding,
    whole_info,
)
from phyrefine.physics_iq.submission.card_files import write_card
from phyrefine.physics_iq.submission.checking import (
    DURATION_TOLERANCE,
    ORIGINAL_CARD,
    VERIFIED_CARD,
    check_pack,
)
from phyrefine.physics_iq.submission.prompts import write_prompts
from phyrefine.video.clip import Clip

NO_SELECTION = "none"
_LABELS = {
    "physiq": "Phys-IQ verified",
    "spatial_iou": "SP verified",
    "weighted_spatial_iou": "WS verified",
    "spatiotemporal_iou": "ST verified",
    "mse": "MSE verified",
}


@attrs.frozen
class Selection:
    """How the clips of a run came to be chosen.

    Attributes:
        selector: Name of the ensemble, or ``"none"``.
        oracle: It looked at ground truth.
        used: Editions whose scores had a part in it, in tuning too.
    """

    selector: str = NO_SELECTION
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
    if facts.seconds is not None and abs(facts.seconds - TEST_SECONDS) <= DURATION_TOLERANCE:
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
    prompts: Mapping[str, Mapping[str, str]],
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
        descriptions: The benchmark's table of prompts.
        prompts: Run name to generated-video name to the prompt the clip was made from.
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
    chosen = None if selection.selector == NO_SELECTION else selection.selector
    info = whole_info({**public_info, "fps": fps, "bon_sampling_method": chosen})
    with _appearing_whole(folder) as aside:
        for name, clips in runs.items():
            for file, source in clips.items():
                cut_clip(source, aside / "runs" / name / file, fps)
        write_prompts(aside, descriptions, prompts)
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
    """Yield a new neighbor that becomes ``folder`` when the block succeeds, else is removed."""
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
