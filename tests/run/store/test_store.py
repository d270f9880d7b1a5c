"""What is stored comes back equal, or not at all."""

import json
import logging
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_helpers import KEY, noise

from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.run.store.store import FolderStore, MemoryStore
from phyrefine.testing import MovingDot, moving_clip
from phyrefine.types import Prompt, Shot


@pytest.fixture(params=[FolderStore, MemoryStore])
def store(request, tmp_path):
    return FolderStore(tmp_path) if request.param is FolderStore else MemoryStore()


class TestBothStores:
    def test_absent(self, store):
        assert store.get(KEY) is None
        assert store.get_clip("ab" * 16) is None

    def test_reply_comes_back(self, store):
        value = {"text": "ünï — 物理 \ud800", "n": 0.1 + 0.2, "list": [1, None, True]}
        store.put(KEY, value)
        assert store.get(KEY) == value

    def test_last_reply_counts(self, store):
        store.put(KEY, 1)
        store.put(KEY, 2)
        assert store.get(KEY) == 2

    def test_changing_what_came_back_changes_nothing(self, store):
        store.put(KEY, {"a": [1]})
        store.get(KEY)["a"].append(2)
        assert store.get(KEY) == {"a": [1]}

    def test_clip_with_its_native_frames(self, store):
        clip = MovingDot().generate(Shot(Prompt("a"), seconds=1, fps=24, size=(34, 46)))
        assert clip.native.fps == 8
        back = store.get_clip(store.put_clip(clip))
        assert back == clip
        assert back.native == clip.native

    def test_clip_that_is_its_own_native(self, store):
        clip = noise()
        back = store.get_clip(store.put_clip(clip.with_native(noise())))
        assert back == clip
        assert back.native == clip
        assert back.native.native is None

    def test_native_is_added_to_a_clip_already_there(self, store):
        clip = noise()
        store.put_clip(clip)
        store.put_clip(clip.with_native(noise(seed=1)))
        store.put_clip(clip)
        assert store.get_clip(clip.digest).native == noise(seed=1)


