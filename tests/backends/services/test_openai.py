"""OpenAI-style servers: what goes over the wire by either API, and servers that do less."""

import re

import pytest
from faulty_server import Script, asks

from phyrefine import errors
from phyrefine.backends.calling.models import SERVERS
from phyrefine.backends.loopback import Response, chat_body, openai_error, responses_body
from phyrefine.backends.openai import OpenAILLM, OpenAIVLM
from phyrefine.testing import check_llm, check_vlm, moving_clip
from phyrefine.types import Question

SCHEMA = {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]}
CLIP = moving_clip(16)
QUESTION = Question("judge", "Score it.", "Be exact.", (CLIP,), ("video",), schema=SCHEMA)
WORDS = Question("compose", "A ball falls.", "Rewrite it.")


def sent(server, index=-1):
    return asks(server)[index].json


def parts(server, index=-1):
    return sent(server, index)["messages"][-1]["content"]


def play(server, *plays, forever=False):
    server.interfere = Script(list(plays), forever=forever)


def official(monkeypatch, server, openai_client, clock, kind=OpenAIVLM, **options):
    """A client that believes it talks to OpenAI itself."""
    monkeypatch.setattr("phyrefine.backends.openai.connection.ENDPOINT", server.openai_url)
    made = kind("gpt-4o", client=openai_client, clock=clock, **options)
    assert made.service.title == "OpenAI"
    return made


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_contracts(openai, server, api):
    check_vlm(openai(api=api))
    check_llm(openai(kind=OpenAILLM, api=api))
    assert "image" not in str(asks(server)[-1].json)


def test_frames_go_with_their_times_dense_after_the_seam(openai, server):
    seen = []
    server.reply = lambda asked: seen.append(asked) or "{}"
    clip = moving_clip(32)
    openai(max_frames=9).ask(Question("critique", "Why?", "", (clip,), ("video",), 2.0))
    (asked,) = seen
    times = [float(time) for time in re.findall(r"^(\d+\.\d\d) s$", asked.text, re.MULTILINE)]
    assert len(times) == len(asked.media) == 9
    assert {0.0, 1.88, 2.0, 3.88} <= set(times)
    assert times == sorted(times)
    assert sum(time >= 2 for time in times) > sum(time < 2 for time in times)
    assert "The part from 2.00 s on was made by a model." in asked.text
    assert {kind for kind, _ in asked.media} == {"image/jpeg"}
    kinds = [part["type"] for part in parts(server)]
    assert kinds == ["text", *["text", "image_url"] * 9, "text"]


def test_a_schema_is_sent_strict(openai, server):
    openai().ask(QUESTION)
    form = sent(server)["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"] == {"name": "judge", "strict": True, "schema": SCHEMA}


def test_the_schemas_of_the_method_are_what_strict_mode_takes():
    from phyrefine.refine import prompts

    def check(node):
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert set(node["required"]) == set(node["properties"])
            for child in node["properties"].values():
                check(child)
        if node.get("type") == "array":
            check(node["items"])
        known = {"type", "properties", "required", "additionalProperties", "items", "enum",
                 "description", "minimum", "maximum"}  # fmt: skip
        assert set(node) <= known

    for name in ("predict", "critique", "compose", "score", "compare"):
        check(prompts.schema(name))


def test_only_what_was_asked_for_is_sent(openai, server):
    openai().ask(WORDS)
    assert set(sent(server)) == {"model", "messages", "max_tokens"}
    openai(temperature=0.3, top_p=0.9, seed=4, thinking="low").ask(WORDS)
    body = sent(server)
    assert (body["temperature"], body["seed"], body["reasoning_effort"]) == (0.3, 4, "low")


def test_openai_itself_gets_its_own_names(monkeypatch, server, openai_client, clock):
    official(monkeypatch, server, openai_client, clock).ask(QUESTION)
    body = sent(server)
    assert "max_tokens" not in body
    assert body["max_completion_tokens"] == 4096
    images = [part for part in parts(server) if part["type"] == "image_url"]
    assert {part["image_url"]["detail"] for part in images} == {"low"}


