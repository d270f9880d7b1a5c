"""Values stored by another version are made anew, and a lost manifest is named."""

import json

import pytest
from attrs import evolve, frozen

from phyrefine.errors import RunMismatchError, StoreError
from phyrefine.run.runner import open_run
from phyrefine.run.spec import RunSpec
from phyrefine.run.store.store import FolderStore
from phyrefine.run.store.stored import StoredAsker, StoredGenerator
from phyrefine.testing import moving_clip
from phyrefine.types import Answer, GeneratorProfile, Prompt, Question, Shot


class Asked:
    identity = "asked"
    calls = 0

    def ask(self, question):
        self.calls += 1
        return Answer("A ball falls.")


class Made:
    identity = "made"
    profile = GeneratorProfile("made", fps=8)
    calls = 0

    def generate(self, shot):
        self.calls += 1
        return moving_clip(8, (16, 16), 8)


def spoil(store, value):
    for path in (store.root / "replies").rglob("*.json"):
        entry = json.loads(path.read_text())
        store.put(entry["key"], value)


@pytest.mark.parametrize(
    "value", [{"zzz": 1}, [], 7, "text", {"made": 3}, {"made": {}, "usage": {}}]
)
def test_a_reply_of_another_schema_is_made_anew(tmp_path, value, caplog):
    store = FolderStore(tmp_path)
    asker = StoredAsker(Asked(), store)
    question = Question("critique", "Look.")
    first = asker.ask(question)
    spoil(store, value)
    assert asker.ask(question) == first
    assert asker.backend.calls == 2
    assert "made anew" in caplog.text
    assert asker.ask(question) == first
    assert asker.backend.calls == 2  # and then kept


@pytest.mark.parametrize(
    "value", [{"zzz": 1}, [], 7, "text", {"made": 3}, {"made": {}, "usage": {}}]
)
def test_a_clip_of_another_schema_is_made_anew(tmp_path, value):
    store = FolderStore(tmp_path)
    generator = StoredGenerator(Made(), store)
    shot = Shot(Prompt("A ball falls."), None, 1.0, 8.0, (16, 16), 0)
    first = generator.generate(shot)
    spoil(store, value)
    assert generator.generate(shot) == first
    assert generator.backend.calls == 2


def test_a_key_in_a_reply_is_never_stored(tmp_path):
    @frozen
    class Echo:
        identity: str = "echo"

        def ask(self, question):
            return Answer("Your key is sk-abcdefghijklmnopqrstuvwx, and a torch bearer walking.")

    store = FolderStore(tmp_path)
    answer = StoredAsker(Echo(), store).ask(Question("critique", "Look."))
    assert answer.text == "Your key is [hidden], and a torch bearer walking."
    assert StoredAsker(Echo(), store).recall(Question("critique", "Look.")) == answer


def test_a_lost_manifest_is_named(tmp_path):
    spec = RunSpec(args={}, defaults={}, backends={}, prompts={}, limits={})
    (tmp_path / "store").mkdir()
    (tmp_path / "result.mp4").touch()
    with pytest.raises(RunMismatchError, match=r"manifest\.json is lost"):
        open_run(tmp_path, spec)


SPEC = RunSpec(args={"seeds": 1}, defaults={}, backends={"vlm": "v"}, prompts={"a": "b"}, limits={})


@pytest.mark.parametrize("at", range(0, 400, 16))
def test_a_changed_letter_in_the_manifest_is_damage_and_no_other_experiment(tmp_path, at):
    open_run(tmp_path, SPEC).close()
    path = tmp_path / "manifest.json"
    data = bytearray(path.read_bytes())
    letters = [place for place, letter in enumerate(data) if not chr(letter).isspace()]
    data[letters[at % len(letters)]] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(StoreError, match=r"manifest\.json is damaged .* store folder"):
        open_run(tmp_path, SPEC)


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"[]", b"3", b"{", b"\xff\xfe", b"half"])
def test_a_manifest_that_is_no_longer_one_is_damage(tmp_path, content):
    open_run(tmp_path, SPEC).close()
    path = tmp_path / "manifest.json"
    path.write_bytes(path.read_bytes()[:100] if content == b"half" else content)
    with pytest.raises(StoreError, match=r"manifest\.json is damaged"):
        open_run(tmp_path, SPEC)


def test_another_experiment_is_still_told_as_one(tmp_path):
    open_run(tmp_path, SPEC).close()
    with pytest.raises(RunMismatchError, match="another experiment"):
        open_run(tmp_path, evolve(SPEC, args={"seeds": 2}))


def test_a_manifest_without_a_digest_is_of_an_older_version_and_good(tmp_path):
    open_run(tmp_path, SPEC).close()
    path = tmp_path / "manifest.json"
    value = json.loads(path.read_text())
    del value["digest"]
    path.write_text(json.dumps(value))
    open_run(tmp_path, SPEC).close()
