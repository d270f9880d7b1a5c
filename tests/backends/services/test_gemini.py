"""Gemini: what goes over the wire, uploads and their end, rows 31 to 38."""

import base64
import gc
import io
import os
import re
import subprocess
import sys

import av
import pytest
from attrs import evolve
from faulty_server import Cut, HangUp, Script, asks
from kept_clients import Kept

from phyrefine import errors
from phyrefine.backends.gemini import GeminiLLM, GeminiVLM
from phyrefine.backends.gemini.request import thinking_config
from phyrefine.backends.loopback import Response, gemini_body, google_error
from phyrefine.testing import check_llm, check_vlm, moving_clip
from phyrefine.types import Question
from phyrefine.video.clip import Clip

SCHEMA = {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]}
CLIP = moving_clip(16)
QUESTION = Question("judge", "Score it.", "Be exact.", (CLIP,), ("video",), schema=SCHEMA)
UPLOAD = r"POST /upload/.*"
CHUNK = r"POST /upload-bytes/.*"
POLL = r"GET /v1/files/.*"
SCRIPT = """
import os
from phyrefine.backends.gemini import GeminiVLM
from phyrefine.testing import moving_clip
from phyrefine.types import Question
vlm = GeminiVLM("m", api_key="k", base_url=os.environ["URL"], route="files")
vlm.ask(Question("critique", "Why?", "", (moving_clip(8),), ("video",)))
"""


def config(server, index=-1):
    return asks(server)[index].json["generationConfig"]


def video(server, index=-1):
    parts = asks(server)[index].json["contents"][0]["parts"]
    return next(part for part in parts if "text" not in part)


def test_contracts(gemini, server):
    check_vlm(gemini())
    check_llm(gemini(kind=GeminiLLM))
    assert "inlineData" not in str(asks(server)[-1].json)


def test_an_inline_clip_keeps_its_frames_and_names_its_rate(gemini, server):
    seen = []
    server.reply = lambda asked: seen.append(asked) or '{"score": 3}'
    answer = gemini(fps=12, media_resolution="low").ask(QUESTION)
    assert answer.text == '{"score": 3}'
    (asked,) = seen
    assert (asked.text, asked.instruction, asked.schema) == ("Score it.", "Be exact.", SCHEMA)
    assert asked.fps == 8  # the clip has no more
    with av.open(io.BytesIO(asked.media[0][1])) as container:
        assert sum(1 for _ in container.decode(video=0)) == len(CLIP)
    body = asks(server)[0].json
    assert body["generationConfig"]["mediaResolution"] == "MEDIA_RESOLUTION_LOW"
    assert body["generationConfig"]["responseMimeType"] == "application/json"
    assert "text" in body["contents"][0]["parts"][-1]


def test_the_first_second_after_the_seam_is_shown_again_at_twice_the_rate(gemini, server):
    clip = moving_clip(96, fps=24.0)
    gemini(route="inline", fps=8).ask(evolve(QUESTION, clips=(clip,), seam=1.0))
    parts = asks(server)[-1].json["contents"][0]["parts"]
    whole, label, again = parts[:3]
    assert whole["videoMetadata"]["fps"] == 8
    assert "16 frames a second" in label["text"]
    assert "1.00 s of the video" in label["text"]
    assert again["videoMetadata"]["fps"] == 16
    back = Clip.from_bytes(base64.urlsafe_b64decode(again["inlineData"]["data"]))
    assert (len(back), back.fps) == (24, 24.0)


def test_nothing_is_sent_that_was_not_asked_for(gemini, server):
    gemini().ask(QUESTION)
    sent = set(config(server))
    assert sent == {"maxOutputTokens", "responseMimeType", "responseJsonSchema"}
    gemini(temperature=0.3, top_p=0.9, seed=4, thinking="low").ask(QUESTION)
    assert config(server)["temperature"] == 0.3
    assert config(server)["seed"] == 4


