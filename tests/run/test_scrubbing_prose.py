import pytest

from phyrefine._secrets import HIDDEN, hide, scrub


@pytest.mark.parametrize(
    "text",
    [
        "The torch bearer walking over a bridge.",
        "A pallbearer and a ring bearer: bearer strengthens.",
        "https://example.com/plot?key=velocity&token=momentum",
    ],
)
def test_prose_stays(text):
    assert scrub(text) == text


@pytest.mark.parametrize("shown", [12, 10, 20])
def test_a_shortened_echo_of_a_key_is_hidden(shown):
    key = "zq-proj-8f3K2m9LxW7vT4bN1c"
    hide(key)
    told = scrub(f"Incorrect API key provided: {key[:shown]}****. Look it up.")
    assert key[:10] not in told
    assert HIDDEN in told
    assert told.endswith("Look it up.")
