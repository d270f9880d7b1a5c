import jinja2
import pytest

from phyrefine.errors import InvalidInputError
from phyrefine.refine import prompts


def test_knowledge_holds_every_domain_and_every_law_asks_what_to_look_for():
    whole = prompts.knowledge()
    for domain in prompts.DOMAINS:
        section = prompts.domain_knowledge(domain)
        assert section in whole
        laws = [line for line in section.splitlines() if line.startswith("- ")]
        assert len(laws) >= 6
        for law in laws:
            assert "*Look: " in law
            assert law.rstrip("*").endswith("?") or "?" in law.split("*Look: ")[1]
    assert len(whole.split()) < 1600  # K goes whole into every question, so it stays short


def test_unknown_domain():
    with pytest.raises(InvalidInputError, match="acoustics"):
        prompts.domain_knowledge("acoustics")


def test_a_missing_value_is_an_error_not_a_hole():
    with pytest.raises(jinja2.UndefinedError):
        prompts.render("score_question", seam=None)


def test_schemas_are_closed_and_complete():
    for name in ("predict", "critique", "compose", "score", "compare"):
        schema = prompts.schema(name)
        assert schema["additionalProperties"] is False
        assert set(schema["required"]) == set(schema["properties"])


def test_every_asset_has_a_digest():
    digests = prompts.asset_digests()
    assert {"critique.md.jinja", "critique.schema.json", "optics.md"} <= digests.keys()
    assert len(set(digests.values())) == len(digests)
