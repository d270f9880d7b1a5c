"""``phyrefine generators`` and the memory estimate of ``phyrefine doctor``."""

import pytest

from phyrefine.__main__ import main
from phyrefine.backends.diffusers.families.table import facts, list_families, named


def test_every_family_is_listed_with_context_license_and_what_was_run(capsys):
    assert main(["generators"]) == 0
    told = capsys.readouterr().out
    words = " ".join(told.replace("│", " ").split())
    for spec in list_families():
        assert spec.name in told
        assert spec.license.split()[0] in words
        assert all(f"{checkpoint.id}  ({spec.name})" in told for checkpoint in spec.checkpoints)
    assert 'pip install "phyrefine[diffusers]"' in words
    assert "Run on real classes with tiny random weights" in words
    assert "a stub in place of the guardrail" in words


def test_a_broken_backend_does_not_hide_the_others(capsys, monkeypatch):
    from phyrefine import registry
    from phyrefine.errors import UnknownBackendError

    find = registry.find

    def broken(name):
        if name == "world":
            raise UnknownBackendError("The backend 'world' cannot be loaded.")
        return find(name)

    monkeypatch.setattr(registry, "find", broken)
    assert main(["generators"]) == 0
    told = capsys.readouterr().out
    assert "cannot be loaded" in told
    assert "cogvideox-i2v" in told


def test_facts_are_in_words():
    assert facts(named("cogvideox-t2v"))["context frames"] == "text only"
    assert facts(named("cogvideox-i2v"))["context frames"] == "1"
    assert facts(named("cosmos-1"))["context frames"] == "9 (or 1)"
    assert facts(named("wan-vace"))["context frames"] == "17 (or 13, 9, 5, ...)"
    assert facts(named("wan-vace"))["new in one pass"] == "4.0 s"


def test_doctor_estimates_memory(capsys, tmp_path):
    words = ["doctor", "--out", str(tmp_path), "--generator", "diffusers:THUDM/CogVideoX-5b-I2V"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "Device memory of cogvideox-i2v in bfloat16, estimated" in told
    for mode in ("fast", "balanced", "tight"):
        assert mode in told
    assert "transformer 10.4" in told


@pytest.mark.parametrize(
    ("generator", "said"), [("world", "No memory estimate"), ("diffusers:some/body", "neither")]
)
def test_doctor_says_what_it_cannot_estimate(generator, said, capsys, tmp_path):
    main(["doctor", "--out", str(tmp_path), "--generator", generator])
    captured = capsys.readouterr()
    assert said in captured.out + captured.err
