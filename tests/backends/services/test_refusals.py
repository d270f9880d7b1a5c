"""What services refuse and how they break off: outcome, requests and waits through the real SDKs."""

import pytest
from faulty_server import Script, asks

from phyrefine import errors
from phyrefine.backends.gemini import GeminiVLM
from phyrefine.backends.loopback import (
    Response,
    chat_body,
    gemini_body,
    google_error,
    openai_error,
    responses_body,
)
from phyrefine.backends.openai import OpenAILLM, OpenAIVLM
from phyrefine.testing import moving_clip
from phyrefine.types import Question

SCHEMA = {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]}
CLIP = moving_clip(16)
JUDGE = Question("judge", "Score it.", "Be exact.", (CLIP,), ("video",), schema=SCHEMA)
WORDS = Question("compose", "A ball falls.", "Rewrite it.")


def play(server, *plays, forever=False):
    server.interfere = Script(list(plays), forever=forever)


def sent(server, index=-1):
    return asks(server)[index].json


def config(server, index=-1):
    return sent(server, index).get("generationConfig", {})


def pictures(server):
    return [str(request.json).count("'image_url': {") for request in asks(server)]


class TestHalfAnswers:
    @pytest.mark.parametrize(
        "reason",
        ["error", "insufficient_system_resource", "network_error", "abort", "tool_calls",
         "something_new"],
    )  # fmt: skip
    def test_an_answer_that_broke_off_is_asked_again(self, openai, server, clock, reason):
        half = Response(chat_body('{"score": 7, "rea', "gpt-test", finish_reason=reason))
        play(server, half)
        server.reply = lambda asked: '{"score": 7}'
        assert openai().ask(JUDGE).text == '{"score": 7}'
        assert (len(asks(server)), clock.waits) == (2, [0.5])

    def test_one_that_always_breaks_off_is_a_server_fault(self, openai, server):
        play(server, Response(chat_body("half", "m", finish_reason="error")), forever=True)
        with pytest.raises(errors.ServerFaultError, match="broke off its answer") as caught:
            openai().ask(WORDS)
        assert caught.value.attempts == len(asks(server)) == 5

    def test_the_error_inside_a_choice_counts(self, openai, server):
        hidden = {"code": 429, "message": "upstream is busy"}
        play(server, Response(chat_body("ha", "m", finish_reason="error", error=hidden)),
             forever=True)  # fmt: skip
        with pytest.raises(errors.RateLimitedError, match="upstream is busy"):
            openai(max_retries=1).ask(WORDS)

    @pytest.mark.parametrize("reason", ["sensitive", "safety", "refusal"])
    def test_blocked_is_not_broken_off(self, openai, server, reason):
        play(server, Response(chat_body("ha", "m", finish_reason=reason)), forever=True)
        with pytest.raises(errors.BlockedError):
            openai().ask(WORDS)

    @pytest.mark.parametrize("reason", ["max_tokens", "model_length"])
    def test_other_words_for_cut(self, openai, server, reason):
        play(server, Response(chat_body("ha", "m", finish_reason=reason)))
        openai(max_tokens=300).ask(WORDS)
        assert [request.json["max_tokens"] for request in asks(server)] == [300, 600]

    @pytest.mark.parametrize("reason", ["eos", "end_turn", None])
    def test_other_words_for_done(self, openai, server, reason):
        play(server, Response(chat_body("A ball.", "gpt-test", finish_reason=reason)))
        assert openai().ask(WORDS).text == "A ball."

    @pytest.mark.parametrize("status", ["failed", "cancelled", "in_progress"])
    def test_responses_that_are_not_completed(self, openai, server, status):
        half = [{"type": "output_text", "text": "half", "annotations": []}]
        play(server, Response(responses_body(half, "m", status=status)))
        server.reply = lambda asked: "whole"
        assert openai(api="responses").ask(WORDS).text == "whole"
        assert len(asks(server)) == 2

    def test_gemini_that_could_go_on_gets_more_room(self, gemini, server):
        play(server, Response(gemini_body("half", "m", finishReason="CONTINUATION")))
        gemini(max_tokens=300).ask(WORDS)
        assert [config(server, index)["maxOutputTokens"] for index in (0, 1)] == [300, 600]

    def test_gemini_that_broke_off(self, gemini, server, clock):
        play(server, Response(gemini_body("half", "m", finishReason="ERROR")))
        assert gemini().ask(WORDS).text != "half"
        assert clock.waits == [0.5]

    def test_model_armor_blocks(self, gemini, server):
        play(server, Response(gemini_body("", "m", finishReason="MODEL_ARMOR")), forever=True)
        with pytest.raises(errors.BlockedError, match="MODEL_ARMOR"):
            gemini().ask(WORDS)