def test_the_responses_api(openai, server):
    openai(api="responses", max_tokens=700, thinking="low").ask(QUESTION)
    body = sent(server)
    assert asks(server)[-1].path == "/v1/responses"
    assert (body["store"], body["max_output_tokens"]) == (False, 700)
    assert body["instructions"] == "Be exact."
    assert body["reasoning"] == {"effort": "low"}
    assert body["text"]["format"]["schema"] == SCHEMA
    assert {part["type"] for part in body["input"][0]["content"]} == {"input_text", "input_image"}


@pytest.mark.parametrize(
    ("fields", "error", "requests"),
    [
        ({"output": [{"id": "m", "type": "message", "role": "assistant", "status": "completed",
                      "content": [{"type": "refusal", "refusal": "I will not."}]}]},
         errors.RefusedError, 1),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
         errors.TruncatedError, 2),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
         errors.BlockedError, 2),
        ({"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow"}},
         errors.RateLimitedError, 2),
        ({"output": []}, errors.ServerFaultError, 3),
    ],
    ids=["refusal", "length", "filter", "failed", "empty"],
)  # fmt: skip
def test_how_responses_can_end_without_an_answer(openai, server, fields, error, requests):
    half = [{"type": "output_text", "text": "half an answer", "annotations": []}]
    play(server, Response(responses_body(half, "gpt-test", **fields)), forever=True)
    retries = {"max_retries": 1} if error is errors.RateLimitedError else {}
    with pytest.raises(error):
        openai(api="responses", **retries).ask(WORDS)
    assert len(asks(server)) == requests


def test_21_a_refusal_in_prose_where_json_was_asked(openai, server):
    server.reply = lambda asked: "I'm sorry, but I can't help with that."
    with pytest.raises(errors.RefusedError, match="can't help"):
        openai().ask(QUESTION)
    assert len(asks(server)) == 1


def test_26_a_server_that_ignores_the_schema_is_asked_in_words(openai, server):
    replies = iter(["The score is three.", '{"score": 3}', '{"score": 4}'])
    server.reply = lambda asked: next(replies)
    vlm = openai()
    answer = vlm.ask(QUESTION)
    assert (answer.text, answer.usage.calls) == ('{"score": 3}', 2)
    assert "response_format" not in sent(server)
    assert '"required":["score"]' in sent(server)["messages"][0]["content"]
    vlm.ask(QUESTION)
    assert len(asks(server)) == 3
    assert "response_format" not in sent(server)


def test_33_json_object_where_json_schema_is_a_server_error(openai, server):
    play(server, openai_error(500, "'json_schema' is not a supported response_format"))
    openai().ask(QUESTION)
    form = sent(server)["response_format"]
    assert form == {"type": "json_object", "schema": SCHEMA}
    assert '"required":["score"]' in sent(server)["messages"][0]["content"]


def test_33_the_name_of_the_limit_is_found_out_and_remembered(
    monkeypatch, openai, server, openai_client, clock
):
    play(server, openai_error(400, "Unsupported parameter: 'max_tokens'", param="max_tokens"))
    vlm = openai()
    vlm.ask(WORDS)
    vlm.ask(WORDS)
    names = [
        set(request.json) & {"max_tokens", "max_completion_tokens"} for request in asks(server)
    ]
    assert names == [{"max_tokens"}, {"max_completion_tokens"}, {"max_completion_tokens"}]


def test_22_the_limit_doubles_once(openai, server):
    play(server, Response(chat_body("half", "gpt-test", finish_reason="length")), forever=True)
    with pytest.raises(errors.TruncatedError, match="max_tokens=600") as caught:
        openai(max_tokens=300).ask(WORDS)
    assert [request.json["max_tokens"] for request in asks(server)] == [300, 600]
    assert caught.value.partial == "half"
    assert caught.value.usage.tokens["output"] == 4


def test_32_too_large_halves_the_frames(openai, server):
    play(server, openai_error(400, "At most 8 image(s) may be provided in one request."))
    openai(max_frames=16).ask(QUESTION)
    counts = [str(request.json).count("'image_url': {") for request in asks(server)]
    assert counts == [16, 8]


def test_video_url_where_a_server_takes_it(openai, server):
    seen = []
    server.reply = lambda asked: seen.append(asked) or "{}"
    openai(clips="video_url").ask(QUESTION)
    assert [part["type"] for part in parts(server)] == ["video_url", "text"]
    ((kind, data),) = seen[0].media
    assert (kind, data[4:8]) == ("video/mp4", b"ftyp")


