"""What people said, one line each, on disk before anybody is told that it is stored."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self, get_args

from attrs import define, field, frozen, validators

from phyrefine._json import parse_json
from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.rating.order import Trial
from phyrefine.rating.study import Study
from phyrefine.run.store.disk import read_bytes, writing
from phyrefine.run.store.lock import RunLock
from phyrefine.serialize import from_json, to_json

Said = Literal["left", "right", "same", "broken"]
ANSWERS = "answers"
COLUMNS = ("study", "rater", "trial", "left", "right", "answer", "seconds", "at")
# A name is a file's name: nothing in it may lead elsewhere.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@frozen
class Rating:
    """One answer.

    Attributes:
        trial: Number of the trial.
        left: Id of the clip that was on the left.
        right: Id of the clip that was on the right.
        answer: ``left`` or ``right`` is better, neither is (``same``), or one does not play
            (``broken``).
        seconds: From when the pair was shown to the answer.
        at: When, in UTC (ISO 8601).
    """

    trial: int = field(validator=validators.instance_of(int))
    left: str
    right: str
    answer: Said = field(validator=validators.in_(get_args(Said)))
    seconds: float = field(default=0.0, validator=[validators.ge(0), validators.lt(1e9)])
    at: str = ""


def rater_name(name: str) -> str:
    """The name, if it may name a file.

    Raises:
        InvalidInputError: It holds anything but letters, digits, ``-`` and ``_``.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"A rater's name has 1 to 40 letters, digits, '-' and '_', not {name!r}."
        )
    return name


@define
class RatingLog:
    """One person's answers: a file that only grows, a line per answer; the last of a trial counts.

    Use it as a context manager: while it is open, no other process writes the same person's
    answers.

    Attributes:
        folder: The study's.
        study: The study.
        rater: The person's name.
        number: The person's number, from 0: whose sides are mirrored.
        ratings: Latest answer by trial.
    """

    folder: Path
    study: Study
    rater: str = field(converter=rater_name)
    number: int = field(default=0, init=False)
    ratings: dict[int, Rating] = field(factory=dict, init=False)
    _lock: RunLock = field(init=False, repr=False)
    _writing: threading.Lock = field(factory=threading.Lock, init=False, repr=False)

    @_lock.default
    def _its_lock(self) -> RunLock:
        return RunLock(self.folder / ANSWERS / f"{self.rater}.lock")

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / ANSWERS / f"{self.rater}.jsonl"

    @property
    def trials(self) -> tuple[Trial, ...]:
        """What this person is shown."""
        return self.study.trials(self.number)

    def __enter__(self) -> Self:
        self._lock.acquire()
        try:
            if not self.path.exists():
                number = len(list(self.path.parent.glob("*.jsonl")))
                head = {"study": self.study.id, "rater": self.rater, "number": number}
                self._append(json.dumps(head))
            self._read(mend=True)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def add(self, rating: Rating) -> None:
        """Store an answer; it is on disk when this returns.

        Raises:
            InvalidInputError: No such trial, or other clips than it shows.
            StoreError: The disk is full or may not be written.
        """
        trials = self.trials
        if not 0 <= rating.trial < len(trials):
            raise InvalidInputError(f"There is no trial {rating.trial}: there are {len(trials)}.")
        trial = trials[rating.trial]
        if (rating.left, rating.right) != (trial.left, trial.right):
            raise InvalidInputError(f"Trial {rating.trial} shows other clips than this answer's.")
        with self._writing:
            self._append(json.dumps(to_json(rating)))
            self.ratings[rating.trial] = rating

    def _append(self, line: str) -> None:
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                before = file.tell()
                try:
                    file.write(line.encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(before)  # no half line for the next to be glued to
                    raise

    def _read(self, *, mend: bool) -> None:
        data = read_bytes(self.path) or b""
        whole = data[: data.rfind(b"\n") + 1]
        if mend and len(whole) < len(data):
            # The process was killed within a line; nobody was told that it is stored.
            with writing(self.path):
                os.truncate(self.path, len(whole))
        for place, line in enumerate(whole.splitlines(), 1):
            self._take(place, line)

    def _take(self, place: int, line: bytes) -> None:
        try:
            told = parse_json(line)
            if place == 1:
                if told["study"] != self.study.id:
                    raise StoreError(f"{self.path} belongs to another study, {told['study']}.")
                self.number = int(told["number"])
                return
            rating = from_json(told, Rating)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{self.path} is damaged in line {place}: {error}") from error
        self.ratings[rating.trial] = rating


def read_logs(folder: Path, study: Study) -> tuple[RatingLog, ...]:
    """Everybody's answers, in the order of their numbers; reads only.

    Raises:
        StoreError: A file is damaged or of another study.
    """
    logs = []
    for path in sorted((folder / ANSWERS).glob("*.jsonl")):
        log = RatingLog(folder, study, path.stem)
        log._read(mend=False)  # noqa: SLF001 - its own module
        logs.append(log)
    return tuple(sorted(logs, key=lambda log: log.number))


def add_csv(folder: Path, study: Study, path: Path) -> tuple[str, int]:
    """Take over the answers that a page gave as CSV.

    Answers that are there already are left out, so a file may be added twice.

    Returns:
        The rater's name, and how many answers are new.

    Raises:
        InvalidInputError: It is no such file, of another study, or a row does not fit; nothing of
            it is stored then.
    """
    rater, ratings = _read_csv(path, study)
    log = RatingLog(folder, study, rater)
    if not log.path.exists():
        raise InvalidInputError(
            f"{path} is by {rater!r}, for whom no page was written in {folder}: the sides that "
            "were shown are not known."
        )
    with log:
        _check_trials(ratings, log.trials, path)
        new = [one for one in ratings if log.ratings.get(one.trial) != one]
        for rating in new:
            log.add(rating)
    return rater, len(new)


def to_csv(rows: Iterable[Sequence[object]], columns: Sequence[str]) -> str:
    """CSV text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def now() -> str:
    """The time in UTC, to the millisecond."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")


def _read_csv(path: Path, study: Study) -> tuple[str, list[Rating]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            if tuple(table.fieldnames or ()) != COLUMNS:
                raise InvalidInputError(f"{path} must have the columns {', '.join(COLUMNS)}.")
            rows = list(enumerate(table, 2))
    except FileNotFoundError as error:
        raise InvalidInputError(f"There is no file {path}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"{path} is no CSV: {error}.") from error
    if not rows:
        raise InvalidInputError(f"{path} holds no answer.")
    raters = {row["rater"] for _, row in rows}
    if {row["study"] for _, row in rows} != {study.id} or len(raters) != 1:
        raise InvalidInputError(f"{path} is not one person's answers to the study {study.id}.")
    return rater_name(raters.pop()), [_row(path, line, row) for line, row in rows]


def _row(path: Path, line: int, row: Mapping[str, str]) -> Rating:
    try:
        return Rating(int(row["trial"]), row["left"], row["right"], row["answer"],  # type: ignore[arg-type]
                      float(row["seconds"]), row["at"])  # fmt: skip
    except (ValueError, TypeError) as error:
        raise InvalidInputError(f"Line {line} of {path} does not fit: {error}.") from error


def _check_trials(ratings: Sequence[Rating], trials: Sequence[Trial], path: Path) -> None:
    for one in ratings:
        fits = 0 <= one.trial < len(trials) and (one.left, one.right) == (
            trials[one.trial].left, trials[one.trial].right
        )  # fmt: skip
        if not fits:
            raise InvalidInputError(f"{path}: trial {one.trial} does not show these clips.")
