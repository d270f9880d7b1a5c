"""Every fault a model client must survive, played over the wire to the real SDKs.

A case says what the server does, and what must come of it: an answer or an error class, the waits
in between (on a fake clock, jitter one half), and how many requests were made. Cases carry the
number of their row; rows whose outcome shows elsewhere are tested there:

====  =====================================  ==================================================
row   fault                                  test
====  =====================================  ==================================================
1     429 with Retry-After                   1-retry-after, -ms; test_calling.TestRateLimit
2     429, wait in the body                  2-retry-info
3     429 without a hint                     3-429-no-hint
4     wait longer than the budget            4-wait-too-long
5     quota gone                             5-insufficient-quota, -per-day, -402, -billing
6     500, 502, 503, 504, 529, 408, 409      6-*; test_calling.TestCircuit
7     502 with an HTML page                  7-502-html
8     200 with HTML                          8-200-html-once, 8-200-html
9     200, truncated JSON                    9-truncated-json, 9-truncated-forever
10    200, empty body or {}                  10-*
11    200 with {"error": ...}                11-*
12    connection refused, DNS                test_12_nobody_listens, test_12_no_such_host
13    reset or closed before the answer      13-*
14    reset mid-body                         14-reset-mid-body
15    no answer                              15-hang, 15-hang-forever
16    a byte now and then                    16-trickle, 16-trickle-forever
17    invalid UTF-8                          17-invalid-utf8
18    prompt blocked                         18-*
19    output blocked                         19-*
20    RECITATION, OTHER, unknown reasons     20-*; test_gemini.test_20_*
21    refusal                                21-refusal; test_openai.test_21_*
22    truncated                              22-*; test_gemini and test_openai.test_22_*
23    thinking used the whole limit          23-*
24    JSON in disguise                       test_whole_api_runs.test_24_*; refine/test_replies
25    JSON of the wrong shape                test_whole_api_runs.test_25_*; refine/test_replies
26    server ignores response_format         test_openai.test_26_*
27    rewritten prompt with chatter, ...     test_whole_api_runs.test_27_*; refine/test_dialect
28    runaway output                         test_openai.test_28_*
29    invalid or missing key                 29-*; options tests of test_gemini, test_openai
30    403 no access                          30-no-access
31    404; another model answers             31-unknown-model; test_31_* of both
32    too long, too large, too many          32-*; test_32_* of both
33    parameter not taken                    33-*; test_33_* of both
34    upload start or chunk fails            test_gemini.test_34_*
35    file stays in processing               test_gemini.test_35_*
36    file failed                            test_gemini.test_36_*
37    file gone                              test_gemini.test_37_*
38    delete fails                           test_gemini.test_38_*
39    local file missing, empty, no video    video/test_files (before any call)
40    Ctrl-C during a wait                   test_calling.TestCtrlC
41    disk full, kill -9                     run/test_disk, run/test_kill, test_killed_api_runs
====  =====================================  ==================================================
"""

import socket

import pytest
from attrs import field, frozen
from faulty_server import Cut, Hang, HangUp, Script, Trickle, asks

from phyrefine import errors
from phyrefine.backends.loopback import (
    Response,
    chat_body,
    gemini_body,
    google_error,
    openai_error,
)
from phyrefine.testing import moving_clip
from phyrefine.types import Question

BOTH = ("gemini", "openai")
HTML = b"<html><head><script>var a=1</script></head><body><h1>Please log in</h1></body></html>"
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}
PER_DAY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}],
}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
QUESTION = Question("critique", "What moves?", "Be exact.", (moving_clip(8),), ("video",))


def status(number, message="busy", *, headers=None, **fields):
    """An error answer in the API's own dialect."""

    def play(request):
        if "generateContent" in request.path:
            return google_error(number, "UNKNOWN", message, headers=headers)
        return openai_error(number, message, headers=headers, **fields)

    return play


def said(text="fine", **more):
    """A regular answer with parts of it replaced."""

    def play(request):
        if "generateContent" in request.path:
            return Response(gemini_body(text, "gemini-test", **more))
        return Response(chat_body(text, "gpt-test", **more))

    return play


