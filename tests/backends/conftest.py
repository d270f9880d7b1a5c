"""One server and one SDK client each for all tests: TLS contexts take longer than the tests."""

import pytest
from faulty_server import FakeClock
from kept_clients import KEY, Kept

from phyrefine.backends.calling.learned import forget_learned
from phyrefine.backends.calling.pacing import forget_pacers
from phyrefine.backends.loopback import Loopback
from phyrefine.backends.loopback.rehearsal import rehearse


@pytest.fixture(scope="session")
def shared_server():
    with Loopback(rehearse) as server:
        yield server


@pytest.fixture
def server(shared_server):
    """The shared server, as new."""
    forget_pacers()
    forget_learned()
    shared_server.reply, shared_server.interfere = rehearse, lambda _: None
    shared_server.processing_polls, shared_server.failed = 0, None
    shared_server.requests.clear()
    shared_server.files.clear()
    return shared_server


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(scope="session")
def genai_client(shared_server):
    from google import genai

    client = genai.Client(api_key=KEY, http_options={"base_url": shared_server.url})
    yield client
    client.close()


@pytest.fixture(scope="session")
def openai_client(shared_server):
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=shared_server.openai_url, max_retries=0)
    yield client
    client.close()


@pytest.fixture
def gemini(server, clock, genai_client):
    """Makes GeminiVLMs with a fake clock and jitter of one half."""
    from phyrefine.backends.gemini import GeminiVLM

    made = []

    def make(model="gemini-test", kind=GeminiVLM, **options):
        usual = {"clock": clock, "client": Kept(genai_client), "api_key": KEY}
        vlm = kind(model, **usual | {"base_url": server.url} | options)
        getattr(vlm, "_vlm", vlm)._caller.jitter = lambda: 0.5
        made.append(vlm)
        return vlm

    yield make
    for vlm in made:
        vlm.close()


@pytest.fixture
def openai(server, clock, openai_client):
    """Makes OpenAIVLMs with a fake clock and jitter of one half."""
    from phyrefine.backends.openai import OpenAIVLM

    def make(model="gpt-test", kind=OpenAIVLM, **options):
        usual = {"clock": clock, "client": Kept(openai_client), "api_key": KEY}
        vlm = kind(model, **usual | {"base_url": server.openai_url} | options)
        getattr(vlm, "_vlm", vlm)._caller.jitter = lambda: 0.5
        return vlm

    return make
