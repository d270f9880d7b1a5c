"""Whole refinements with Gemini as critic and OpenAI as rewriter, through the real SDKs."""

import json
import logging
import random
import re
import traceback

import pytest
from attrs import evolve
from faulty_server import Cut, HangUp, Script, asks
from kept_clients import KEY

from phyrefine import Budget, Scenario, SelfRefiner, errors
from phyrefine.backends.loopback import Response, gemini_body, google_error, openai_error
from phyrefine.backends.loopback.rehearsal import rehearse
from phyrefine.backends.openai import OpenAILLM, OpenAIVLM
from phyrefine.run import WithFallback
from phyrefine.run.endings import FINISHED
from phyrefine.run.journal import read_journal
from phyrefine.testing import MovingDot, moving_clip
from phyrefine.types import Usage

SCENARIO = Scenario("A ball falls.", moving_clip(24, (32, 32), 8.0), seconds=2.0, name="ball")
PRICES = {
    "gemini-test": {"input": 1.0, "output": 10.0},
    "gpt-test": {"input": 2.0, "output": 20.0},
}


def refiner(vlm, llm, **options):
    return SelfRefiner(vlm, llm, MovingDot(), prices=PRICES, **options)


@pytest.fixture
def pair(gemini, openai):
    def make(**options):
        return gemini(**options), openai(kind=OpenAILLM)

    return make


def without_usage(refinement):
    """What came out, apart from what it took."""
    attempts = tuple(evolve(attempt, usage=Usage()) for attempt in refinement.attempts)
    return evolve(refinement, usage=Usage(), attempts=attempts)


@pytest.fixture
def questions():
    """How many questions ``calm`` took: replies hang on the bytes of the videos, which differ
    between processors, and so does the count.
    """
    return []


@pytest.fixture
def calm(pair, server, questions):
    result = without_usage(refiner(*pair()).refine(SCENARIO))
    questions.append(len(asks(server)))
    assert questions[0] >= 2 + 2 * len(result.attempts)  # the least that the method asks
    server.requests.clear()
    return result


def storm(seed):
    """Passing faults of every kind on about half of all requests, uploads and polls included."""
    chance = random.Random(seed)

    def play(request):
        if chance.random() < 0.5:
            return None
        gemini = "/v1/chat" not in request.path
        error = (
            google_error
            if gemini
            else lambda status, _, *rest, **more: openai_error(status, *rest, **more)
        )
        return chance.choice([
            error(429, "RESOURCE_EXHAUSTED", "slow", headers={"Retry-After": "3"}),
            error(503, "UNAVAILABLE", "busy"),
            error(500, "INTERNAL", "oops"),
            HangUp(),
            HangUp(reset=True),
            Cut(Response({"pad": "x" * 4000})),
            Response(b'{"candidates": [{"con'),
            Response(b"\xff\xfe"),
        ])  # fmt: skip

    return play


@pytest.mark.parametrize("route", ["inline", pytest.param("files", marks=pytest.mark.slow)])
def test_a_storm_of_passing_faults_changes_nothing(calm, pair, server, clock, route):
    server.processing_polls = 1
    server.interfere = storm(seed=4)
    patient = {"max_retries": 60, "retry_budget": 1e6, "outage": 1e6, "route": route}
    vlm, llm = pair(**patient)
    llm._vlm._caller.policy = vlm._caller.policy
    result = refiner(vlm, llm).refine(SCENARIO)
    assert result.stopped_by in FINISHED
    assert without_usage(result) == calm
    assert len(server.requests) > 1.5 * len(asks(server)) or route == "inline"
    assert sum(clock.waits) > 10
    server.interfere = lambda _: None
    vlm.close()
    assert server.alive == []


@pytest.mark.slow
def test_what_it_took_adds_up(pair, server):
    result = refiner(*pair()).refine(SCENARIO)
    tokens = {"gemini-test": Usage(), "gpt-test": Usage()}
    for request in asks(server):
        reply = server.answer(request)  # the regular answer says what it counted
        body = json.loads(reply.data)
        counted = body.get("usageMetadata") or body["usage"]
        given = counted.get("promptTokenCount", counted.get("prompt_tokens"))
        made = counted.get("candidatesTokenCount", counted.get("completion_tokens"))
        name = "gemini-test" if "usageMetadata" in body else "gpt-test"
        tokens[name] += Usage(1, {"input": given, "output": made})
    together = tokens["gemini-test"] + tokens["gpt-test"]
    assert result.usage.tokens == together.tokens
    usd = sum(
        PRICES[name][kind] * count / 1e6
        for name, usage in tokens.items()
        for kind, count in usage.tokens.items()
    )
    assert result.usage.usd == pytest.approx(usd)
    assert result.usage.usd > 0


