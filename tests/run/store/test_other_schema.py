"""Values stored by another version are made anew, and a lost manifest is named."""

import json

import pytest
from attrs import frozen

from phyrefine.errors import RunMismatchError
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
