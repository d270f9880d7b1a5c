"""OpenTelemetry spans, taken in by the real SDK."""

import pytest
from test_refiner import SCENE, Watcher, Writer

from phyrefine import SelfRefiner
from phyrefine.errors import RateLimitedError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.testing import MovingDot
from phyrefine.tracking.spans import Spans


@pytest.fixture
def exported():
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter, Spans(provider)


def refine(spans, vlm, run_dir=None):
    return SelfRefiner(
        vlm, Writer(), MovingDot(), convergence=MaxLoops(1), ensemble="last", listeners=[spans],
        run_dir=run_dir,
    ).refine(SCENE)  # fmt: skip


def test_scenario_attempts_and_calls_are_spans_of_one_trace(exported, tmp_path):
    exporter, spans = exported
    refine(spans, Watcher(), tmp_path)
    made = exporter.get_finished_spans()
    (root,) = (span for span in made if span.parent is None)
    assert root.name == "refine dot"
    assert root.attributes["phyrefine.stopped_by"] == "loop_limit"
    assert {span.context.trace_id for span in made} == {root.context.trace_id}
    below = [span for span in made if span.parent is not None]
    assert {span.parent.span_id for span in below} == {root.context.span_id}
    names = [span.name for span in below]
    assert names.count("generate") == 2
    assert names.count("critique") == 2
    assert [name for name in names if name.startswith("attempt")] == ["attempt 0", "attempt 1"]
    predict = next(span for span in below if span.name == "predict")
    assert predict.attributes["gen_ai.request.model"] == "watcher-1"
    assert predict.attributes["gen_ai.usage.input_tokens"] == 100
    assert all(root.start_time <= span.end_time <= root.end_time for span in below)
    assert not any("moves" in str(value) for span in made for value in span.attributes.values())
    exporter.clear()
    refine(spans, Watcher(), tmp_path)  # everything is in the store: no calls
    assert not [span for span in exporter.get_finished_spans() if span.name == "generate"]


def test_what_fails_is_marked_without_its_keys(exported):
    exporter, spans = exported
    refine(spans, Watcher(fail_at=2, error=RateLimitedError("key sk-spans0123456789abcdef")))
    made = exporter.get_finished_spans()
    failed = [span for span in made if not span.status.is_ok and span.status.description]
    assert {span.name for span in failed} == {"critique", "refine dot"}
    assert all("[hidden]" in span.status.description for span in failed)
    assert "sk-spans" not in " ".join(span.to_json() for span in made)