class TestFolderStore:
    @settings(max_examples=12, deadline=None)
    @given(
        frames=st.integers(1, 5),
        size=st.tuples(st.integers(1, 33), st.integers(1, 33)),
        fps=st.floats(0.01, 9999, allow_nan=False),
        seed=st.integers(0, 99),
    )
    def test_every_pixel_and_the_exact_rate(self, tmp_path_factory, frames, size, fps, seed):
        store = FolderStore(tmp_path_factory.mktemp("store"))
        clip = noise(frames, size, fps, seed)
        back = store.get_clip(store.put_clip(clip))
        assert back.fps == fps
        assert np.array_equal(back.frames, clip.frames)

    def test_layout(self, tmp_path):
        store = FolderStore(tmp_path)
        store.put(KEY, {"text": "a ball"})
        digest = store.put_clip(noise())
        files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
        assert files == {
            f"replies/3f/{KEY}.json",
            f"clips/{digest[:2]}/{digest}.mkv",
            f"clips/{digest[:2]}/{digest}.json",
        }
        assert "a ball" in (tmp_path / f"replies/3f/{KEY}.json").read_text("utf-8")

    def test_same_clip_is_written_once(self, tmp_path):
        store = FolderStore(tmp_path)
        path = store.clip_path(store.put_clip(noise()))
        before = path.stat().st_mtime_ns, path.stat().st_ino
        store.put_clip(noise())
        assert (path.stat().st_mtime_ns, path.stat().st_ino) == before

    @pytest.mark.parametrize("key", ["../../x", "a/b", "", "a.b", "a b"])
    def test_a_key_cannot_leave_the_folder(self, tmp_path, key):
        with pytest.raises(InvalidInputError):
            FolderStore(tmp_path).put(key, 1)
        with pytest.raises(InvalidInputError):
            FolderStore(tmp_path).get_clip(key)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda text: text[: len(text) // 2],
            lambda text: "",
            lambda text: "[]",
            lambda text: "null",
            lambda text: text.replace("first", "fIrst"),
            lambda text: text.replace("critique", "compose-"),
        ],
    )
    def test_damaged_reply_is_set_aside_and_made_anew(self, tmp_path, caplog, damage):
        store = FolderStore(tmp_path)
        store.put(KEY, {"text": "first"})
        path = tmp_path / "replies" / "3f" / f"{KEY}.json"
        path.write_text(damage(path.read_text()))
        with caplog.at_level(logging.WARNING):
            assert store.get(KEY) is None
        assert str(path) in caplog.text
        assert path.with_name(path.name + ".damaged").exists() != path.exists()
        store.put(KEY, {"text": "second"})
        assert store.get(KEY) == {"text": "second"}

    def test_damaged_frames_are_set_aside_and_made_anew(self, tmp_path, caplog):
        store = FolderStore(tmp_path)
        clip = noise(9, (32, 32))
        path = store.clip_path(store.put_clip(clip))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
        with caplog.at_level(logging.WARNING):
            assert store.get_clip(clip.digest) is None
        assert str(path) in caplog.text
        store.put_clip(clip)
        assert store.get_clip(clip.digest) == clip

    def test_other_frames_under_the_same_name_are_noticed(self, tmp_path):
        store = FolderStore(tmp_path)
        mine, other = store.put_clip(noise()), store.put_clip(noise(seed=1))
        store.clip_path(mine).write_bytes(store.clip_path(other).read_bytes())
        assert store.get_clip(mine) is None

    def test_frames_without_a_card_are_not_there(self, tmp_path):
        store = FolderStore(tmp_path)
        digest = store.put_clip(noise())
        card = store.clip_path(digest).with_suffix(".json")
        card.write_text(json.dumps({"fps": 1}))
        assert store.get_clip(digest) is None
        store.put_clip(noise())
        assert store.get_clip(digest) == noise()

    def test_clip_whose_native_is_lost_is_not_there(self, tmp_path):
        store = FolderStore(tmp_path)
        clip = noise().with_native(noise(seed=1))
        store.put_clip(clip)
        store.clip_path(clip.native.digest).unlink()
        assert store.get_clip(clip.digest) is None
        store.put_clip(clip)
        assert store.get_clip(clip.digest).native == clip.native

    def test_what_cannot_be_read_is_an_error_not_a_loss(self, tmp_path):
        store = FolderStore(tmp_path)
        (tmp_path / "replies" / "3f" / f"{KEY}.json").mkdir(parents=True)
        with pytest.raises(StoreError, match=f"Cannot read .*{KEY}"):
            store.get(KEY)

    def test_threads(self, tmp_path):
        store = FolderStore(tmp_path)
        clips = [noise(seed=seed) for seed in range(4)]
        wrong = []

        def work(start):
            for turn in range(8):
                clip = clips[(start + turn) % 4]
                store.put_clip(clip)
                back = store.get_clip(clip.digest)
                store.put(KEY, {"turn": turn})
                if back != clip or store.get(KEY) is None:
                    wrong.append((start, turn))

        threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert not list(tmp_path.rglob("*.damaged"))
        assert not list(tmp_path.rglob("*.part*"))

    @pytest.mark.slow
    def test_processes(self, tmp_path):
        script = (
            "import sys; from run_helpers import noise, KEY\n"
            "from phyrefine.run.store.store import FolderStore\n"
            "store = FolderStore(sys.argv[1])\n"
            "for turn in range(12):\n"
            "    clip = noise(seed=turn % 3)\n"
            "    assert store.get_clip(store.put_clip(clip)) == clip\n"
            "    store.put(KEY, 'x' * 5000)\n"
            "    assert store.get(KEY) == 'x' * 5000\n"
        )
        code = f"import os; os.chdir({str(tmp_path)!r})\n{script}"
        running = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(tmp_path)],
                env={"PYTHONPATH": ":".join(sys.path), "PATH": ""},
                stderr=subprocess.PIPE,
            )
            for _ in range(2)
        ]
        errors = [process.communicate()[1].decode() for process in running]
        assert [process.returncode for process in running] == [0, 0], errors
        assert not list(tmp_path.rglob("*.damaged"))


class TestMemoryStore:
    def test_the_longest_unused_go_first(self):
        clips = [noise(seed=seed) for seed in range(3)]
        store = MemoryStore(max_bytes=2 * clips[0].frames.nbytes)
        store.put_clip(clips[0])
        store.put_clip(clips[1])
        assert store.get_clip(clips[0].digest) is not None
        store.put_clip(clips[2])
        assert store.get_clip(clips[1].digest) is None
        assert store.get_clip(clips[0].digest) is clips[0]
        assert store.get_clip(clips[2].digest) is clips[2]

    def test_replies_count_too_and_replacing_frees(self):
        store = MemoryStore(max_bytes=100)
        for _ in range(50):
            store.put("a-1", "x" * 40)
        store.put("b-1", "x" * 40)
        assert store.get("a-1") is not None
        assert store.get("b-1") is not None
        store.put("c-1", "x" * 200)
        assert store.get("c-1") is None
        assert store.get("b-1") is not None

    def test_frames_are_not_copied(self):
        store = MemoryStore()
        clip = moving_clip()
        assert store.get_clip(store.put_clip(clip)).frames is clip.frames
