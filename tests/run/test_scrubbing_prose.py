import pytest

from phyrefine._secrets import HIDDEN, hide, scrub


@pytest.mark.parametrize(
    "text",
    [
        "The torch bearer walking over a bridge.",
        "A pallbearer and a ring bearer: bearer strengthens.",
        "https://example.com/plot?key=velocity&token=momentum",
        "The secret: it swings. The key is gravity, and the password is not said.",
        "A token of 12 rolls; keys: C4, D4 on the piano; tokens: 3 of 16.",
        "The author: Doe2024. A basic experiment, authorization given by 2 people.",
        "monkey: climbs-the-2-ropes-slowly",
    ],
)
def test_prose_stays(text):
    assert scrub(text) == text


@pytest.mark.parametrize(
    "before",
    [
        "Authorization: Bearer ", "authorization: Basic ", "bearer ", "?api_key=", "&token=",
        "x-goog-api-key: ", "x-key: ", "API key: ", "api_key=", '"api_key": "', "access_token = '",
        "Incorrect API key provided: ", "HF_TOKEN=", "client_secret=", "password: ",
        "Authorization: Key ", "your auth key is: ",
    ],
)  # fmt: skip
def test_a_token_beside_a_word_for_keys_is_hidden(before):
    key = "q7Zr4tPw19xLmN0s"
    told = scrub(f"It said {before}{key}, and so on.")
    assert key not in told
    assert told.startswith("It said ")
    assert told.endswith("and so on.")


@pytest.mark.parametrize("shown", [12, 10, 20])
def test_a_shortened_echo_of_a_key_is_hidden(shown):
    key = "zq-proj-8f3K2m9LxW7vT4bN1c"
    hide(key)
    told = scrub(f"Incorrect API key provided: {key[:shown]}****. Look it up.")
    assert key[:10] not in told
    assert HIDDEN in told
    assert told.endswith("Look it up.")