class TestThoughtsOnTheWire:
    def test_without_an_opening_tag(self, openai, server):
        server.reply = lambda asked: "Okay, the user wants {a prompt}. </think> A ball falls."
        assert openai(kind=OpenAILLM).ask(WORDS).text == "A ball falls."

    def test_chunks_of_mistral(self, openai, server):
        chunks = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                  {"type": "text", "text": "A ball "}, {"type": "text", "text": "falls."}]  # fmt: skip
        play(server, Response(chat_body(None, "gpt-test", message={"content": chunks})))
        assert openai().ask(WORDS).text == "A ball falls."
        assert len(asks(server)) == 1


TOO_LARGE = (
    "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, "
    "Requested 36278. The input or output tokens must be reduced in order to run successfully."
)


class TestLimitsThatNeverPass:
    def test_a_request_too_large_for_a_minute_shrinks_at_once(self, openai, server, clock):
        play(server, openai_error(429, TOO_LARGE, code="rate_limit_exceeded"))
        openai(max_frames=16).ask(JUDGE)
        assert (pictures(server), clock.waits) == ([16, 8], [])

    def test_it_shrinks_again_and_then_gives_up(self, openai, server, clock):
        play(server, openai_error(429, TOO_LARGE), forever=True)
        with pytest.raises(errors.ContextTooLongError, match="fewer tokens a minute"):
            openai(max_frames=16).ask(JUDGE)
        assert (pictures(server), clock.waits) == ([16, 8, 4, 2], [])

    def test_an_ordinary_limit_in_the_same_words_is_waited_for(self, openai, server, clock):
        said = ("Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000, "
                "Requested 2500. Please try again in 3s.")  # fmt: skip
        play(server, openai_error(429, said))
        openai(max_frames=4).ask(JUDGE)
        assert pictures(server) == [4, 4]
        assert clock.waits == pytest.approx([3.15])

    @pytest.mark.parametrize(
        ("api", "answer"),
        [
            ("gemini", google_error(429, "RESOURCE_EXHAUSTED",
                                    "Quota exceeded for metric: free_tier_requests, limit: 0, "
                                    "model: gemini-3-pro Please retry in 28s.")),
            ("openai", openai_error(429, "Rate limit reached: Limit 0, Requested 1.")),
            ("openai", openai_error(429, "free-models-per-day: limit exceeded")),
            ("openai", openai_error(429, "Rate limit exceeded: 200 requests per day (RPD)")),
            ("openai", openai_error(400, "Your credit balance is too low to access the API.")),
            ("openai", openai_error(402, "Insufficient Balance")),
            ("openai", openai_error(429, "Insufficient account balance. Please recharge.")),
        ],
        ids=["gemini-0", "openai-0", "per-day", "rpd", "anthropic-credit", "deepseek", "balance"],
    )  # fmt: skip
    def test_no_quota_and_no_credit_fail_at_once(self, request, server, clock, api, answer):
        play(server, answer, forever=True)
        with pytest.raises(errors.QuotaExceededError):
            request.getfixturevalue(api)().ask(WORDS)
        assert (len(asks(server)), clock.waits) == (1, [])

    def test_a_day_in_words_is_too_long(self, openai, server, clock):
        play(
            server, openai_error(429, "Call rate limit exceeded. Please retry after 86400 seconds.")
        )
        with pytest.raises(errors.RateLimitedError, match="asked to wait 86400 s, budget 300 s"):
            openai().ask(WORDS)
        assert (len(asks(server)), clock.waits) == (1, [])


