"""Well-formed replies for a loopback server, made from the request alone.

They know no physics. The same request gives the same reply, in this process or the next, so that
an interrupted run can be compared with an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import json
import re

from phyrefine.backends.loopback import Asked
from phyrefine.types import JSON

# A line of a plan: "- [0.0-0.6] The ball falls." or "- (camera) The camera is fixed."
_STATEMENT = re.compile(r"^- (?:\[[^\]]*\]|\(\w+\)) (.+)$", re.MULTILINE)


def rehearse(asked: Asked) -> str:
    """A reply that satisfies the schemas of ``refine/prompts``; echoes without a schema."""
    keys = set((asked.schema or {}).get("properties", {}))
    mark = hashlib.blake2b(
        repr((asked.text, asked.media)).encode(), digest_size=2
    ).hexdigest()  # fmt: skip
    for key, make in _REPLIES.items():
        if key in keys:
            return json.dumps(make(asked, mark))
    return f"I read {len(asked.text)} characters and {len(asked.media)} pictures ({mark})."


def _prediction(_: Asked, mark: str) -> JSON:
    return {
        "scene": f"A ball above a floor (take {mark}).",
        "domains": ["solid mechanics"],
        "events": [{"at": 3.5, "what": "the ball meets the floor"}],
        "prediction": "The ball falls faster and faster, meets the floor and bounces lower.",
    }


def _critique(_: Asked, mark: str) -> JSON:
    broken = {
        "law": "gravity",
        "what": f"the ball hangs in the air (take {mark})",
        "start": 3.2,
        "end": 4.0,
        "where": "ball",
        "severity": 0.6,
        "confidence": 0.7,
    }
    return {
        "observed": "The ball moves.",
        "moving": True,
        "violations": [broken] if int(mark, 16) % 3 else [],
        "corrected": f"The ball falls without hanging and bounces lower each time (take {mark}).",
    }


def _prompt(asked: Asked, _: str) -> JSON:
    if "<plan>" in asked.text:
        told = [_between(asked.text, "description"), *_STATEMENT.findall(asked.text)]
        return {"prompt": " ".join(told), "negative": ""}
    found = re.search(r"<physics_text>\s*(.*?)\s*</physics_text>", asked.text, re.DOTALL)
    words = (found.group(1) if found else asked.text).split()
    return {"prompt": " ".join(words[:40]), "negative": ""}


def _between(text: str, tag: str) -> str:
    found = re.search(rf"<{tag}>\s*(.*?)\s*</{tag}>", text, re.DOTALL)
    return found.group(1) if found else ""


def _score(_: Asked, mark: str) -> JSON:
    return {"score": int(mark, 16) % 11, "reason": "rehearsed"}


def _comparison(_: Asked, mark: str) -> JSON:
    return {"winner": "AB"[int(mark, 16) % 2], "reason": "rehearsed"}


def _ratings(asked: Asked, mark: str) -> JSON:
    keys = [key for key in (asked.schema or {}).get("properties", {}) if key != "reason"]
    drawn = int(mark, 16)
    return {"reason": "rehearsed"} | {
        key: 1 + drawn // 5**place % 5 for place, key in enumerate(keys)
    }


_REPLIES = {
    "pc": _ratings,
    "prediction": _prediction,
    "violations": _critique,
    "prompt": _prompt,
    "score": _score,
    "winner": _comparison,
}