def thought(request):
    """The whole limit went to thinking."""
    if "generateContent" in request.path:
        body = gemini_body("", "gemini-test", content={"role": "model"}, finishReason="MAX_TOKENS")
        body["usageMetadata"]["thoughtsTokenCount"] = 512
    else:
        body = chat_body("", "gpt-test", finish_reason="length")
        body["usage"]["completion_tokens_details"] = {"reasoning_tokens": 512}
    return Response(body)


@frozen
class Case:
    """One row: faults in, outcome out."""

    row: int
    name: str
    plays: list
    requests: int
    apis: tuple = BOTH
    error: type | None = None
    says: tuple = ()
    waits: tuple = ()
    forever: bool = False
    options: dict = field(factory=dict)

    def __str__(self):
        return f"{self.row}-{self.name}"


HINT = {"Retry-After": "17"}
PASSED = (
    Case(1, "retry-after", [status(429, headers=HINT)], 2, waits=(17.85,)),
    Case(1, "retry-after-ms", [status(429, headers={"retry-after-ms": "1500"})], 2, waits=(1.575,)),
    Case(2, "retry-info", [google_error(429, "RESOURCE_EXHAUSTED", "slow", RETRY_INFO)], 2,
         ("gemini",), waits=(17.85,)),
    Case(3, "429-no-hint", [status(429), status(429)], 3, waits=(0.525, 1.05)),
    Case(6, "500", [status(500)], 2, waits=(0.5,)),
    Case(6, "502-503-504", [status(502), status(503), status(504)], 4, waits=(0.5, 1, 2)),
    Case(6, "529", [status(529)], 2, waits=(0.5,)),
    Case(6, "408", [status(408)], 2, waits=(0.5,)),
    Case(6, "409", [status(409)], 2, waits=(0.5,)),
    Case(6, "503-exhausted",
         [google_error(503, "RESOURCE_EXHAUSTED", "overloaded", RETRY_INFO)], 2, ("gemini",),
         waits=(17.85,)),
    Case(8, "200-html-once", [Response(HTML, kind="text/html")], 2, waits=(0.5,)),
    Case(9, "truncated-json", [Response(b'{"candidates": [{"con')], 2),
    Case(10, "empty-body", [Response(b"")], 2, waits=(0.5,)),
    Case(10, "empty-object", [Response({}), Response({})], 3, waits=(0.5, 1)),
    Case(11, "error-under-200", [Response({"error": {"code": 429, "message": "slow"}})], 2,
         waits=(0.525,)),
    Case(13, "closed", [HangUp()], 2),
    Case(13, "reset-twice", [HangUp(reset=True), HangUp(reset=True)], 3, waits=(1,)),
    Case(14, "reset-mid-body", [Cut(Response({"pad": "x" * 4000}))], 2),
    Case(15, "hang", [Hang()], 2, options={"timeout": 0.3}, waits=(0.5,)),
    Case(16, "trickle", [Trickle()], 2, options={"timeout": 0.3}, waits=(0.5,)),
    Case(17, "invalid-utf8", [Response(b'{"error": "\xff\xfe\xfa')], 2),
    Case(19, "output-blocked-once", [said("", finishReason="SAFETY", finish_reason="content_filter")],
         2, waits=(0.5,)),
    Case(20, "recitation-once", [said("", finishReason="RECITATION")], 2, ("gemini",)),
    Case(22, "cut-once", [said("half an ans", finishReason="MAX_TOKENS", finish_reason="length")], 2),
    Case(23, "thinking-once", [thought], 2),
    Case(32, "413-once", [status(413, "Request too large")], 2),
    Case(32, "too-long-once", [status(400, "This model's maximum context length is 99 tokens")], 2),
    Case(33, "temperature", [status(400, "temperature is not supported")], 2,
         options={"temperature": 0.2}),
    Case(33, "seed-422", [status(422, "Extra inputs are not permitted: seed")], 2,
         options={"seed": 1}),
    Case(33, "seed-500", [status(500, "create() got an unexpected keyword 'seed'")], 2,
         options={"seed": 1}),
)  # fmt: skip

