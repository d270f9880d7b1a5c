"""A VLM that measures pixels. It watches clips and reads words, and knows nothing else.

It follows what moves, fits its motion, and answers the questions of the method through the same
reply schemas as any other VLM. It errs as an eye errs, by noise and resolution, never by dice.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import evolve, frozen

from phyrefine.errors import RefusedError
from phyrefine.types import Answer, Question, Scenario, Usage
from phyrefine.video.clip import Clip
from phyrefine.world.eye import answering
from phyrefine.world.eye.checking.laws import check, unevenness
from phyrefine.world.eye.checking.permanence import moves
from phyrefine.world.eye.describing import planning
from phyrefine.world.eye.describing import sentences as storytelling
from phyrefine.world.eye.measuring.case import Case, Finding, open_case
from phyrefine.world.eye.measuring.following import unfollowable
from phyrefine.world.eye.measuring.tracking import Sight, look
from phyrefine.world.own_scenes import disclaimer
from phyrefine.world.wordings import Cues, part, part_seconds, read_cues

# Longer side of the measured picture and most frames measured: enough for tenths of a pixel.
_PIXELS = 320
_FRAMES = 128
_NAME = "world-eye"
# Scores closer than this are a tie.
_TIE = 0.3


@frozen
class WorldVLM:
    """Measures what moves in a clip and compares it with laws of motion.

    Attributes:
        sensitivity: Above 1 sees fainter things, and more noise.
    """

    sensitivity: float = 1.0

    @property
    def identity(self) -> str:
        """Name, version and settings."""
        return f"{_NAME}-4 sensitivity={self.sensitivity:g}"

    def ask(self, question: Question) -> Answer:
        """Answer a question of any stage; in JSON, or as a sentence if it has no schema.

        A ``sample`` above 0 is an independent look: other frames, another threshold.

        Raises:
            RefusedError: Asked for a grade of a clip that it cannot follow.
        """
        begin = time.perf_counter()
        cues = read_cues(part(question.text, "description"))
        reply = self._reply(question, cues)
        text = json.dumps(reply) if question.schema is not None else _prose(reply)
        usage = Usage(calls=1, seconds=time.perf_counter() - begin, usd=0.0)
        return Answer(text, _NAME, usage)

    def disclaimer(self, scenario: Scenario) -> str | None:
        """What a reader of a result must know; ``None`` for a scene of its own kind."""
        return disclaimer(scenario.prefix)

    def measure(self, clip: Clip, description: str = "", seam: float = 0.0) -> Case:
        """Everything that is measured in a clip, as the answers are made from it.

        Args:
            clip: What to look at.
            description: One line about the scene; it names the things.
            seam: Seconds at which the made part begins.
        """
        return self._case(clip, seam, 0, read_cues(description))

    def _reply(self, question: Question, cues: Cues) -> Mapping[str, Any]:
        if question.stage == "predict":
            return self._predict(question, cues)
        if question.stage == "critique":
            return self._critique(question, cues)
        if _asks_winner(question):
            return self._compare(question, cues)
        if _asks_for(question, "laws"):
            clip = question.clips[0] if question.clips else None
            filmed = self._case(clip, clip.duration, question.sample, cues) if clip else None
            return answering.plan(filmed, cues.kinds)
        if _asks_for(question, "answers"):
            return answering.answers(
                part(question.text, "questions"), *self._examine(question.clips[0], question, cues)
            )
        case, found = self._examine(question.clips[0], question, cues)
        if why := unfollowable(case, question.clips[0], question.seam):
            raise RefusedError(f"The embedded judge gives no grade to this clip: {why}.")
        score = _score(case, found)
        return {"score": round(score, 2), "reason": _reason(found)}

    def _predict(self, question: Question, cues: Cues) -> Mapping[str, Any]:
        clip = question.clips[0] if question.clips else None
        case = self._case(clip, clip.duration, question.sample, cues) if clip else None
        roles = storytelling.cast(cues, case)
        told = storytelling.story(roles)
        domain = storytelling.DOMAINS.get(roles.kind, "solid mechanics")
        if _asks_for(question, "objects"):
            return planning.predicted(roles, case, part_seconds(question.text), domain)
        return {
            "scene": storytelling.scene(case),
            "domains": [domain],
            "events": [{"at": None, "what": sentence} for _, sentence in told],
            "prediction": " ".join(sentence for _, sentence in told),
        }

    def _critique(self, question: Question, cues: Cues) -> Mapping[str, Any]:
        case, found = self._examine(question.clips[0], question, cues)
        again = storytelling.persisting(found, part(question.text, "violations"))
        roles = storytelling.cast(cues, case)
        reply: dict[str, Any] = {
            "observed": storytelling.observed(case),
            "moving": moves(case),
            "violations": [_violation(finding) for finding in found],
            "corrected": storytelling.corrected(roles, found, again),
        }
        if _asks_for(question, "edits"):
            reply["edits"] = planning.edits(roles, found, again, part(question.text, "plan"), case)
        return reply

    def _compare(self, question: Question, cues: Cues) -> Mapping[str, Any]:
        for clip in question.clips[:2]:
            case, _ = self._examine(clip, question, cues)
            if why := unfollowable(case, clip, question.seam):
                raise RefusedError(f"The embedded judge cannot compare these clips: {why}.")
        scores = [_score(*self._examine(clip, question, cues)) for clip in question.clips[:2]]
        if len(scores) < 2 or abs(scores[0] - scores[1]) < _TIE:
            return {"winner": "tie", "reason": "Both move equally well."}
        winner = "A" if scores[0] > scores[1] else "B"
        return {"winner": winner, "reason": f"{winner} keeps closer to how things move."}

    def _examine(self, clip: Clip, question: Question, cues: Cues) -> tuple[Case, list[Finding]]:
        case = self._case(clip, question.seam or 0.0, question.sample, cues)
        return case, check(case)

    def _case(self, clip: Clip, seam: float, sample: int, cues: Cues) -> Case:
        stride = -(-len(clip) // _FRAMES)
        # The seam must fall on the same instant whichever frames are looked at.
        shift = sample % stride
        sight = _see(_shown(clip, stride, shift), self._threshold(sample))
        offset = shift / clip.fps
        sight = evolve(sight, times=sight.times + offset)
        first = int(np.searchsorted(sight.times, seam - 1e-6))
        return open_case(sight, min(first, len(sight.times)), cues)

    def _threshold(self, sample: int) -> float:
        """Looks differ by a few percent in how faint a thing they still see."""
        sign = -1.0 if sample % 2 else 1.0
        return self.sensitivity * (1.0 + 0.08 * sign * ((sample + 1) // 2 % 3))


@functools.lru_cache(maxsize=4)
def _see(clip: Clip, sensitivity: float) -> Sight:
    return look(clip.frames, clip.fps, sensitivity=sensitivity)


def _shown(clip: Clip, stride: int, shift: int) -> Clip:
    small = clip
    if max(clip.size) > _PIXELS:
        scale = _PIXELS / max(clip.size)
        height, width = (max(8, round(side * scale)) for side in clip.size)
        small = clip.resize(height, width, mode="stretch")
    return Clip(small.frames[shift::stride], clip.fps / stride)


def _asks_winner(question: Question) -> bool:
    if question.schema is None:
        return len(question.clips) > 1
    return _asks_for(question, "winner")


def _asks_for(question: Question, key: str) -> bool:
    return question.schema is not None and key in question.schema.get("properties", {})


def _violation(finding: Finding) -> Mapping[str, Any]:
    law, what = storytelling.fault(finding)
    return {
        "law": law,
        "what": what,
        "start": round(finding.start, 2),
        "end": None if finding.end is None else round(finding.end, 2),
        "where": finding.thing,
        "severity": finding.severity,
        "confidence": finding.confidence,
    }


def _score(case: Case, found: list[Finding]) -> float:
    """10, less by each fault's weight and by how unevenly the motion keeps its own law.

    A fault weighs more the longer it lasts: what vanishes early spoils more than what does late.
    """
    kept = 10.0
    for finding in found:
        weight = finding.severity * finding.confidence * (0.4 + 0.6 * _share(case, finding))
        kept *= 1.0 - 0.85 * weight
    if not case.motions:
        return min(kept, 5.0)
    return max(0.0, kept - min(1.5, 5.0 * unevenness(case)))


def _share(case: Case, finding: Finding) -> float:
    """The part of the made clip that a fault takes up, 0..1."""
    last = float(case.times[-1])
    end = last if finding.end is None else finding.end
    return min(1.0, max(0.0, end - finding.start) / max(case.step, last - case.seam_time))


def _reason(found: list[Finding]) -> str:
    if not found:
        return "Nothing that was measured breaks a law of motion."
    worst = max(found, key=lambda finding: finding.severity * finding.confidence)
    return storytelling.fault(worst)[1]


def _prose(reply: Mapping[str, Any]) -> str:
    parts = [str(value) for value in reply.values() if isinstance(value, str) and value]
    return " ".join(parts) or "Nothing can be made out."
