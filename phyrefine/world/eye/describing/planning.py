"""The eye's replies about a plan: what it predicts with times, and how a critique edits it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from phyrefine.world.eye.describing import sentences as storytelling
from phyrefine.world.eye.describing.phrases import FAULTS, STRESSED, STRESSED_THROW, say
from phyrefine.world.eye.describing.sentences import Cast
from phyrefine.world.eye.describing.timing import spans
from phyrefine.world.eye.measuring.case import Case, Finding

_LINE = re.compile(r"^(\d+)\. \[([\d.]+)-([\d.]+)\] (.+)$", re.MULTILINE)
# What holds from the seam to the end is no event.
_STANDING = frozenset({"whole"})


def predicted(roles: Cast, case: Case | None, seconds: float, domain: str) -> Mapping[str, Any]:
    """A reply to the prediction's schema with a plan; times are on the clock of the prefix.

    Args:
        roles: Who plays.
        case: The prefix, measured.
        seconds: Length of the continuation.
        domain: Physics domain.
    """
    told = storytelling.story(roles)
    known = spans(roles, case, seconds)
    seam = 0.0 if case is None else case.seam_time + case.step
    events = []
    for topic, sentence in told:
        if topic not in _STANDING:
            start, end = known.get(topic, (None, None))
            events.append({"what": sentence, "start": _on_clock(start, seam),
                           "end": _on_clock(end, seam)})  # fmt: skip
    return {
        "scene": storytelling.scene(case),
        "camera": "The camera is fixed.",
        "objects": [
            {"name": name, "material": "", "place": place, "motion": motion}
            for name, place, motion in storytelling.things(case)
        ],
        "domains": [domain],
        "laws": [],
        "events": events,
        "end": "",
        "unchanged": [sentence for topic, sentence in told if topic in _STANDING],
        "prediction": " ".join(sentence for _, sentence in told),
    }


def _on_clock(at: float | None, seam: float) -> float | None:
    return None if at is None else round(seam + at, 2)


def edits(
    roles: Cast, found: Sequence[Finding], again: frozenset[str], plan: str, case: Case
) -> list[Mapping[str, Any]]:
    """Changes of a plan, one for each finding: what was broken is said in stronger words.

    An event that stresses the same already is changed; else one is added in the time of the
    statement that was broken, or from the seam to the end where none was.

    Args:
        roles: Who plays.
        found: What is wrong.
        again: Topics of faults that an earlier version had too; they get other words.
        plan: Lines such as ``1. [3.0-3.6] The ball falls.``, on the clock of the video.
        case: The video, measured.
    """
    lines = [(int(n), float(a), float(b), what) for n, a, b, what in _LINE.findall(plan)]
    plain = dict(storytelling.story(roles))
    given: list[Mapping[str, Any]] = []
    for finding in found:
        wording = _words(finding, roles.kind)
        what = wording[finding.topic in again]
        old = next((line for line in lines if line[3] in wording), None)
        broken = plain.get(FAULTS[finding.topic][2])
        spot = next((line for line in lines if line[3] == broken), None)
        start, end = spot[1:3] if spot else (case.seam_time, float(case.times[-1]) + case.step)
        if old is not None:
            start, end = old[1:3]
        edit = {
            "action": "add" if old is None else "change",
            "event": None if old is None else old[0],
            "what": what,
            "start": round(start, 2),
            "end": round(end, 2),
        }
        if edit not in given:
            given.append(edit)
    return given


def _words(finding: Finding, kind: str) -> tuple[str, ...]:
    said = STRESSED[finding.topic]
    if kind == "throw":
        said = STRESSED_THROW.get(finding.topic, said)
    return tuple(say(words, finding.thing, finding.other) for words in said)
