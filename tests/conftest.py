"""Every test runs offline, on one thread, without the user's keys."""

import os
import signal
import sys

import pytest

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")

from phyrefine.testing import no_network  # noqa: E402

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So it is in a shell's background; the tests of Ctrl-C need it heard.
    signal.signal(signal.SIGINT, signal.default_int_handler)


KEYS = (
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "HF_TOKEN",
    "OPENAI_BASE_URL",
    "GOOGLE_GEMINI_BASE_URL",
)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)
    with no_network():
        yield


@pytest.fixture(autouse=True)
def one_thread():
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