@pytest.mark.parametrize(
    ("model", "thinking", "sent"),
    [
        ("gemini-2.5-pro", "low", {"thinking_budget": 1024}),
        ("models/gemini-2.5-flash", 0, {"thinking_budget": 0}),
        ("gemini-3.8-flash", "low", {"thinking_level": "LOW"}),
        ("gemini-3.8-flash", 3000, {"thinking_level": "MEDIUM"}),
    ],
)
def test_thinking_by_family(model, thinking, sent):
    assert thinking_config(model, thinking) == sent


def test_two_clips_are_labelled(gemini, server):
    seen = []
    server.reply = lambda asked: seen.append(asked) or "{}"
    gemini().ask(Question("judge", "Which?", "", (CLIP, moving_clip(8)), ("A", "B")))
    assert seen[0].text == "Video A:\nVideo B:\nWhich?"
    assert len(seen[0].media) == 2


def test_still_frames_carry_their_times(gemini, server):
    seen = []
    server.reply = lambda asked: seen.append(asked) or "{}"
    gemini(route="frames", max_frames=5).ask(
        Question("critique", "Why?", "", (CLIP,), ("video",), 1.0)
    )
    times = [float(t) for t in re.findall(r"^(\d+\.\d\d) s$", seen[0].text, re.MULTILINE)]
    assert len(times) == len(seen[0].media) == 5
    assert times[0] == 0
    assert {0.88, 1.0} <= set(times)
    assert {kind for kind, _ in seen[0].media} == {"image/jpeg"}


@pytest.mark.slow
def test_one_upload_serves_several_questions_and_ends_with_the_client(gemini, server):
    server.processing_polls = 2
    vlm = gemini(route="files")
    vlm.ask(QUESTION)
    vlm.ask(Question("critique", "Look again.", "", (CLIP,), ("video",)))
    assert len([r for r in server.requests if re.fullmatch(UPLOAD, f"{r.method} {r.path}")]) == 1
    assert video(server)["fileData"]["file_uri"].endswith(server.alive[0])
    assert len(server.alive) == 1
    vlm.close()
    assert server.alive == []


@pytest.mark.slow
def test_uploads_end_with_the_last_reference(server, genai_client, clock):
    client = Kept(genai_client)
    vlm = GeminiVLM(
        "m", api_key="k", client=client, base_url=server.url, route="files", clock=clock
    )
    vlm.ask(QUESTION)
    assert len(server.alive) == 1
    del vlm
    gc.collect()
    assert server.alive == []


@pytest.mark.slow
def test_uploads_end_with_the_process(server):
    """A script that ends without closing anything, and one that ends by an error."""
    for last in ("", "raise SystemExit(3)"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT + last], env={**os.environ, "URL": server.url},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (3 if last else 0, "")
        assert [r.method for r in server.requests if "/files/" in r.path] == ["DELETE"]
        assert server.alive == []
        server.requests.clear()


def test_a_failed_question_leaves_no_file(gemini, server):
    server.interfere = Script([google_error(400, "INVALID_ARGUMENT", "no")])
    with pytest.raises(errors.BadRequestError):
        gemini(route="files").ask(QUESTION)
    assert server.alive == []


@pytest.mark.slow
def test_only_the_last_few_files_are_kept(gemini, server):
    vlm = gemini(route="files")
    vlm._uploads.recent.most = 2
    for frames in (8, 9, 10):
        vlm.ask(Question("critique", "Why?", "", (moving_clip(frames),), ("video",)))
    assert len(server.alive) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("play", "on"),
    [
        (google_error(503, "UNAVAILABLE", "busy"), UPLOAD),
        (HangUp(), UPLOAD),
        (HangUp(reset=True), CHUNK),
        (Cut(Response({"file": {}}, headers={"x-goog-upload-status": "final"})), CHUNK),
        (Response({}), UPLOAD),  # no upload URL in the answer
        (google_error(503, "UNAVAILABLE", "busy"), POLL),
    ],
    ids=["start-503", "start-closed", "chunk-reset", "chunk-cut", "no-url", "poll-503"],
)
def test_34_a_broken_upload_starts_again_from_zero(gemini, server, play, on):
    server.processing_polls = 1
    server.interfere = Script([play], on)
    vlm = gemini(route="files")
    assert vlm.ask(QUESTION).text
    assert len(server.alive) == 1
    assert server.files[server.alive[0]].data[4:8] == b"ftyp"
    vlm.close()
    assert server.alive == []


