"""Clients of the user's own, other addresses, and what travels to another process."""

import gc
import pickle

import pytest
from faulty_server import Script, asks

from phyrefine import errors, registry
from phyrefine.backends.calling.pacing import pacer_of
from phyrefine.backends.gemini import GeminiLLM, GeminiVLM
from phyrefine.backends.loopback import google_error, openai_error
from phyrefine.backends.openai import OpenAILLM, OpenAIVLM
from phyrefine.protocols import identity
from phyrefine.testing import moving_clip
from phyrefine.types import Question

CLIP = moving_clip(16)
WORDS = Question("compose", "A ball falls.", "Rewrite it.")
SEES = Question("critique", "Why?", "Look.", (CLIP,), ("video",))
KEY = "key-of-the-client-0123456789"


@pytest.fixture
def sdk(server):
    import openai

    made = []

    def make(kind="OpenAI", **options):
        usual = {"api_key": KEY, "base_url": server.openai_url}
        client = getattr(openai, kind)(**usual | options)
        made.append(client)
        return client

    yield make
    for client in made:
        if not type(client).__name__.startswith("Async"):
            client.close()


class TestOpenAI:
    def test_a_client_needs_no_key_of_ours_and_names_itself(self, sdk, server):
        vlm = OpenAIVLM("llama", client=sdk())
        assert vlm.ask(WORDS).text
        assert vlm.service.endpoint == server.openai_url
        assert f"at {vlm.service.host}" in identity(vlm)
        assert "max_tokens" in asks(server)[0].json
        assert vlm._caller.pacer is pacer_of("openai", server.openai_url, "llama")
        server.interfere = Script([openai_error(404, "no such model")])
        with pytest.raises(errors.ModelNotFoundError, match=r"at http://127\.0\.0\.1"):
            vlm.ask(WORDS)

    def test_azure(self, sdk, server, monkeypatch):
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        client = sdk("AzureOpenAI", base_url=None, azure_endpoint=server.url, api_version="1")
        vlm = OpenAIVLM("deployment", client=client, max_frames=4)
        assert vlm.ask(SEES).text
        assert vlm.service.title == "Azure OpenAI"
        body = asks(server)[0].json
        assert "max_completion_tokens" in body
        assert '"detail": "low"' in identity(vlm)
        assert "'detail': 'low'" in str(body)
        server.interfere = Script([openai_error(401, "no")])
        with pytest.raises(errors.AuthError, match="AZURE_OPENAI_API_KEY"):
            vlm.ask(WORDS)

    @pytest.mark.slow
    def test_a_client_is_never_closed_by_us(self, sdk):
        client = sdk()
        with OpenAIVLM("m", client=client) as vlm:
            vlm.ask(WORDS)
        other = OpenAILLM("m", client=client)
        del vlm
        gc.collect()
        assert other.ask(WORDS).text
        other.close()
        assert not client.is_closed()

    @pytest.mark.slow
    def test_our_own_client_is_closed_with_the_last_reference(self, server):
        vlm = OpenAIVLM("m", base_url=server.openai_url)
        vlm.ask(WORDS)
        client = vlm._to.client
        del vlm
        gc.collect()
        assert client.is_closed()

    def test_a_clients_own_retries_are_off(self, sdk, server, clock):
        server.interfere = Script([openai_error(500, "no")], forever=True)
        with pytest.raises(errors.ServerFaultError):
            OpenAIVLM("m", client=sdk(max_retries=5), clock=clock, max_retries=1).ask(WORDS)
        assert len(asks(server)) == 2

    @pytest.mark.parametrize("kind", ["AsyncOpenAI", "AsyncAzureOpenAI"])
    def test_an_async_client_is_refused_by_name(self, sdk, kind):
        more = {"api_version": "1"} if "Azure" in kind else {}
        with pytest.raises(errors.InvalidInputError, match=f"synchronous client.*not {kind}"):
            OpenAIVLM("m", client=sdk(kind, **more))

    def test_what_contradicts_a_client_is_refused(self, sdk):
        with pytest.raises(errors.InvalidInputError, match=r"base_url and|and base_url"):
            OpenAIVLM("m", client=sdk(), base_url="http://other.test/v1", organization="o")

    def test_a_function_gives_a_fresh_key_for_each_request(self, server, caplog):
        keys = iter(["first-token-0123456789", "second-token-0123456789"])
        llm = OpenAILLM("m", api_key=lambda: next(keys), base_url=server.openai_url)
        llm.ask(WORDS)
        server.interfere = Script([openai_error(400, "bad second-token-0123456789")])
        with pytest.raises(errors.BadRequestError) as caught:
            llm.ask(WORDS)
        assert [request.headers["authorization"][7:12] for request in asks(server)] == [
            "first", "secon",
        ]  # fmt: skip
        assert "second-token" not in str(caught.value)
        llm.close()

    def test_everything_that_is_given_arrives(self, server):
        vlm = OpenAIVLM(
            "m", api_key=KEY, base_url=server.openai_url, organization="org-1", project="proj-1",
            headers={"x-team": "physics"}, extra_body={"provider": {"sort": "latency"}, "top_k": 4},
        )  # fmt: skip
        vlm.ask(WORDS)
        (request,) = asks(server)
        assert request.headers["openai-organization"] == "org-1"
        assert request.headers["openai-project"] == "proj-1"
        assert request.headers["x-team"] == "physics"
        assert (request.json["provider"], request.json["top_k"]) == ({"sort": "latency"}, 4)
        assert "latency" in identity(vlm)
        vlm.close()

    def test_default_query_and_an_http_client_of_ones_own(self, server):
        import httpx2

        seen = []
        client = httpx2.Client(event_hooks={"request": [lambda r: seen.append(str(r.url))]})
        vlm = OpenAIVLM("m", api_key=KEY, base_url=server.openai_url, http_client=client,
                        default_query={"api-version": "7"})  # fmt: skip
        vlm.ask(WORDS)
        vlm.close()
        assert seen == [f"{server.openai_url}/chat/completions?api-version=7"]
        assert not client.is_closed
        client.close()

    @pytest.mark.parametrize(
        ("address", "official"),
        [("https://api.openai.com/v1", True), ("https://eu.api.openai.com/v1", True),
         ("https://x.openai.azure.com/openai/v1", True), ("https://api.openai.com.evil.test", False),
         ("http://localhost:8000/v1", False)],
    )  # fmt: skip
    def test_who_speaks_openais_own_dialect(self, address, official):
        from phyrefine.backends.openai.connection import is_official

        assert is_official(address) is official