@pytest.mark.slow
def test_dollars_spent_stop_the_run_and_keep_the_best(pair, server, tmp_path):
    whole = refiner(*pair()).refine(SCENARIO)
    server.requests.clear()
    usd = whole.usage.usd / 2
    first = refiner(*pair(), run_dir=tmp_path, budget=Budget(usd=usd)).refine(SCENARIO)
    assert first.stopped_by == "budget"
    assert re.search(r"The budget is spent: .* US dollars \(usd\)", first.reason)
    assert len(first.attempts) > 0
    assert first.video is not None
    # The call that reached the limit is the last one.
    dearest = max(_cost(server, request) for request in asks(server))
    assert usd <= first.usage.usd <= usd + dearest
    paid = len(asks(server))
    again = refiner(*pair(), run_dir=tmp_path, budget=Budget(usd=usd)).refine(SCENARIO)
    assert (again.stopped_by, len(asks(server))) == ("budget", paid)
    done = refiner(*pair(), run_dir=tmp_path, budget=Budget(usd=9.0)).refine(SCENARIO)
    assert done.stopped_by in FINISHED
    assert len(asks(server)) == whole.usage.calls - _clips(whole)
    assert done.usage.usd == pytest.approx(whole.usage.usd)


def _cost(server, request):
    counted = json.loads(server.answer(request).data)
    server.requests.pop()
    counted = counted.get("usageMetadata") or counted["usage"]
    return 20 * counted.get("totalTokenCount", counted.get("total_tokens")) / 1e6


def _clips(refinement):
    return sum(len(attempt.candidates) for attempt in refinement.attempts)


def test_dollars_that_cannot_be_counted_stop_a_run_with_a_dollar_limit(pair, server):
    unpriced = SelfRefiner(*pair(), MovingDot(), budget=Budget(usd=1.0))
    with pytest.raises(errors.BudgetExceededError, match="price of the predict calls is unknown"):
        unpriced.refine(SCENARIO)
    assert len(asks(server)) == 1
    assert unpriced.generator.shots == []  # found before the first clip


def test_tokens_are_a_limit_that_needs_no_prices(pair, server):
    limited = SelfRefiner(*pair(), MovingDot(), budget=Budget(tokens=16_000))
    result = limited.refine(SCENARIO)
    assert result.stopped_by == "budget"
    assert result.usage.usd is None
    assert sum(result.usage.tokens.values()) >= 16_000


@pytest.mark.slow
@pytest.mark.filterwarnings("always")
def test_the_model_that_answered_is_on_record(pair, server, tmp_path):
    def rerouted(request):
        if "generateContent" not in request.path:
            return None
        body = json.loads(regular(request).data)
        return Response(body | {"modelVersion": "gemini-3.8-flash"})

    def regular(request):
        server.interfere = lambda _: None
        try:
            return server.answer(request)
        finally:
            server.interfere = rerouted

    server.interfere = rerouted
    with pytest.warns(UserWarning, match="Asked for gemini-test, but gemini-3.8-flash answered"):
        refiner(*pair(), run_dir=tmp_path).refine(SCENARIO)
    calls = [event for event in read_journal(tmp_path / "events.jsonl") if event["event"] == "call"]
    models = {event["stage"]: event["model"] for event in calls if "model" in event}
    assert models["critique"] == "gemini-3.8-flash"
    assert models["compose"] == "gpt-test"


# -- a second model ----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_second_model_takes_over_for_good_when_a_quota_is_gone(
    gemini, openai, server, tmp_path, caplog
):
    gone = google_error(402, "FAILED_PRECONDITION", "no credit")
    server.interfere = Script([gone], r"POST .*:generateContent", forever=True)
    both = WithFallback(gemini(), openai(kind=OpenAIVLM))
    llm = openai(kind=OpenAILLM)
    result = refiner(both, llm, run_dir=tmp_path).refine(SCENARIO)
    assert result.stopped_by in FINISHED
    paths = [request.path for request in asks(server)]
    assert sum("generateContent" in path for path in paths) == 1
    assert "from now on" in caplog.text
    # Run again: everything is on record under the model that answered.
    server.requests.clear()
    server.interfere = lambda _: None
    both = WithFallback(gemini(), openai(kind=OpenAIVLM))
    again = refiner(both, llm, run_dir=tmp_path).refine(SCENARIO)
    assert asks(server) == []
    assert without_usage(again) == without_usage(result)


