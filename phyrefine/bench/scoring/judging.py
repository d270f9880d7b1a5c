"""Every clip of a benchmark folder before a judge; what it said is kept, clip by clip."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from phyrefine.bench.benchmark import Item, slug
from phyrefine.bench.judges.row_judge import Ratings, RowJudge
from phyrefine.errors import BudgetExceededError, InvalidInputError, PhyrefineError
from phyrefine.identities import identity
from phyrefine.physics_iq.generation.generating import VIDEOS
from phyrefine.run.many import run_many
from phyrefine.run.store.disk import read_json, write_json
from phyrefine.video.clip import Clip

JUDGED = "judged"
CHOSEN = "chosen by "  # the row of clips that the run's own rule chose
GIVEN_CLIPS = "download"  # the row of clips that the benchmark brings along


@frozen
class ClipFile:
    """One clip to judge.

    Attributes:
        row: Folder of the run, such as ``loop1-seed0``.
        item: Whose prompt it shows.
        path: The file.
    """

    row: str
    item: Item
    path: Path


def clip_files(
    folder: Path, items: Sequence[Item], rows: Sequence[str], *, given: bool = False
) -> list[ClipFile]:
    """The clips of a benchmark folder, prompt by prompt.

    Args:
        folder: Of the run.
        items: Whose clips.
        rows: Names of the runs.
        given: Also the clips that the download brings along, as the row ``GIVEN_CLIPS``.

    Raises:
        InvalidInputError: A clip is missing.
    """
    found = [
        ClipFile(row, item, folder / VIDEOS / row / f"{item.name}.mp4")
        for item in items
        for row in rows
    ]
    lacking = [one.path for one in found if not one.path.is_file()]
    if lacking:
        raise InvalidInputError(
            f"{len(lacking)} of {len(found)} clips are missing, such as {lacking[0]}: run the same "
            "command without --score-only, or the other shards."
        )
    if given:
        brought = [ClipFile(GIVEN_CLIPS, one, one.clip) for one in items if one.clip is not None]
        if not brought:
            raise InvalidInputError(
                "--given judges clips of the download, and none was found beside its table: name "
                "the field that holds their files with --field clip=NAME."
            )
        found += brought
    return found


def judge_clips(
    judge: RowJudge,
    clips: Sequence[ClipFile],
    folder: Path,
    *,
    workers: int = 4,
    progress: bool = False,
) -> tuple[dict[tuple[str, str], Ratings], list[str]]:
    """Ratings of every clip; those that are kept from an earlier call are not asked again.

    The first clip is judged alone, so that a wrong key or an unreachable server is one error.

    Args:
        judge: Rates a clip.
        clips: What to rate.
        folder: Of the run; ratings lie in ``judged/JUDGE/ROW/CLIP.json``.
        workers: Clips under way at once.
        progress: Show a bar.

    Returns:
        Ratings by (row, clip's name), and a line for each clip that could not be judged.

    Raises:
        BackendError: The judge could not be asked about the first clip.
    """
    place = folder / JUDGED / _folder_name(judge)
    write_json(place / "judge.json", {"judge": judge.name, "identity": identity(judge.vlm)})
    found: dict[tuple[str, str], Ratings] = {}
    waiting: list[ClipFile] = []
    for one in clips:
        kept = _kept(place, one)
        if kept is None:
            waiting.append(one)
        else:
            found[one.row, one.item.name] = kept
    failed: list[str] = []

    def work(one: ClipFile) -> Ratings:
        ratings = judge.rate(one.item, Clip.read(one.path))
        write_json(_file(place, one), {"clip": _digest(one.path), **asdict(ratings)})
        return ratings

    for one in waiting[:1]:
        try:
            found[one.row, one.item.name] = work(one)
        except BudgetExceededError as error:
            failed.append(f"{one.path}: {error}")
    for outcome in run_many(work, waiting[1:], workers=workers, progress=progress):
        one = outcome.item
        if outcome.result is not None:
            found[one.row, one.item.name] = outcome.result
        elif isinstance(outcome.error, PhyrefineError):
            failed.append(f"{one.path}: {type(outcome.error).__name__}: {outcome.error}")
        elif outcome.error is not None:
            raise outcome.error
    return found, failed


def _folder_name(judge: RowJudge) -> str:
    said = "\n".join([
        judge.row.name, judge.wording.digest, identity(judge.vlm), *judge.laws, str(judge.repeats)
    ])  # fmt: skip
    return f"{slug(judge.row.name)}-{hashlib.blake2b(said.encode(), digest_size=4).hexdigest()}"


def _file(place: Path, one: ClipFile) -> Path:
    return place / one.row / f"{one.item.name}.json"


def _kept(place: Path, one: ClipFile) -> Ratings | None:
    """What was said of this very clip; ``None`` if nothing, or if the file is damaged."""
    try:
        record: Any = read_json(_file(place, one))
    except ValueError:
        return None
    if not isinstance(record, Mapping) or record.get("clip") != _digest(one.path):
        return None
    rest = {name: value for name, value in record.items() if name != "clip"}
    return Ratings(**{**rest, "problems": tuple(rest["problems"])})


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