class TestOutputLimit:
    @pytest.mark.parametrize(
        ("said", "limits"),
        [
            (("max_tokens is too large: 4096. This model supports at most 2048 completion tokens, "
             "whereas you provided 4096."), [4096, 2048]),
            (("'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum "
             "context length is 8192 tokens and your request has 5400 input tokens (4096 > 8192 - "
             "5400)."), [4096, 2792]),
            (("This model's maximum context length is 8192 tokens. However, you requested 9496 "
             "tokens (5400 in the messages, 4096 in the completion)."), [4096, 2792]),
            ("Range of max_tokens should be [1, 2000]", [4096, 2000]),
            ("`max_tokens` must be less than or equal to `1024`, the maximum value", [4096, 1024]),
            ("max_tokens: 4096 > 3000, which is the maximum allowed number", [4096, 3000]),
            ("Invalid max_tokens value, the valid range of max_tokens is [1, 1,000]", [4096, 2048]),
            ("max_tokens exceeds what is allowed", [4096, 2048]),
        ],
    )  # fmt: skip
    def test_the_limit_is_lowered_and_the_frames_stay(self, openai, server, clock, said, limits):
        play(server, openai_error(400, said, param="max_tokens"))
        openai(max_frames=6).ask(JUDGE)
        assert [request.json["max_tokens"] for request in asks(server)] == limits
        assert (pictures(server), clock.waits) == ([6, 6], [])

    def test_what_the_model_gives_is_remembered_and_what_the_input_left_is_not(
        self, openai, server
    ):
        play(server, openai_error(400, "max_tokens is too large: at most 2048 are supported"))
        openai().ask(WORDS)
        openai(kind=OpenAILLM).ask(WORDS)
        assert [request.json["max_tokens"] for request in asks(server)] == [4096, 2048, 2048]
        server.requests.clear()
        play(server, openai_error(400, "max_tokens is too large (2048 > 8192 - 7000)"))
        openai().ask(WORDS)
        openai().ask(WORDS)
        assert [request.json["max_tokens"] for request in asks(server)] == [2048, 1192, 2048]

    def test_no_room_for_an_answer_needs_fewer_frames(self, openai, server):
        play(server, openai_error(400, "max_tokens is too large (4096 > 8192 - 8100)"))
        openai(max_frames=6).ask(JUDGE)
        assert pictures(server) == [6, 3]

    def test_after_a_cut_answer_there_is_no_more_room(self, openai, server):
        cut = Response(chat_body("half", "m", finish_reason="length"))
        play(server, cut, openai_error(400, "max_tokens is too large: at most 2048 are supported"))
        with pytest.raises(errors.TruncatedError) as caught:
            openai(max_tokens=2048).ask(WORDS)
        assert (caught.value.partial, len(asks(server))) == ("half", 2)

    def test_gemini_names_its_range(self, gemini, server):
        said = ("Unable to submit request because it has a maxOutputTokens value of 100000 but the "
                "supported range is from 1 (inclusive) to 65537 (exclusive).")  # fmt: skip
        play(server, google_error(400, "INVALID_ARGUMENT", said))
        gemini(max_tokens=100_000).ask(WORDS)
        assert [config(server, index)["maxOutputTokens"] for index in (0, 1)] == [100_000, 65_536]


