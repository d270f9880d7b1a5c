"""The Files API when it fails: the model goes on, and no question waits for what has just failed."""

import re
import threading

import pytest
from faulty_server import Script, asks

from phyrefine import errors
from phyrefine.backends.calling.pacing import _current_pacer
from phyrefine.backends.loopback import google_error
from phyrefine.testing import moving_clip
from phyrefine.types import Question

UPLOAD, POLL = r"POST /upload/.*", r"GET /v1/files/.*"
BUSY = google_error(503, "UNAVAILABLE", "busy")


def about(frames=16):
    return Question("critique", "Why?", "Look.", (moving_clip(frames),), ("video",))


def uploads(server):
    return [r for r in server.requests if re.fullmatch(UPLOAD, f"{r.method} {r.path}")]


def kinds(server, index=-1):
    return {kind for kind in ("fileData", "image/jpeg", "video/mp4") if kind in str(
        asks(server)[index].json)}  # fmt: skip


@pytest.mark.parametrize("fault", [BUSY, google_error(500, "INTERNAL", "no"),
                                   google_error(403, "PERMISSION_DENIED", "not enabled"),
                                   google_error(429, "RESOURCE_EXHAUSTED", "slow"),
                                   google_error(404, "NOT_FOUND", "no files here")])  # fmt: skip
def test_an_outage_of_uploads_leaves_the_model_alone(gemini, server, clock, fault):
    server.interfere = Script([fault], UPLOAD, forever=True)
    vlm = gemini(inline_bytes=100)
    answers = [vlm.ask(about(frames)) for frames in (8, 9, 10)]
    assert all(answer.text for answer in answers)
    assert len(asks(server)) == 3
    assert kinds(server) == {"image/jpeg"}
    # Only the first question tried, by its own few retries; the others did not wait at all.
    assert len(uploads(server)) <= 5
    assert sum(clock.waits) < 60
    assert _current_pacer(vlm._caller.pacer.key)._circuit.streak == 0


@pytest.mark.slow
@pytest.mark.parametrize("fault", [BUSY, google_error(404, "NOT_FOUND", "no such method")])
def test_a_poll_that_fails_is_an_upload_that_fails(gemini, server, clock, fault):
    server.processing_polls = 3
    server.interfere = Script([fault], POLL, forever=True)
    assert gemini(inline_bytes=100).ask(about()).text
    assert kinds(server) == {"image/jpeg"}
    assert sum(clock.waits) < 60
    with pytest.raises(errors.UploadError, match="Asking for files/") as caught:
        gemini(route="files", outage=0).ask(about())
    assert "knows no model" not in str(caught.value)
    assert server.alive == []


@pytest.mark.slow
def test_a_stuck_file_is_waited_for_once(gemini, server, clock):
    server.processing_polls = 10_000
    vlm = gemini(inline_bytes=100, processing_seconds=60)
    for frames in (8, 9, 10):
        assert vlm.ask(about(frames)).text
    assert len(uploads(server)) == 1
    assert 60 <= sum(clock.waits) < 75
    assert server.alive == []


@pytest.mark.slow
def test_with_files_only_a_stuck_file_is_uploaded_again_and_then_remembered(gemini, server, clock):
    server.processing_polls = 10_000
    vlm = gemini(route="files", processing_seconds=60)
    with pytest.raises(errors.UploadError, match="still processing a file after 60 s"):
        vlm.ask(about())
    assert len(uploads(server)) == 2
    waited = sum(clock.waits)
    with pytest.raises(errors.UploadError, match=r"Not tried again for \d+ s"):
        vlm.ask(about(9))
    assert (sum(clock.waits), len(uploads(server))) == (waited, 2)


@pytest.mark.slow
def test_after_some_minutes_uploads_are_tried_again(gemini, server, clock):
    server.interfere = Script([BUSY] * 5, UPLOAD)
    vlm = gemini(inline_bytes=100)
    vlm.ask(about(8))
    assert kinds(server) == {"image/jpeg"}
    clock.time += 700
    vlm.ask(about(9))
    assert kinds(server) == {"fileData", "video/mp4"}


@pytest.mark.slow
def test_a_file_that_cannot_be_used_is_remembered_for_its_clip_only(gemini, server):
    server.failed = "unsupported codec"
    vlm = gemini(inline_bytes=100)
    vlm.ask(about(8))
    assert len(uploads(server)) == 2  # as it is, and encoded anew
    vlm.ask(about(8))
    assert len(uploads(server)) == 2
    server.failed = None
    vlm.ask(about(9))
    assert kinds(server) == {"fileData", "video/mp4"}


@pytest.mark.slow
def test_workers_stop_waiting_when_one_finds_out(gemini, server):
    """Real threads and a short real deadline: all give up together, each question is answered."""
    from phyrefine.backends.calling.policy import SystemClock

    server.processing_polls = 10_000
    vlm = gemini(inline_bytes=100, processing_seconds=1.0, clock=SystemClock())
    answers = []

    def work(frames):
        answers.append(vlm.ask(about(frames)).text)

    threads = [threading.Thread(target=work, args=(frames,)) for frames in (8, 9, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 3
    assert all(answers)
    assert len(uploads(server)) <= 3
    vlm.close()
    assert server.alive == []