def test_34_a_lost_last_answer_leaves_no_file(gemini, server):
    """The bytes arrived and the file exists, but the answer that names it was cut off."""
    done = []

    def finish_then_cut(request):
        done.append(request.path.rpartition("/")[2])
        server.files[done[0]].state = "ACTIVE"
        return Cut(Response({"file": {"name": f"files/{done[0]}"}, "pad": "x" * 999}))

    server.interfere = Script([finish_then_cut], CHUNK)
    vlm = gemini(route="files")
    vlm.ask(QUESTION)
    assert done[0] not in server.files
    vlm.close()
    assert server.alive == []


@pytest.mark.slow
def test_34_uploads_that_never_work(gemini, server):
    def never(request):
        return google_error(503, "UNAVAILABLE", "busy")

    server.interfere = Script([never], UPLOAD, forever=True)
    with pytest.raises(errors.UploadError, match="MB failed") as caught:
        gemini(route="files").ask(QUESTION)
    assert caught.value.attempts == 5
    assert server.alive == []
    assert gemini(route="auto", inline_bytes=100).ask(QUESTION).text
    assert {kind for kind, _ in _media(server)} == {"image/jpeg"}


def _media(server):
    parts = asks(server)[-1].json["contents"][0]["parts"]
    blobs = [part["inlineData"] for part in parts if "inlineData" in part]
    return [(blob.get("mime_type") or blob.get("mimeType"), blob["data"]) for blob in blobs]


@pytest.mark.slow
def test_35_a_file_that_stays_in_processing(gemini, server, clock):
    server.processing_polls = 10_000
    with pytest.raises(errors.UploadError, match="still processing a file after 300 s"):
        gemini(route="files").ask(QUESTION)
    starts = [r for r in server.requests if re.fullmatch(UPLOAD, f"{r.method} {r.path}")]
    assert len(starts) == 2
    assert clock.waits[:4] == [1, 1.5, 2.25, 3.375]
    assert max(clock.waits) == 10
    assert 600 <= sum(clock.waits) < 640
    assert (asks(server), server.alive) == ([], [])


@pytest.mark.slow
def test_36_a_failed_file_is_encoded_anew_then_sent_otherwise(gemini, server):
    server.failed = "unsupported codec"
    with pytest.raises(errors.UploadError, match="unsupported codec"):
        gemini(route="files").ask(QUESTION)
    assert server.alive == []
    assert gemini(route="auto", inline_bytes=100).ask(QUESTION).text
    assert server.alive == []
    assert asks(server)


@pytest.mark.slow
@pytest.mark.parametrize("status", [403, 404])
def test_37_a_file_that_is_gone_is_uploaded_again(gemini, server, status):
    vlm = gemini(route="files")
    vlm.ask(QUESTION)
    server.files.clear()
    if status == 404:
        gone = google_error(404, "NOT_FOUND", "File x not found")
        server.interfere = Script([gone])
    assert vlm.ask(QUESTION).text
    assert len(asks(server)) == 3


def test_38_a_delete_that_fails_is_no_fault(gemini, server, caplog):
    vlm = gemini(route="files")
    vlm.ask(QUESTION)
    server.interfere = Script([google_error(500, "INTERNAL", "no")], r"DELETE .*", forever=True)
    with caplog.at_level("DEBUG", logger="phyrefine"):
        vlm.close()
    assert "could not delete" in caplog.text


def test_the_route_follows_the_size(gemini, server):
    gemini(route="auto", inline_bytes=100).ask(QUESTION)
    assert "fileData" in video(server)
    gemini(route="auto").ask(QUESTION)
    assert "inlineData" in video(server)


def test_32_too_large_inline_goes_as_a_file(gemini, server):
    server.interfere = Script([google_error(413, "INVALID_ARGUMENT", "payload size exceeds")])
    assert gemini().ask(QUESTION).text
    assert "inlineData" in video(server, 0)
    assert "fileData" in video(server, 1)


