"""How long a server asks us to wait; which model answered; foreign text in messages."""

import datetime as dt

import pytest

from phyrefine.backends.calling import models
from phyrefine.backends.calling.excerpt import excerpt, shown, tidy
from phyrefine.backends.calling.hints import wait_hint
from phyrefine.backends.calling.service import Service, hide_headers

NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
INFO = "type.googleapis.com/google.rpc.RetryInfo"


def retry_info(delay):
    return {"error": {"details": [{"@type": INFO, "retryDelay": delay}]}}


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "17"}, None, 17),
        ({"retry-after": "0.5"}, None, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, None, 0.25),
        ({"retry-after": "Wed, 25 Nov 2026 12:01:30 GMT"}, None, 90),
        ({"retry-after": "Wed, 25 Nov 2026 11:00:00 GMT"}, None, 0),
        ({}, retry_info("17s"), 17),
        ({}, retry_info("1.5s"), 1.5),
        ({}, [retry_info("17s")], 17),
        ({"retry-after": "3"}, retry_info("17s"), 3),
        ({"x-ratelimit-reset-requests": "1m30s", "x-ratelimit-remaining-requests": "0"}, None, 90),
        ({"x-ratelimit-reset-tokens": "250ms", "x-ratelimit-remaining-tokens": "0"}, None, 0.25),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "9"}, None, None),
        ({"x-ratelimit-reset": "1795608090000", "x-ratelimit-remaining": "0"}, None, 90),
        ({"x-ratelimit-reset": "1795608090", "x-ratelimit-remaining": "0"}, None, 90),
        ({"x-ratelimit-reset": "7", "x-ratelimit-remaining": "0"}, None, 7),
        ({"x-ratelimit-reset": "7", "x-ratelimit-remaining": "3"}, None, None),
        ({}, {"error": {"message": "Please try again in 6m0s."}}, 360),
        ({}, {"error": {"message": "Please retry in 27.98s."}}, 27.98),
        ({}, {"error": {"message": "Please retry after 86400 seconds."}}, 86400),
        ({}, {"error": {"message": "try again in 250ms"}}, 0.25),
        ({}, {"error": {"message": "Wait for 2 minutes, please"}}, 120),
        ({}, {"error": {"message": "Please try again later"}}, None),
        ({"retry-after": "-5"}, None, None),
        ({"retry-after": "nan"}, None, None),
        ({"retry-after": "inf"}, None, None),
        ({"retry-after": "soon"}, None, None),
        ({}, {"error": "busy"}, None),
        ({}, {"error": {"details": "none"}}, None),
        ({}, None, None),
    ],
)
def test_wait_hints(headers, body, seconds):
    assert wait_hint(headers, body, now=lambda: NOW) == seconds


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", None, True),
        ("models/gemini-3.8-flash", "gemini-3.8-flash", True),
        ("gemini-3.8-flash", "gemini-3.8-flash-001", True),
        ("gemini-2.5-pro", "gemini-3.8-flash", False),
        ("gemini-flash-latest", "gemini-3.8-flash", True),
        ("llama3.2", "llama3.2:latest", True),
    ],
)
def test_the_model_that_answered(asked, answered, same):
    assert models.is_same_model(asked, answered) is same


def test_alternatives_to_a_model_that_is_gone():
    before, after = dt.date(2026, 11, 30), dt.date(2026, 12, 1)
    assert "shut down" not in models.alternatives("gemini", "gemini-2.5-pro", today=before)
    said = models.alternatives("gemini", "gemini-2.5-pro", today=after)
    assert "gemini-2.5-pro was shut down on 2026-12-01. Others: " in said
    assert "gemini-2.5-flash," not in said
    assert "gpt-4o" in models.alternatives("openai", "gpt-4oo", today=before)
    assert models.alternatives("somebody", "else") == ""


def test_the_defaults_are_known_and_not_about_to_end():
    for provider, name in (("gemini", models.GEMINI_DEFAULT), ("openai", models.OPENAI_DEFAULT)):
        assert name in models.KNOWN[provider]
        assert name not in models.RETIREMENTS[provider]


def test_foreign_text_is_short_printable_and_without_media():
    page = "<html><style>x{}</style><body>Log &amp; in <script>alert(1)</script></body></html>"
    assert excerpt(page) == "Log & in"
    assert excerpt("a\x00\x1b[31m b\ud800\ufeff\n c") == "a[31m b c"
    assert excerpt("data:image/png;base64,AAAA") == "[data]"
    assert len(excerpt("word " * 999)) == 200
    assert shown("A" * 5000) == "[data]"
    assert tidy("line\r\nnext\x07") == "line\nnext"


def test_addresses_and_headers_lose_their_secrets():
    service = Service("p", "P", "m", "https://user:pass-word-9@host.test:8/v1?key=abc-123456789")
    assert (service.endpoint, service.host) == ("https://host.test:8/v1", "host.test:8")
    hide_headers({"Authorization": "Bearer tok-0123456789", "x-team": "physics-team"})
    said = service.words("sent pass-word-9 and tok-0123456789 for physics-team")
    assert said == "sent [hidden] and [hidden] for physics-team"
