"""A study: clips of finished runs, the pairs to compare, and who said what, in one folder."""

from __future__ import annotations

import hashlib
import itertools
import random
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from attrs import field, frozen
from tqdm.auto import tqdm

from phyrefine._atomic import write_bytes
from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.rating.order import Pair, Trial, plan
from phyrefine.report.media import at_page_size
from phyrefine.run.results import REFINEMENT, read_refinement, refinement_folders
from phyrefine.run.store.disk import absence, read_bytes, read_json, write_json, writing
from phyrefine.serialize import from_json, to_json
from phyrefine.types import Entry, Pick, Pool, Refinement, Scenario, pick_key
from phyrefine.video.clip import Clip, join

Of = Literal["clips", "chosen"]
# A run's name in the study, and a scenario's folder in that run.
Place = tuple[str, str]
QUESTION = "Which video obeys physics better?"
STUDY = "study.json"
CLIPS = "clips"
# Longer side and rate factor of a clip in a study; the page of a report is smaller and coarser.
PIXELS, QUALITY = 640, 20
PLAIN = "plain description"


@frozen
class RatedClip:
    """One clip of a study.

    Attributes:
        id: Says nothing about the clip; all that a rater's browser sees.
        run: The run's name in the study.
        scenario: The scenario's folder in it.
        key: ``"attempt.candidate"`` in its refinement.
        contestant: What it stands for over all scenarios: a run, or a loop.
        digest: Of the clip as delivered.
        seam: Seconds of prefix in front.
    """

    id: str
    run: str
    scenario: str
    key: str
    contestant: str
    digest: str
    seam: float = 0.0


@frozen
class Study:
    """What is compared; kept in ``study.json``.

    Attributes:
        id: Its own, drawn once.
        seed: Of sides and orders.
        question: What people answer.
        of: ``"clips"``: every two clips of a run; ``"chosen"``: the chosen clips of the runs and
            the plain description's.
        repeat: Share of pairs shown twice.
        runs: Run folders by the names they have in the study.
        clips: All clips.
        pairs: Ids of the clips to compare.
        texts: Description of each scenario by folder.
        notes: What was left out, in words.
    """

    id: str
    seed: int
    question: str
    of: Of
    repeat: float
    runs: Mapping[str, str]
    clips: tuple[RatedClip, ...]
    pairs: tuple[Pair, ...]
    texts: Mapping[str, str]
    notes: tuple[str, ...] = field(default=())

    @property
    def by_id(self) -> dict[str, RatedClip]:
        """Its clips by id."""
        return {clip.id: clip for clip in self.clips}

    def trials(self, rater: int) -> tuple[Trial, ...]:
        """What the person with this number is shown, in order."""
        contestants = {clip.id: clip.contestant for clip in self.clips}
        return plan(self.pairs, contestants, seed=self.seed, rater=rater, repeat=self.repeat)