def test_a_second_question_on_a_video_needs_no_second_encoding(openai, server, monkeypatch):
    from phyrefine.backends.openai import request as openai_request

    made, encoded = [], openai_request.encoded
    monkeypatch.setattr(
        openai_request, "encoded", lambda clip, **how: made.append(clip) or encoded(clip, **how)
    )
    vlm = openai(clips="video_url")
    vlm.ask(QUESTION)
    vlm.ask(QUESTION)
    assert made == [CLIP]
    assert parts(server, 0)[0] == parts(server, 1)[0]


def test_32_a_video_that_is_too_large_goes_as_frames(openai, server):
    play(server, openai_error(413, "too large"))
    openai(clips="video_url", max_frames=4).ask(QUESTION)
    assert {part["type"] for part in parts(server)} == {"text", "image_url"}


def test_28_runaway_output_is_kept_short(openai, server, caplog):
    server.reply = lambda asked: "na\x00\x1b " * 60_000
    text = openai().ask(WORDS).text
    assert len(text) <= 100_000
    assert "\x00" not in text
    assert "kept the first" in caplog.text


def test_thoughts_aloud_are_left_out(openai, server):
    server.reply = lambda asked: '<think>Is it {"score": 9}? No.</think>\n{"score": 2}'
    assert openai().ask(QUESTION).text == '{"score": 2}'


def test_usage_has_disjoint_kinds(openai, server):
    body = chat_body("ok", "gpt-test")
    body["usage"] = {
        "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 40},
    }  # fmt: skip
    play(server, Response(body), Response(chat_body("ok", "gpt-test") | {"usage": None}))
    assert openai().ask(WORDS).usage.tokens == {
        "input": 70, "output": 10, "thinking": 40, "cached": 30,
    }  # fmt: skip
    uncounted = openai().ask(WORDS).usage
    assert (uncounted.calls, dict(uncounted.tokens), uncounted.usd) == (1, {}, None)


def test_31_another_model_answers(openai, server):
    play(server, Response(chat_body("ok", "gpt-4o-mini")))
    with pytest.warns(UserWarning, match="Asked for gpt-4o, but gpt-4o-mini answered"):
        assert openai("gpt-4o").ask(WORDS).model == "gpt-4o-mini"
    play(server, Response(chat_body("ok", "gpt-4o-2024-08-06")))
    assert openai("gpt-4o").ask(WORDS).model == "gpt-4o-2024-08-06"


@pytest.mark.parametrize("name", SERVERS)
def test_presets(name, monkeypatch):
    preset = SERVERS[name]
    if preset.key is not None:
        with pytest.raises(errors.AuthError, match=preset.key):
            OpenAIVLM(f"{name}/some/model:7b")
        monkeypatch.setenv(preset.key, "k" * 20)
    vlm = OpenAIVLM(f"{name}/some/model:7b")
    assert (vlm.model, vlm.service.endpoint) == ("some/model:7b", preset.base_url)
    assert vlm.billed is (preset.key is not None)
    vlm.close()


def test_openais_key_goes_to_no_named_server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 20)
    vlm = OpenAIVLM("ollama/llama3.2")
    assert vlm._to.client.api_key == "none"
    vlm.close()


def test_options_are_checked_before_anything_is_sent(server, openai):
    for wrong in ({"api": "telegraph"}, {"detail": "huge"}, {"max_frames": 1}, {"thinking": 3},
                  {"api": "responses", "clips": "video_url"}, {"timeout": 0},
                  {"no_such_option": 1}):  # fmt: skip
        with pytest.raises(errors.InvalidInputError):
            openai(**wrong)
    with pytest.raises(errors.AuthError, match="OPENAI_API_KEY"):
        OpenAIVLM()
    with pytest.raises(errors.AuthError, match="characters that no key has"):
        OpenAIVLM(api_key="half a\nkey")
    assert server.requests == []


def test_identity_names_what_changes_the_output(openai):
    plain = openai().identity
    others = [openai(**o).identity for o in ({"fps": 4}, {"seed": 1}, {"clips": "video_url"},
                                             {"api": "responses"})]  # fmt: skip
    assert len({plain, *others}) == 5
    assert "key" not in plain