FAILED = (
    Case(4, "wait-too-long", [status(429, headers={"Retry-After": "3600"})], 1,
         error=errors.RateLimitedError, says=("asked to wait 3600 s", "budget 300 s")),
    Case(5, "insufficient-quota", [status(429, "no credit", code="insufficient_quota")], 1,
         ("openai",), errors.QuotaExceededError, ("used up", "billing")),
    Case(5, "per-day", [google_error(429, "RESOURCE_EXHAUSTED", "quota", PER_DAY, RETRY_INFO)], 1,
         ("gemini",), errors.QuotaExceededError, ("PerDay", "midnight Pacific")),
    Case(5, "402", [status(402, "Payment required")], 1, error=errors.QuotaExceededError),
    Case(5, "billing", [google_error(400, "FAILED_PRECONDITION", "enable billing")], 1,
         ("gemini",), errors.QuotaExceededError, ("enable billing",)),
    Case(6, "503-forever", [status(503)], 5, error=errors.OverloadedError,
         waits=(0.5, 1, 2, 4), forever=True),
    Case(7, "502-html", [Response(HTML, 502, kind="text/html")], 5, error=errors.ServerFaultError,
         says=("502", "Please log in"), waits=(0.5, 1, 2, 4), forever=True),
    Case(8, "200-html", [Response(HTML, kind="text/html")], 2, error=errors.ServerFaultError,
         says=("Not an API answer (text/html)", "base_url"), waits=(0.5,), forever=True),
    Case(9, "truncated-forever", [Response(b'{"candidates": [')], 5,
         error=errors.ConnectionFaultError, says=("cut off",), waits=(1, 2, 4), forever=True),
    Case(10, "empty-forever", [Response({})], 3, error=errors.ServerFaultError,
         says=("empty answer",), waits=(0.5, 1), forever=True),
    Case(11, "key-under-200", [Response({"error": {"code": 401, "message": "no"}})], 1,
         error=errors.AuthError, says=("401",)),
    Case(15, "hang-forever", [Hang()], 2, error=errors.BackendTimeoutError, forever=True,
         options={"timeout": 0.2, "max_retries": 1}, waits=(0.5,)),
    Case(16, "trickle-forever", [Trickle()], 2, error=errors.BackendTimeoutError, forever=True,
         says=("complete answer",), options={"timeout": 0.2}, waits=(0.5,)),
    Case(18, "prompt-blocked",
         [Response({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})], 1, ("gemini",),
         errors.BlockedError, ("PROHIBITED_CONTENT",)),
    Case(18, "prompt-blocked-400",
         [status(400, "flagged by the content policy", code="content_policy_violation")], 1,
         ("openai",), errors.BlockedError, ("content policy",)),
    Case(19, "output-blocked", [said("", finishReason="SAFETY", finish_reason="content_filter")],
         2, error=errors.BlockedError, waits=(0.5,), forever=True),
    Case(20, "unheard-of", [said("", finishReason="COSMIC_RAYS")], 3, ("gemini",),
         errors.BadOutputError, ("COSMIC_RAYS",), forever=True),
    Case(20, "malformed", [said("", finishReason="MALFORMED_RESPONSE")], 3, ("gemini",),
         errors.BadOutputError, ("MALFORMED_RESPONSE",), forever=True),
    Case(21, "refusal", [said(None, message={"refusal": "I can't help with that."})], 1,
         ("openai",), errors.RefusedError, ("I can't help",)),
    Case(22, "cut-forever",
         [said("half an ans", finishReason="MAX_TOKENS", finish_reason="length")], 2,
         error=errors.TruncatedError, says=("max_tokens=1024",), forever=True,
         options={"max_tokens": 512}),
    Case(23, "thinking-forever", [thought], 2, error=errors.TruncatedError, forever=True,
         says=("all 1024 output tokens went to thinking",), options={"max_tokens": 512}),
    Case(29, "bad-key-401", [status(401, "Incorrect API key")], 1, ("openai",), errors.AuthError,
         ("OPENAI_API_KEY",)),
    Case(29, "bad-key-400", [google_error(400, "INVALID_ARGUMENT", "API key not valid", BAD_KEY)],
         1, ("gemini",), errors.AuthError, ("API_KEY_INVALID", "GEMINI_API_KEY")),
    Case(30, "no-access", [status(403, "Your region is not supported")], 1,
         error=errors.AuthError, says=("Your region is not supported",)),
    Case(31, "unknown-model", [status(404, "no such model")], 1, error=errors.ModelNotFoundError,
         says=("no such model", "http://127.0.0.1")),
    Case(31, "suggestion", [status(404, "no such model")], 1, ("gemini",),
         errors.ModelNotFoundError, ("Known names",)),
    Case(32, "too-long-forever", [status(400, "prompt is too long: 9000 tokens")], 2,
         error=errors.ContextTooLongError, says=("9000 tokens",), forever=True),
    Case(33, "bad-request", [status(400, "messages must alternate")], 1,
         error=errors.BadRequestError, says=("messages must alternate",)),
)  # fmt: skip