def make_study(
    folder: Path,
    runs: Sequence[Path],
    *,
    of: Of | None = None,
    pairs: int | None = None,
    repeat: float = 0.1,
    question: str = QUESTION,
    seed: int = 0,
    progress: bool = False,
) -> Study:
    """Draw the pairs from finished runs, and write the study and its clips.

    A folder that holds a study already gives that study. One scenario at a time is in memory, and a
    call that was interrupted goes on where it stopped.

    Args:
        folder: Of the study; made if it is not there.
        runs: Run folders, or scenarios' folders in them.
        of: What is compared; by default ``"clips"`` of one run and ``"chosen"`` of several.
        pairs: Pairs per scenario at the most, drawn so that every clip is shown about equally
            often; all by default.
        repeat: Share of pairs that everybody sees a second time, mirrored, 0 to 1.
        question: What people answer.
        seed: Of pairs, sides and orders.
        progress: Show a progress bar.

    Raises:
        InvalidInputError: There is nothing to compare, or the folder's study is of other runs.
        StoreError: A run cannot be read, or the folder cannot be written.
    """
    if (folder / STUDY).exists():
        return _same(read_study(folder), runs, folder)
    if not 0 <= repeat <= 1:
        raise InvalidInputError(f"repeat must lie between 0 and 1, not {repeat:g}.")
    if pairs is not None and pairs < 1:
        raise InvalidInputError(f"pairs must be 1 or more, not {pairs}.")
    names = _names(runs)
    what = of or ("clips" if len(runs) == 1 else "chosen")
    secret = _key(folder)
    clips: dict[str, RatedClip] = {}
    drawn: list[Pair] = []
    texts: dict[str, str] = {}
    notes: list[str] = []
    for scenario, folders in tqdm(_folders(names).items(), unit="scenario", disable=not progress):
        found = {run: read_refinement(path) for run, path in folders.items()}
        texts[scenario] = next(iter(found.values())).scenario.description
        entered = _entered(scenario, found, what, secret)
        made = _pairs([clip for clip, _ in entered], pairs, random.Random(f"{seed} {scenario}"))  # noqa: S311
        notes += _left_out(scenario, [clip for clip, _ in entered], what)
        shown = {one for pair in made for one in pair}
        for clip, whole in entered:
            if clip.id in shown:
                clips[clip.id] = clip
                _write_clip(folder / CLIPS / f"{clip.id}.mp4", whole)
        drawn += made
    if not drawn:
        raise InvalidInputError(" ".join(["These runs have no two clips to compare.", *notes]))
    study = Study(
        secrets.token_hex(6), seed, question, what, repeat, {n: str(p) for n, p in names.items()},
        tuple(clips.values()), tuple(drawn), texts, tuple(notes),
    )  # fmt: skip
    write_json(folder / STUDY, to_json(study))
    return study


def read_study(folder: Path) -> Study:
    """Read a study back.

    Raises:
        StoreError: It is missing or damaged.
    """
    path = folder / STUDY
    try:
        value = read_json(path)
        if value is None:
            raise StoreError(f"{folder} holds no study: make one with phyrefine rate RUN.")
        return from_json(value, Study)
    except (ValueError, InvalidInputError) as error:
        raise StoreError(f"{path} is damaged: {error}") from error


def read_runs(study: Study) -> Iterator[tuple[Place, Refinement]]:
    """The refinements a study was drawn from, one after the other, with where each is from.

    Raises:
        StoreError: A run is no longer where it was.
    """
    for run, scenario in dict.fromkeys((clip.run, clip.scenario) for clip in study.clips):
        folder = _scenario_folder(Path(study.runs[run]), scenario)
        yield (run, scenario), read_refinement(folder)


def _same(study: Study, runs: Sequence[Path], folder: Path) -> Study:
    asked = {str(path.resolve()) for path in runs}
    if asked and asked != set(study.runs.values()):
        raise InvalidInputError(
            f"{folder} holds a study of {', '.join(study.runs.values())}: pass another --out, or "
            "no run to go on with it."
        )
    return study


def _names(runs: Sequence[Path]) -> dict[str, Path]:
    """A short name for each run: its folder's, with a number where two are alike."""
    if not runs:
        raise InvalidInputError("Pass one or more run folders to make a study of.")
    paths = list(dict.fromkeys(path.resolve() for path in runs))
    plain = [path.name or str(path) for path in paths]
    return {
        name if plain.count(name) == 1 else f"{name} ({index + 1})": path
        for index, (name, path) in enumerate(zip(plain, paths, strict=True))
    }


def _key(folder: Path) -> bytes:
    """What ids are made with, kept so that an interrupted call makes the same ones again."""
    path = folder / CLIPS / "key"
    found = read_bytes(path)
    if found is None:
        found = secrets.token_bytes(16)
        with writing(path):
            write_bytes(path, found)
    return found


