"""The special tokens are fetched once; what cannot be fetched is told."""

import http.server
import logging
import threading

import huggingface_hub
import pytest

from magi.goldens import DATA
from phyrefine.errors import ModelNotFoundError
from phyrefine.magi import loading
from phyrefine.magi.pipeline import MagiPipeline
from phyrefine.magi.text.captions import MissingSpecialTokensWarning, SpecialTokens
from phyrefine.magi.weights import hub

TOKENS = (DATA / "special_tokens.npz").read_bytes()


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Serves the tokens on this machine; gives its address and the paths asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            found = self.path == "/special_tokens.npz"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(TOKENS if found else b"")

        def log_message(self, *_):
            pass

    monkeypatch.setattr(huggingface_hub.constants, "HF_ASSETS_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}", asked
        served.shutdown()
        thread.join()
    huggingface_hub.close_session()


@pytest.mark.slow
def test_tokens_are_fetched_once(server):
    url, asked = server
    file = hub.fetch_special_tokens(f"{url}/special_tokens.npz")
    assert file.read_bytes() == TOKENS
    assert hub.fetch_special_tokens(f"{url}/special_tokens.npz") == file
    assert asked == ["/special_tokens.npz"]
    assert [f.name for f in file.parent.iterdir()] == ["special_tokens.npz"]


@pytest.mark.slow
def test_what_cannot_be_fetched_is_told(server, caplog):
    url, _ = server
    with pytest.raises(ModelNotFoundError, match=r"404.*pass special_tokens=FILE"):
        hub.fetch_special_tokens(f"{url}/gone.npz")
    with caplog.at_level(logging.WARNING):
        assert hub.fetch_special_tokens(f"{url}/gone.npz", required=False) is None
    assert "could not be fetched" in caplog.text


@pytest.mark.slow
def test_offline_nothing_is_asked_for(server, monkeypatch):
    url, asked = server
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFoundError, match="offline mode"):
        hub.fetch_special_tokens(f"{url}/special_tokens.npz")
    assert asked == []


@pytest.fixture
def bare(original, tmp_path):
    """The published tree without the tokens."""
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "ckpt").symlink_to(original / "ckpt")
    return tmp_path / "bare"


def test_tokens_are_fetched_by_name_and_with_a_model_from_the_hub(bare, original, monkeypatch):
    wanted = SpecialTokens(original / "special_tokens.npz").digest
    fetched = []

    def fetch(**options):
        fetched.append(options)
        return original / "special_tokens.npz"

    monkeypatch.setattr(loading, "fetch_special_tokens", fetch)
    pipe = MagiPipeline.from_pretrained(bare, special_tokens="fetch")
    assert pipe.special_tokens.digest == wanted
    monkeypatch.setattr(loading, "download", lambda *_, **__: bare)
    monkeypatch.setattr(loading, "DEFAULT_VARIANT", "tiny")
    assert MagiPipeline.from_pretrained("sand-ai/MAGI-1").special_tokens.digest == wanted
    assert fetched == [{}, {"required": False}]
    with pytest.warns(MissingSpecialTokensWarning, match="special_tokens='fetch'"):
        assert MagiPipeline.from_pretrained(bare).special_tokens is None
    assert len(fetched) == 2