class TestRefusedForms:
    @pytest.mark.parametrize(
        "said",
        ["JSON mode is not enabled for this model", "Invalid schema for response_format 'judge'",
         "The specified schema produces a constraint that has too many states", "Structured outputs are not supported",
         "Request contains an invalid argument.", "Bad request"],
    )  # fmt: skip
    def test_a_schema_that_is_refused_goes_in_words(self, openai, server, said):
        play(server, openai_error(400, said))
        vlm = openai()
        vlm.ask(JUDGE)
        vlm.ask(JUDGE)
        assert len(asks(server)) == 3
        for index in (1, 2):
            assert "json_schema" not in str(sent(server, index).get("response_format"))
        assert '"required":["score"]' in str(sent(server)["messages"])

    def test_a_failed_generation_is_asked_again_and_not_remembered(self, openai, server):
        play(server, openai_error(400, "Failed to generate JSON. Please adjust your prompt.",
                                  code="json_validate_failed"))  # fmt: skip
        vlm = openai()
        vlm.ask(JUDGE)
        assert len(asks(server)) == 2
        vlm.ask(JUDGE)
        assert sent(server)["response_format"]["type"] == "json_schema"

    @pytest.mark.parametrize(
        "said",
        ["System role not supported", "Developer instruction is not enabled for models/gemma-3",
         "Conversation roles must alternate user/assistant/user/assistant/...",
         "Only user and assistant roles are supported!",
         "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
         "messages[0].role: 'system' is not one of ['user', 'assistant']"],
    )  # fmt: skip
    def test_a_system_message_that_is_refused_goes_in_front(self, openai, server, said):
        play(server, openai_error(400, said))
        vlm = openai()
        vlm.ask(WORDS)
        openai(kind=OpenAILLM).ask(WORDS)
        assert len(asks(server)) == 3
        for index in (1, 2):
            (message,) = sent(server, index)["messages"]
            assert message == {"role": "user", "content": "Rewrite it.\n\nA ball falls."}
        vlm.ask(JUDGE)
        parts = sent(server)["messages"][0]["content"]
        assert parts[0] == {"type": "text", "text": "Be exact."}

    @pytest.mark.parametrize(
        ("said", "key"),
        [
            ("Developer instruction is not enabled for models/gemma-3-27b-it", "systemInstruction"),
            ("JSON mode is not enabled for models/gemma-3-27b-it", "responseJsonSchema"),
            ("The specified schema produces a constraint that has too many states for serving.",
             "responseJsonSchema"),
            ("Request contains an invalid argument.", "responseJsonSchema"),
        ],
    )  # fmt: skip
    def test_gemini_and_gemma(self, gemini, server, said, key):
        play(server, google_error(400, "INVALID_ARGUMENT", said))
        vlm = gemini()
        vlm.ask(JUDGE)
        vlm.ask(JUDGE)
        assert len(asks(server)) == 3
        assert key in str(sent(server, 0))
        for index in (1, 2):
            assert key not in str(sent(server, index))
            assert "Be exact." in str(sent(server, index))

    def test_a_change_that_does_not_help_is_not_remembered(self, gemini, server):
        bare = google_error(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
        play(server, bare, bare)
        vlm = gemini()
        with pytest.raises(errors.BadRequestError):
            vlm.ask(JUDGE)
        assert len(asks(server)) == 2
        vlm.ask(JUDGE)
        assert "responseJsonSchema" in config(server)

    def test_dashscope_wants_thinking_off(self, openai, server):
        said = "parameter.enable_thinking must be set to false for non-streaming calls"
        play(server, openai_error(400, said))
        vlm = openai()
        vlm.ask(WORDS)
        vlm.ask(WORDS)
        assert [request.json.get("enable_thinking") for request in asks(server)] == [
            None, False, False,
        ]  # fmt: skip


class TestThinking:
    @pytest.mark.parametrize(
        ("model", "thinking", "level"),
        [
            ("gemini-3.8-flash", "minimal", "LOW"),
            ("gemini-3.8-flash", 0, "LOW"),
            ("gemini-3.8-flash", "xhigh", "HIGH"),
            ("gemini-3.1-pro-preview", "minimal", "LOW"),
            ("gemini-3-pro-preview", "medium", "LOW"),
            ("gemini-3.5-flash-lite", "minimal", "MINIMAL"),
            ("gemini-3.8-flash", -1, None),
        ],
    )
    def test_the_nearest_level_is_sent(self, gemini, server, model, thinking, level):
        gemini(model, thinking=thinking).ask(WORDS)
        told = config(server).get("thinkingConfig", {})
        assert told.get("thinking_level", told.get("thinkingLevel")) == level
        assert len(asks(server)) == 1

    @pytest.mark.parametrize(
        ("model", "thinking", "budget"),
        [("gemini-2.5-pro", 0, 128), ("gemini-2.5-flash", 0, 0), ("gemini-2.5-flash", 99_999, 24_576),
         ("gemini-2.5-flash-lite", 100, 512), ("gemini-2.5-pro", -1, -1)],
    )  # fmt: skip
    def test_the_nearest_budget_is_sent(self, gemini, server, model, thinking, budget):
        gemini(model, thinking=thinking).ask(WORDS)
        told = config(server)["thinkingConfig"]
        assert told.get("thinking_budget", told.get("thinkingBudget")) == budget

    def test_a_level_that_is_refused_is_replaced_and_remembered(self, gemini, server, caplog):
        play(server, google_error(400, "INVALID_ARGUMENT",
                                  "Thinking level LOW is not supported for this model."))  # fmt: skip
        vlm = gemini("gemini-9", thinking="low")
        vlm.ask(WORDS)
        vlm.ask(WORDS)
        levels = [str(config(server, index)["thinkingConfig"]) for index in range(3)]
        assert [level.split("'")[3] for level in levels] == ["LOW", "MEDIUM", "MEDIUM"]
        assert "does not think at level 'low'" in caplog.text

    def test_a_budget_that_is_refused_is_clamped(self, gemini, server):
        said = "The thinking budget 9 is invalid. Please choose a value between 512 and 24576."
        play(server, google_error(400, "INVALID_ARGUMENT", said))
        gemini("gemini-2.0-flash-thinking", thinking=9).ask(WORDS)
        assert "512" in str(config(server)["thinkingConfig"])

    def test_a_model_that_does_not_think_gets_nothing(self, gemini, server):
        play(server, google_error(400, "INVALID_ARGUMENT", "Thinking is not enabled for gemma"))
        gemini("gemma-3-27b-it", thinking="low").ask(WORDS)
        assert "thinkingConfig" not in config(server)

    def test_openai_offers_what_it_takes(self, openai, server):
        said = ("Unsupported value: 'reasoning_effort' does not support 'minimal' with this model. "
                "Supported values are: 'low', 'medium', and 'high'.")  # fmt: skip
        play(server, openai_error(400, said, param="reasoning_effort"))
        openai(thinking="minimal").ask(WORDS)
        assert [request.json["reasoning_effort"] for request in asks(server)] == ["minimal", "low"]

    def test_a_server_without_it_gets_nothing(self, openai, server):
        play(server, openai_error(400, "Unrecognized request argument supplied: reasoning_effort"))
        openai(thinking="low").ask(WORDS)
        assert "reasoning_effort" not in sent(server)


class TestWords:
    @pytest.mark.parametrize(
        ("answer", "error", "says"),
        [
            (openai_error(403, "openai/gpt-4o requires moderation. Your input was flagged",
                          metadata={"reasons": ["violence"], "flagged_input": "x"}),
             errors.BlockedError, ("violence",)),
            (openai_error(400, "Output data may contain inappropriate content.",
                          code="data_inspection_failed"), errors.BlockedError, ()),
            (openai_error(502, "Provider returned error",
                          metadata={"raw": '{"error": {"message": "the model is loading"}}'}),
             errors.ServerFaultError, ("the model is loading",)),
            (openai_error(404, "This model is only supported in v1/responses and not in "
                               "v1/chat/completions."),
             errors.ModelNotFoundError, ('api="responses"',)),
            (openai_error(403, "Country not supported"), errors.AuthError, ("Country",)),
        ],
        ids=["moderation", "inspection", "raw", "responses", "region"],
    )  # fmt: skip
    def test_the_reason_is_told(self, openai, server, answer, error, says):
        play(server, answer, forever=True)
        with pytest.raises(error) as caught:
            openai(max_retries=0).ask(WORDS)
        assert len(asks(server)) == 1
        for words in says:
            assert words in str(caught.value)

    def test_a_local_server_gets_no_suggestions_from_elsewhere(self, openai, server):
        play(server, openai_error(404, "model 'lama' not found"))
        with pytest.raises(errors.ModelNotFoundError) as caught:
            openai("lama").ask(WORDS)
        assert "gpt" not in str(caught.value)

    @pytest.mark.parametrize("kind", [OpenAIVLM, GeminiVLM])
    def test_a_redirect_to_itself_ends_soon(self, server, clock, kind):
        here = server.openai_url if kind is OpenAIVLM else server.url
        server.interfere = lambda request: Response(
            {}, 307, {"Location": f"{server.url}{request.path}"}
        )
        vlm = kind("m", api_key="k" * 20, base_url=here, clock=clock)
        with pytest.raises(errors.ConnectionFaultError, match="redirects in a circle"):
            vlm.ask(WORDS)
        vlm.close()
        assert len(server.requests) <= 5
        assert clock.waits == []

    def test_a_short_key_blots_no_words(self, server, clock):
        vlm = OpenAIVLM("m", api_key="e", base_url=server.openai_url, clock=clock)
        play(server, openai_error(400, "the messages are wrong here"))
        with pytest.raises(errors.BadRequestError, match="the messages are wrong here"):
            vlm.ask(WORDS)
        vlm.close()


def test_learned_changes_never_reach_another_model(openai, server):
    play(server, openai_error(400, "System role not supported"))
    openai("one").ask(WORDS)
    openai("two").ask(WORDS)
    assert len(sent(server)["messages"]) == 2