def test_a_second_model_helps_out_once(gemini, openai, server):
    blocked = Response({"promptFeedback": {"blockReason": "SAFETY"}})
    server.interfere = Script([blocked], r"POST .*:generateContent")
    both = WithFallback(gemini(), openai(kind=OpenAIVLM))
    result = refiner(both, openai(kind=OpenAILLM)).refine(SCENARIO)
    assert result.stopped_by in FINISHED
    assert sum("generateContent" in request.path for request in asks(server)) > 2


def test_when_both_fail_the_error_tells_of_both(gemini, openai, server):
    server.interfere = Script(
        [google_error(401, "UNAUTHENTICATED", "no")], r".*:gen.*", forever=True
    )
    both = WithFallback(
        gemini(), openai(kind=OpenAIVLM, client=None, base_url="http://127.0.0.1:1")
    )
    with pytest.raises(errors.ConnectionFaultError) as caught:  # before the first clip
        refiner(both, openai(kind=OpenAILLM)).refine(SCENARIO)
    assert "AuthError" in " ".join(caught.value.__notes__)


# -- what stops a run --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "stopped_by"),
    [
        (google_error(429, "R", "slow", headers={"Retry-After": "3600"}), "rate_limit"),
        (google_error(402, "F", "no credit"), "quota"),
        (google_error(503, "UNAVAILABLE", "busy"), "overloaded"),
        (HangUp(), "connection"),
        (google_error(401, "U", "no"), "auth"),
        (google_error(404, "NOT_FOUND", "no such model"), "model_not_found"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_standing_faults_end_the_run_with_what_is_finished(pair, server, fault, stopped_by):
    regular = Script([None, None, fault], r".*:generateContent", forever=True)
    server.interfere = regular
    result = refiner(*pair(outage=0)).refine(SCENARIO)
    assert result.stopped_by == stopped_by
    assert result.attempts
    assert result.video is not None


@pytest.mark.parametrize(
    "body",
    [gemini_body("", "gemini-test", finishReason="SAFETY"),
     gemini_body("half", "gemini-test", finishReason="MAX_TOKENS"),
     gemini_body("no json here", "gemini-test")],
    ids=["blocked", "cut", "no-json"],
)  # fmt: skip
def test_a_critique_that_fails_ends_the_step_and_not_the_run(pair, server, body):
    server.interfere = Script([None, None, Response(body)], r".*:generateContent", forever=True)
    result = refiner(*pair()).refine(SCENARIO)
    assert result.stopped_by == "unusable_replies"
    assert any(attempt.critique is None for attempt in result.attempts)


# -- words that are nearly JSON ----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "dress",
    [
        lambda text: f"```json\n{text}\n```",
        lambda text: f"Sure! Here is the JSON:\n\n{text}\n\nI hope this helps.",
        lambda text: text[:-1] + ",}",
        lambda text: "\ufeff" + text.replace("}", "}\x00"),
        lambda text: text.replace('"severity": 0.6', '"severity": "0.6"'),
        lambda text: text.replace('"confidence": 0.7', '"confidence": NaN'),
    ],
    ids=["fences", "prose", "comma", "control", "number-as-text", "nan"],
)
def test_24_json_in_disguise_is_read_without_asking_again(calm, questions, pair, server, dress):
    server.reply = lambda asked: dress(rehearse(asked))
    before = len(asks(server))
    result = refiner(*pair()).refine(SCENARIO)
    assert result.stopped_by in FINISHED
    assert [a.prompt.text for a in result.attempts] == [a.prompt.text for a in calm.attempts]
    assert [len(asks(server)) - before] == questions


@pytest.mark.slow
def test_25_a_wrong_shape_is_sent_back_with_what_is_wrong(calm, pair, server):
    first = []

    def reply(asked):
        if "violations" in asked.schema["properties"] and not first:
            first.append(asked)
            return '{"violations": "none at all", "corrected": 3}'
        return rehearse(asked)

    server.reply = reply
    result = refiner(*pair()).refine(SCENARIO)
    assert result.stopped_by in FINISHED
    assert len(first) == 1
    asked = [request.json for request in asks(server) if "contents" in request.json]
    again = [one["contents"][0]["parts"][-1]["text"] for one in asked]
    assert sum("none at all" in text for text in again) == 1


@pytest.mark.slow
def test_27_chatter_around_a_prompt_is_trimmed(calm, pair, server):
    def reply(asked):
        # Without braces it also looks like a server that ignores the schema.
        if asked.schema is None or "prompt" in asked.schema["properties"]:
            meant = rehearse(evolve(asked, schema={"properties": {"prompt": {}}}))
            return f'Here is your prompt:\n\n"{json.loads(meant)["prompt"]}"'
        return rehearse(asked)

    server.reply = reply
    result = refiner(*pair()).refine(SCENARIO)
    written = result.attempts[1].prompt
    assert written.text == calm.attempts[1].prompt.text
    assert written.notes == ()  # not assembled in its stead


# -- keys --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_keys_are_nowhere(gemini, openai, server, tmp_path, caplog, monkeypatch):
    """Servers that echo the key in every fault; then every byte that was written is searched."""
    monkeypatch.setenv("DEEPSEEK_API_KEY", other := "sk-other-0123456789-abcdef")
    header = "tok-0123456789-team"
    echo = f"Incorrect API key provided: {KEY} / Bearer {header} / {other}"
    plays = [
        google_error(429, "RESOURCE_EXHAUSTED", echo, headers={"Retry-After": "1"}),
        Response(f"<html>{echo}</html>".encode(), kind="text/html"),
        Response(echo.encode(), 502),
        Response({"error": {"code": 500, "message": echo}}),
        Cut(Response({"pad": echo * 50})),
    ]
    server.interfere = Script([*plays, None] * 3, r"POST .*(generateContent|completions)")
    headers = {"Authorization": f"Bearer {header}"}
    with caplog.at_level(logging.DEBUG):
        vlm = gemini(client=None, headers={"x-api-key": header}, max_retries=20, retry_budget=1e4)
        llm = openai(kind=OpenAILLM, client=None, headers=headers, max_retries=20)
        result = refiner(vlm, llm, run_dir=tmp_path).refine(SCENARIO)
        assert result.stopped_by in FINISHED
        server.interfere = Script([google_error(401, "U", echo)], forever=True)
        told = [repr(vlm), repr(llm), vlm.identity, llm.identity, repr(vlm.service)]
        for asker in (vlm, llm):
            with pytest.raises(errors.AuthError) as caught:
                list(refiner(asker, asker).iterate(evolve(SCENARIO, name="x")))
            told.append("".join(traceback.format_exception(caught.value)))
            told.append(repr(vars(caught.value)))
    from phyrefine import report

    report.write(result, tmp_path / "report.html")
    llm.close()
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 10
    told += [caplog.text, *(str(vars(record)) for record in caplog.records)]
    for secret in (KEY, header, other):
        assert not [data for data in written if secret.encode() in data]
        found = [text for text in told if secret in text]
        assert not found, found[0][:2000]
    assert "[hidden]" in "".join(told)


# -- before the first clip -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "fault", "kind"),
    [
        (r".*:generateContent", google_error(401, "U", "no such key"), errors.AuthError),
        (r".*/chat/completions", openai_error(401, "no such key"), errors.AuthError),
        (r".*:generateContent", google_error(404, "N", "no such model"), errors.ModelNotFoundError),
        (r".*/chat/completions", openai_error(404, "no such model"), errors.ModelNotFoundError),
        (r".*:generateContent", HangUp(), errors.ConnectionFaultError),
        (r".*/chat/completions", HangUp(), errors.ConnectionFaultError),
    ],
)
def test_29_what_cannot_work_is_found_before_the_first_clip(
    pair, server, where, fault, kind, tmp_path, caplog
):
    server.interfere = Script([fault], where, forever=True)
    dot = MovingDot()
    cannot = SelfRefiner(*pair(outage=0), dot, run_dir=tmp_path)
    with pytest.raises(kind) as caught:
        cannot.refine(SCENARIO)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in caplog.text
    assert dot.shots == []
    server.interfere = lambda _: None
    assert SelfRefiner(*pair(), dot, run_dir=tmp_path).refine(SCENARIO).stopped_by in FINISHED