def each(cases):
    rows = [(case, api) for case in cases for api in case.apis]
    return pytest.mark.parametrize(("case", "api"), rows, ids=[f"{c}-{a}" for c, a in rows])


@pytest.fixture
def asker(request, api):
    return request.getfixturevalue(api)


@each(PASSED)
def test_a_passing_fault_ends_in_the_answer(case, api, asker, server, clock):
    server.interfere = Script(list(case.plays), forever=case.forever)
    answer = asker(**case.options).ask(QUESTION)
    assert answer.text
    assert len(asks(server)) == case.requests
    assert clock.waits == pytest.approx(case.waits)
    assert answer.usage.calls == case.requests
    assert answer.usage.usd is None


@each(FAILED)
def test_a_standing_fault_ends_in_its_error(case, api, asker, server, clock):
    server.interfere = Script(list(case.plays), forever=case.forever)
    with pytest.raises(errors.BackendError) as caught:
        asker(**case.options).ask(QUESTION)
    error = caught.value
    assert type(error) is case.error
    assert len(asks(server)) == case.requests == error.attempts
    assert clock.waits == pytest.approx(case.waits)
    assert (error.provider, error.usage.calls) == (api, case.requests)
    message = str(error)
    assert all(words in message for words in case.says), message
    assert "<" not in message
    assert "\n" not in message
    assert len(message) < 600


@pytest.mark.parametrize("api", BOTH)
@pytest.mark.parametrize(
    ("play", "usd"),
    [(status(503), 0.0), (Cut(Response({"pad": "x" * 4000})), None), (HangUp(), None),
     (Response({"error": {"code": 503, "message": "busy"}}), None)],
    ids=["rejected", "broke-off", "hung-up", "gateway"],
)  # fmt: skip
def test_what_is_rejected_costs_nothing_and_what_broke_off_is_unknown(
    api, asker, server, play, usd
):
    server.interfere = Script([play], forever=True)
    with pytest.raises(errors.BackendError) as caught:
        asker(max_retries=1).ask(QUESTION)
    assert (caught.value.usage.calls, caught.value.usage.usd) == (2, usd)


@pytest.mark.parametrize("api", BOTH)
def test_12_nobody_listens(api, asker, clock):
    # Port 1 is reserved: nothing listens there.
    lost = asker(client=None, base_url="http://127.0.0.1:1/v1")
    with pytest.raises(errors.ConnectionFaultError, match=r"Cannot reach 127.0.0.1:1") as caught:
        lost.ask(QUESTION)
    assert caught.value.attempts == 3
    assert caught.value.usage.calls == 0
    assert clock.waits == [0.5, 1]
    lost.close()


@pytest.mark.parametrize("api", BOTH)
def test_12_no_such_host(api, asker, clock, monkeypatch):
    def lookup(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    lost = asker(client=None, base_url="http://no-such-host.test/v1")
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(
        errors.ConnectionFaultError, match=r"Cannot reach no-such-host\.test"
    ) as caught:
        lost.ask(QUESTION)
    assert caught.value.attempts == 3
    lost.close()