def _folders(runs: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """Folders of every scenario, by run."""
    found: dict[str, dict[str, Path]] = {}
    for name, path in runs.items():
        own = (path / REFINEMENT).exists()
        folders = [path] if own else list(refinement_folders(path))
        if not folders:
            why = absence(path, "holds no finished scenario")
            raise StoreError(f"{path} {why}: pass a run folder.")
        for folder in folders:
            found.setdefault(folder.name, {})[name] = folder
    return found


def _scenario_folder(run: Path, scenario: str) -> Path:
    return run if (run / REFINEMENT).exists() else run / "scenarios" / scenario


def _entered(
    scenario: str, runs: Mapping[str, Refinement], of: Of, secret: bytes
) -> list[tuple[RatedClip, Clip]]:
    """Clips of one scenario that compete, with what is shown of each."""
    entered: list[tuple[RatedClip, Clip]] = []
    for run, refinement in runs.items():
        if not refinement.attempts:
            continue
        for contestant, key, clip in _contestants(run, refinement, of, several=len(runs) > 1):
            if of == "chosen" and any(known.contestant == contestant for known, _ in entered):
                continue  # the plain description's clip of another run
            name = f"{run}\0{scenario}\0{key}\0{clip.digest}".encode()
            identity = hashlib.blake2b(name, key=secret, digest_size=8).hexdigest()
            before = _prefix(refinement.scenario, clip)
            seam = 0.0 if before is None else before.duration
            rated = RatedClip(identity, run, scenario, key, contestant, clip.digest, seam)
            entered.append((rated, clip if before is None else join((before, _bare(clip)))))
    return entered


def _contestants(
    run: str, refinement: Refinement, of: Of, *, several: bool
) -> list[tuple[str, str, Clip]]:
    """(contestant, key, clip) of what one run enters."""
    pool = Pool.of(refinement.scenario, refinement.attempts).entries
    if of == "clips":
        before = f"{run}: " if several else ""
        seeds = any(len(attempt.candidates) > 1 for attempt in refinement.attempts)
        return [(before + _loop(e, seeds), e.key, e.candidate.clip) for e in pool]
    found = []
    if refinement.choice is not None:
        found.append((run, pick_key(refinement.choice.pick), refinement.video))
    if refinement.attempts[0].baseline:
        found.append((PLAIN, pick_key(Pick(0)), refinement.attempts[0].clip))
    return found


def _loop(entry: Entry, seeds: bool) -> str:
    """A clip's place in the method, the same in every scenario."""
    loop = PLAIN if entry.attempt.baseline else f"loop {entry.attempt.index}"
    steps = f", {entry.candidate.steps} steps" if entry.candidate.steps is not None else ""
    return loop + (f", seed {entry.candidate.seed}" if seeds else "") + steps


def _prefix(scenario: Scenario, clip: Clip) -> Clip | None:
    if scenario.prefix is None:
        return None
    before = scenario.prefix
    fitting = before if before.size == clip.size else before.resize(*clip.size, keep=True)
    return _bare(fitting.resample(clip.fps))


def _bare(clip: Clip) -> Clip:
    return Clip(clip.frames, clip.fps)


def _pairs(clips: Sequence[RatedClip], most: int | None, order: random.Random) -> list[Pair]:
    """Pairs of one scenario: of one run where all its clips compete, else of all."""
    possible = [(a, b) for a, b in itertools.combinations(clips, 2) if a.digest != b.digest]
    order.shuffle(possible)
    shown = dict.fromkeys((clip.id for clip in clips), 0)
    taken: list[Pair] = []
    while possible and (most is None or len(taken) < most):
        least = min(possible, key=lambda pair: shown[pair[0].id] + shown[pair[1].id])
        possible.remove(least)
        a, b = (clip.id for clip in least)
        shown[a] += 1
        shown[b] += 1
        taken.append((a, b))
    return taken


def _left_out(scenario: str, clips: Sequence[RatedClip], of: Of) -> list[str]:
    same = sum(a.digest == b.digest for a, b in itertools.combinations(clips, 2))
    if same and of == "chosen":
        return [f"{scenario}: {same} pairs are one and the same clip, so nobody is asked about it."]
    return [] if len(clips) > 1 else [f"{scenario}: one clip only, nothing to compare."]


def _write_clip(path: Path, clip: Clip) -> None:
    if path.exists():
        return
    data = at_page_size(clip, PIXELS).to_bytes("mp4", quality=QUALITY)
    with writing(path):
        write_bytes(path, data)
