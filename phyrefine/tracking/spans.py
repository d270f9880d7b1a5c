"""``Spans``: a listener that sends OpenTelemetry spans of scenarios, attempts and calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from phyrefine._optional import require
from phyrefine._secrets import scrub
from phyrefine.run.endings import failed

NANO = 1_000_000_000


class Spans:
    """Sends a span per scenario, and under it one per attempt and per call of a backend.

    Names and attributes are phyrefine's own (``phyrefine.stage``), beside the conventions for
    generative models where those have a name (``gen_ai.request.model``, ``gen_ai.usage.*``). No
    prompt, reply or clip is sent. Calls answered from the store are no calls.

    Args:
        tracer_provider: Where spans go; by default the program's own provider.

    Raises:
        MissingDependencyError: opentelemetry-api is not installed.
    """

    def __init__(self, tracer_provider: Any = None) -> None:
        self._trace: Any = require("opentelemetry.trace", extra="otel", feature="OpenTelemetry")
        self._tracer = self._trace.get_tracer("phyrefine", tracer_provider=tracer_provider)
        self._scenarios: dict[str, Any] = {}
        self._since: dict[str, int] = {}
        self._lock = threading.Lock()

    def on_event(self, event: str, details: Mapping[str, Any]) -> None:
        """Begin or end the span that an event is about."""
        key, now = str(details.get("scenario_id")), time.time_ns()
        with self._lock:
            if event == "started":
                name = scrub(str(details["scenario"]))
                self._scenarios[key] = self._tracer.start_span(
                    f"refine {name}", attributes={"phyrefine.scenario": name}, start_time=now
                )
                self._since[key] = now
            elif key in self._scenarios:
                self._below(event, details, key, now)

    def _below(self, event: str, details: Mapping[str, Any], key: str, now: int) -> None:
        if event == "call":
            usage = details["usage"]
            begun = now - int(usage.seconds * NANO)
            self._span(key, str(details["stage"]), begun, now, _call(details), details["error"])
        elif event == "attempt":
            attempt = details["attempt"]
            found = None if attempt.critique is None else len(attempt.critique.violations)
            told = {"position": details["position"], "loop": attempt.index, "violations": found}
            self._span(key, f"attempt {details['position']}", self._since[key], now, told, None)
            self._since[key] = now
        elif event == "refined":
            span, ending = self._scenarios.pop(key), details["refinement"].stopped_by
            del self._since[key]
            span.set_attribute("phyrefine.stopped_by", ending)
            if failed(ending):
                self._fail(span, details["refinement"].reason)
            span.end(end_time=now)

    def _span(
        self,
        key: str,
        name: str,
        begun: int,
        ended: int,
        told: Mapping[str, Any],
        error: str | None,
    ) -> None:
        parent = self._trace.set_span_in_context(self._scenarios[key])
        span = self._tracer.start_span(name, context=parent, start_time=begun)
        for attribute, value in told.items():
            if value is not None:
                whole = attribute if "." in attribute else f"phyrefine.{attribute}"
                span.set_attribute(whole, scrub(value) if isinstance(value, str) else value)
        if error:
            self._fail(span, error)
        span.end(end_time=ended)

    def _fail(self, span: Any, why: str) -> None:
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, scrub(why)))


def _call(details: Mapping[str, Any]) -> dict[str, Any]:
    usage = details["usage"]
    tokens = {f"gen_ai.usage.{kind}_tokens": count for kind, count in usage.tokens.items()}
    return {
        "stage": details["stage"], "backend": details["backend"], "usd": usage.usd,
        "clips": usage.clips or None, "together": details.get("together"),
        "gen_ai.request.model": details.get("model"), **tokens,
    }  # fmt: skip
