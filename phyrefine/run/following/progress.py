"""Where a run stands: plain values, and what each event changes in them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import define, field, frozen

from phyrefine.run.endings import ended_well, failed
from phyrefine.run.results import VIDEOS, video_name

State = Literal["waiting", "running", "done", "stopped", "failed"]
Kind = Literal["run", "benchmark", "sweep", "runs"]


@frozen
class SeenClip:
    """A clip that was made.

    Attributes:
        digest: Its name in the store.
        scenario: Folder name of its scenario.
        name: Name of its scenario.
        position: Of its attempt in the refinement.
        candidate: Of the clip in its attempt.
        prompt: What it was made from.
        violations: How many the critic found in it; ``None`` if it was not asked.
        folder: The run folder.
        time: When its attempt was finished.
    """

    digest: str
    scenario: str
    name: str
    position: int
    candidate: int
    prompt: str
    violations: int | None
    folder: Path
    time: dt.datetime | None = None

    @property
    def file(self) -> Path | None:
        """Where one can look at it: the video of a finished scenario, else the lossless frames."""
        video = video_name(self.position, self.candidate)
        shown = self.folder / "scenarios" / self.scenario / VIDEOS / video
        kept = self.folder / "store" / "clips" / self.digest[:2] / f"{self.digest}.mkv"
        return next((path for path in (shown, kept) if path.exists()), None)


@frozen
class Failure:
    """A call that failed, or a worker of a cluster that was lost: in words, and when."""

    words: str
    time: dt.datetime | None


@define
class ScenarioProgress:
    """One scenario.

    Attributes:
        name: As it was given, or its folder's name.
        state: ``waiting``, ``running``, ``done`` (a rule ended it), ``stopped`` (by a budget or a
            user) or ``failed``.
        attempts: Finished attempts.
        violations: In the last attempt that was judged.
        now: Stage of its last call while it is running.
        ending: ``Refinement.stopped_by``, when it has ended.
        reason: In words.
    """

    name: str
    state: State = "waiting"
    attempts: int = 0
    violations: int | None = None
    now: str = ""
    ending: str = ""
    reason: str = ""


@define
class Spent:
    """What all calls took that the journals tell of, those of earlier starts included.

    Attributes:
        calls: Calls, failed ones too.
        failed_calls: Of these, failed.
        clips: Clips made.
        tokens: Tokens of all kinds.
        gpu_seconds: Seconds inside video generators on a GPU.
        usd: US dollars of calls whose price is known.
        unpriced: Calls whose price is not known.
    """

    calls: int = 0
    failed_calls: int = 0
    clips: float = 0.0
    tokens: int = 0
    gpu_seconds: float = 0.0
    usd: float = 0.0
    unpriced: int = 0

    def add(self, usage: Mapping[str, Any], *, error: bool) -> None:
        """Count one call."""
        self.calls += int(usage.get("calls", 1))
        self.failed_calls += error
        self.clips += float(usage.get("clips", 0.0))
        self.tokens += sum((usage.get("tokens") or {}).values())
        self.gpu_seconds += float(usage.get("gpu_seconds", 0.0))
        usd = usage.get("usd", 0.0)
        if usd is None:
            self.unpriced += 1
        else:
            self.usd += usd


@define
class RunProgress:
    """Where one run folder stands.

    Attributes:
        folder: The run folder.
        planned: Scenarios that were asked for, where that is known.
        scenarios: By folder name, in the order they began.
        spent: What its calls took.
        generators: (busy, all) by journal, where known.
        clips: The latest clips, the newest last.
        errors: The latest failed calls and lost workers, the newest last.
        begun: When it was opened for the first time.
        changed: When the last event came.
        unread: Events that could not be understood, such as those of another version.
    """

    folder: Path
    planned: int | None = None
    scenarios: dict[str, ScenarioProgress] = field(factory=dict)
    spent: Spent = field(factory=Spent)
    generators: dict[str, tuple[int, int]] = field(factory=dict)
    clips: list[SeenClip] = field(factory=list)
    errors: list[Failure] = field(factory=list)
    begun: dt.datetime | None = None
    changed: dt.datetime | None = None
    unread: int = 0

    def hear(self, journal: str, event: Mapping[str, Any], *, keep: int) -> None:
        """Take in one event; one that is not as this version writes it is counted and left out.

        Args:
            journal: Name of the journal it stands in.
            event: As it was written.
            keep: How many clips and errors to remember.
        """
        try:
            self._hear(journal, event, keep)
        except (KeyError, TypeError, ValueError, AttributeError):
            self.unread += 1

    def _hear(self, journal: str, event: Mapping[str, Any], keep: int) -> None:
        kind = event.get("event")
        self.changed = _time(event.get("time")) or self.changed
        if kind == "opened":
            self.begun = self.begun or self.changed
            self.generators.pop(journal, None)
        elif kind == "closed":
            self.generators.pop(journal, None)
        elif kind == "planned":
            names = event.get("scenarios") or {}
            self.planned = max(self.planned or 0, len(names))
            for key, name in names.items():
                self.scenarios.setdefault(key, ScenarioProgress(name or key))
        elif kind == "generators":
            self.generators[journal] = int(event["busy"]), int(event["all"])
        elif kind == "worker":
            if event["state"] in ("lost", "given up"):
                told = f"worker {event['worker']} is {event['state']}: {event.get('why', '')}"
                self.errors = [*self.errors, Failure(told, self.changed)][-keep:]
        elif kind == "call":
            self._call(event, keep)
        elif "scenario_id" in event:
            self._of_scenario(event, keep)

    def _call(self, event: Mapping[str, Any], keep: int) -> None:
        error = event.get("error")
        self.spent.add(event.get("usage") or {}, error=bool(error))
        if error:
            told = f"{event.get('scenario', '')} {event.get('stage', '')}: {error}".strip()
            self.errors = [*self.errors, Failure(told, self.changed)][-keep:]
        one = self.scenarios.get(str(event.get("scenario_id")))
        if one is not None and one.ending in ("", "interrupted"):
            one.state, one.ending, one.now = "running", "", str(event.get("stage", ""))

    def _of_scenario(self, event: Mapping[str, Any], keep: int) -> None:
        key = str(event["scenario_id"])
        one = self.scenarios.setdefault(key, ScenarioProgress(str(event.get("scenario") or key)))
        kind = event["event"]
        if kind == "started":
            one.state, one.attempts, one.ending, one.reason = "running", 0, "", ""
        elif kind == "attempt":
            one.attempts = int(event["position"]) + 1
            critique = event["attempt"].get("critique")
            if critique is not None:
                one.violations = len(critique["violations"])
            self.clips = [*self.clips, *_clips(event, key, one.name, self.folder)][-keep:]
        elif kind == "refined":
            ended = event["refinement"]
            one.ending, one.reason = str(ended["stopped_by"]), str(ended.get("reason", ""))
            one.state = state_of(one.ending)


def state_of(ending: str) -> State:
    """The state that ``Refinement.stopped_by`` stands for."""
    return "done" if ended_well(ending) else "failed" if failed(ending) else "stopped"


def _clips(event: Mapping[str, Any], key: str, name: str, folder: Path) -> list[SeenClip]:
    attempt = event["attempt"]
    critique = attempt.get("critique")
    return [
        SeenClip(
            candidate["clip"]["clip"],
            key,
            name,
            int(event["position"]),
            number,
            attempt["prompt"]["text"],
            len(critique["violations"]) if critique is not None and number == 0 else None,
            folder,
            _time(event.get("time")),
        )
        for number, candidate in enumerate(attempt["candidates"])
    ]


def _time(text: object) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