def test_32_too_many_tokens_halve_the_rate(gemini, server):
    long = google_error(400, "INVALID_ARGUMENT", "input token count exceeds the maximum")
    server.interfere = Script([long])
    gemini(route="inline").ask(QUESTION)
    rates = [video(server, index)["videoMetadata"]["fps"] for index in (0, 1)]
    assert rates == [8, 4]
    assert config(server)["mediaResolution"] == "MEDIA_RESOLUTION_LOW"


def test_20_another_seed_after_recitation(gemini, server):
    body = gemini_body("", "gemini-test", finishReason="RECITATION")
    server.interfere = Script([Response(body)])
    gemini(seed=5).ask(QUESTION)
    assert [config(server, index)["seed"] for index in (0, 1)] == [5, 1005]


def test_22_the_limit_doubles_once(gemini, server):
    body = gemini_body("half", "gemini-test", finishReason="MAX_TOKENS")
    server.interfere = Script([Response(body)], forever=True)
    with pytest.raises(errors.TruncatedError) as caught:
        gemini(max_tokens=300).ask(QUESTION)
    assert [config(server, index)["maxOutputTokens"] for index in (0, 1)] == [300, 600]
    assert caught.value.partial == "half"


def test_31_another_model_answers(gemini, server):
    server.interfere = Script([Response(gemini_body("{}", "gemini-3.8-flash"))])
    vlm = gemini("gemini-2.5-pro")
    with pytest.warns(UserWarning, match=r"gemini-3.8-flash answered.*2026-12-01"):
        answer = vlm.ask(QUESTION)
    assert answer.model == "gemini-3.8-flash"
    assert vlm.ask(QUESTION).model == "gemini-2.5-pro"


def test_33_what_is_not_taken_is_remembered(gemini, server, caplog):
    no = google_error(400, "INVALID_ARGUMENT", "Unknown name 'responseJsonSchema'")
    server.interfere = Script([no])
    vlm = gemini()
    vlm.ask(QUESTION)
    vlm.ask(QUESTION)
    assert len(asks(server)) == 3
    assert "responseJsonSchema" not in config(server)
    assert '"required":["score"]' in str(asks(server)[-1].json["systemInstruction"])
    assert caplog.text.count("does not take schema") == 1


def test_usage_has_disjoint_kinds(gemini, server):
    body = gemini_body("{}", "gemini-test")
    body["usageMetadata"] = {
        "promptTokenCount": 100, "cachedContentTokenCount": 30, "candidatesTokenCount": 7,
        "thoughtsTokenCount": 50, "totalTokenCount": 157,
    }  # fmt: skip
    server.interfere = Script([Response(body)])
    usage = gemini().ask(QUESTION).usage
    assert usage.tokens == {"input": 70, "output": 7, "thinking": 50, "cached": 30}


def test_thoughts_are_left_out(gemini, server):
    parts = [{"text": "hm, let me see", "thought": True}, {"text": '{"score": 1}'}]
    body = gemini_body("", "gemini-test", content={"role": "model", "parts": parts})
    server.interfere = Script([Response(body)])
    assert gemini().ask(QUESTION).text == '{"score": 1}'


def test_options_are_checked_before_anything_is_sent(server):
    for wrong in ({"fps": 30}, {"route": "pigeon"}, {"media_resolution": "huge"},
                  {"thinking": "hard"}, {"max_tokens": 0}, {"timeout": 0}):  # fmt: skip
        with pytest.raises(errors.InvalidInputError):
            GeminiVLM(api_key="k", base_url=server.url, **wrong)
    with pytest.raises(errors.AuthError, match="GOOGLE_API_KEY or GEMINI_API_KEY"):
        GeminiVLM()
    assert server.requests == []


def test_identity_names_what_changes_the_output(gemini):
    plain = gemini().identity
    assert gemini(route="inline").identity == plain
    others = [gemini(**o).identity for o in ({"fps": 4}, {"seed": 1}, {"route": "frames"})]
    assert len({plain, *others}) == 4
    assert "key" not in plain
