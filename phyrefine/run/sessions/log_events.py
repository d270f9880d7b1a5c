"""What a run does, in the log: attempts and choices at INFO, single calls at DEBUG."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from attrs import frozen

log = logging.getLogger("phyrefine.run")


@frozen
class EventLog:
    """A listener that writes one line per event to the logger ``phyrefine.run``."""

    def on_event(self, event: str, details: Mapping[str, Any]) -> None:
        """Log the event; events it does not know are left out."""
        of = details.get("scenario") or "run"
        if event == "call":
            usage = details["usage"]
            failed = f" failed: {details['error']}" if details.get("error") else ""
            shared = f", its share of {details['together']}" if "together" in details else ""
            log.debug(
                "%s: %s call took %.2f s%s%s", of, details["stage"], usage.seconds, shared, failed
            )
        elif event == "started":
            log.info("%s: begins", of)
        elif event == "attempt":
            log.info("%s: %s", of, _attempt(details["attempt"]))
        elif event == "chosen":
            choice = details["choice"]
            log.info("%s: %s chose attempt %d: %s", of, choice.selector, choice.pick.attempt,
                     choice.reason)  # fmt: skip
        elif event == "refined":
            ended = details["refinement"]
            log.info("%s: ended by %s (%s)", of, ended.stopped_by, ended.reason)
            for said in ended.disclaimers:
                log.info("%s: %s", of, said)


def _attempt(attempt: Any) -> str:
    what = "the plain description" if attempt.baseline else f"loop {attempt.index}"
    found = attempt.critique
    judged = "no critique" if found is None else f"{len(found.violations)} violations"
    clips = f"{len(attempt.candidates)} clip{'' if len(attempt.candidates) == 1 else 's'}"
    return f"{what} gave {clips}, {judged}, {attempt.usage.seconds:.1f} s in backends"