class TestRates:
    def test_vllm_is_told_the_rate(self, server):
        vlm = OpenAIVLM("vllm/qwen", base_url=server.openai_url, clips="video_url", fps=4)
        vlm.ask(SEES)
        told = asks(server)[0].json["mm_processor_kwargs"]
        assert told == {"fps": 4, "do_sample_frames": True}
        assert '"fps": 4' in identity(vlm)
        more = OpenAIVLM("vllm/qwen", base_url=server.openai_url, clips="video_url", fps=4,
                         extra_body={"mm_processor_kwargs": {"max_pixels": 9}})  # fmt: skip
        more.ask(SEES)
        assert asks(server)[1].json["mm_processor_kwargs"] == told | {"max_pixels": 9}
        vlm.close()
        more.close()

    def test_qwen_is_told_in_the_part(self, server, monkeypatch):
        monkeypatch.setenv("DASHSCOPE_API_KEY", "k" * 20)
        vlm = OpenAIVLM("qwen/qwen3-vl", base_url=server.openai_url, clips="video_url", fps=30)
        vlm.ask(SEES)
        part = asks(server)[0].json["messages"][-1]["content"][0]
        assert (part["type"], part["fps"]) == ("video_url", CLIP.fps)
        vlm.close()

    def test_what_does_not_reach_the_model_is_not_in_its_identity(self, openai, caplog):
        whole = openai(clips="video_url", fps=4)
        assert "fps=4 does not reach" in caplog.text
        assert "fps" not in whole.identity
        assert whole.identity == openai(clips="video_url", fps=6, max_frames=9).identity
        frames = openai(fps=4).identity
        assert '"fps": 4' in frames
        assert "detail" not in frames


class TestGemini:
    @pytest.mark.slow
    def test_one_client_for_two_and_for_the_user(self, server, clock):
        from google import genai

        client = genai.Client(api_key=KEY, http_options={"base_url": server.url})
        first, second = GeminiVLM("m", client=client), GeminiLLM("m", client=client)
        first.ask(WORDS)
        first.close()
        del first
        gc.collect()
        assert second.ask(WORDS).text
        second.close()
        assert client.models.generate_content(model="m", contents="hi").text
        assert second.service.endpoint == server.url
        assert "127.0.0.1" in identity(second)
        with pytest.raises(errors.InvalidInputError, match="not AsyncClient"):
            GeminiVLM("m", client=client.aio)
        with pytest.raises(errors.InvalidInputError, match="base_url cannot go beside client="):
            GeminiVLM("m", client=client, base_url="http://other.test")
        client.close()

    def test_a_clients_own_retries_are_off(self, server, clock):
        from google import genai

        options = {"base_url": server.url, "retry_options": {"attempts": 4, "initial_delay": 0.01}}
        client = genai.Client(api_key=KEY, http_options=options)
        server.interfere = Script([google_error(500, "INTERNAL", "no")], forever=True)
        with pytest.raises(errors.ServerFaultError):
            GeminiVLM("m", client=client, clock=clock, max_retries=1).ask(WORDS)
        assert len(asks(server)) == 2
        client.close()

    def test_a_function_for_a_key_is_refused(self, server):
        with pytest.raises(errors.InvalidInputError, match="takes no function for api_key="):
            GeminiVLM("m", api_key=lambda: KEY, base_url=server.url)

    def test_extra_body_arrives(self, gemini, server):
        gemini(extra_body={"labels": {"team": "physics"}}).ask(WORDS)
        assert asks(server)[0].json["labels"] == {"team": "physics"}


class TestVertex:
    @pytest.fixture
    def credentials(self, monkeypatch):
        import google.auth
        from google.oauth2.credentials import Credentials

        made = Credentials("token-0123456789")
        monkeypatch.setattr(google.auth, "default", lambda *_, **__: (made, "my-project"))
        return made

    def test_by_argument_without_a_key(self, server, credentials):
        vlm = GeminiVLM("gemini-3.8-flash", vertexai=True, project="my-project", location="global",
                        base_url=server.url)  # fmt: skip
        vlm.ask(SEES)
        (request,) = asks(server)
        assert request.path.endswith(
            "/projects/my-project/locations/global/publishers/google/models/"
            "gemini-3.8-flash:generateContent"
        )
        assert request.headers["authorization"] == "Bearer token-0123456789"
        assert vlm.service.title == "Gemini on Vertex AI"
        vlm.close()

    def test_by_the_environment(self, server, credentials, monkeypatch):
        for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
        monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "global")
        vlm = GeminiVLM("m", base_url=server.url)
        assert vlm.ask(WORDS).text
        assert "publishers/google/models/m" in asks(server)[0].path
        vlm.close()

    def test_a_large_clip_goes_as_frames_and_nothing_is_uploaded(self, server, credentials, caplog):
        vlm = GeminiVLM("m", vertexai=True, project="p", location="global", base_url=server.url,
                        inline_bytes=100, max_frames=4)  # fmt: skip
        vlm.ask(SEES)
        assert len(server.requests) == 1
        assert str(asks(server)[0].json).count("image/jpeg") == 4
        assert "has no Files API" in caplog.text
        vlm.close()
        with pytest.raises(errors.InvalidInputError, match="no Files API"):
            GeminiVLM("m", vertexai=True, project="p", location="global", route="files")

    def test_without_credentials(self, server, monkeypatch):
        import google.auth

        def nothing(*_, **__):
            raise google.auth.exceptions.DefaultCredentialsError("none were found")

        monkeypatch.setattr(google.auth, "default", nothing)
        for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_CLOUD_PROJECT"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(errors.AuthError, match="gcloud auth application-default login"):
            GeminiVLM("m", vertexai=True)
        late = GeminiVLM("m", vertexai=True, project="p", location="global", base_url=server.url)
        with pytest.raises(errors.AuthError, match="no usable credentials") as caught:
            late.ask(WORDS)
        assert caught.value.attempts == 1
        late.close()


class TestPickling:
    @pytest.mark.parametrize("kind", [OpenAIVLM, OpenAILLM, GeminiVLM, GeminiLLM])
    def test_a_client_is_made_anew(self, server, kind):
        here = server.openai_url if kind.__name__.startswith("OpenAI") else server.url
        asker = kind("m", api_key=KEY, base_url=here, max_tokens=123, max_retries=1)
        there = pickle.loads(pickle.dumps(asker))
        assert type(there) is kind
        assert (identity(there), there.ask(WORDS).text) == (identity(asker), asker.ask(WORDS).text)
        asker.close()
        there.close()

    def test_keys_of_the_environment_stay_here(self, monkeypatch, server):
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        vlm = registry.make("vlm", f"openai:m?base_url={server.openai_url}")
        assert KEY.encode() not in pickle.dumps(vlm)
        vlm.close()

    def test_a_client_of_ones_own_cannot_travel(self, sdk):
        with pytest.raises(errors.InvalidInputError, match="cannot go to another process"):
            pickle.dumps(OpenAIVLM("m", client=sdk()))
