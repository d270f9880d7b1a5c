"""Nonsense arguments end in an error of ours that says what the argument should be."""

import numpy as np
import pytest
from PIL import Image

from phyrefine import Budget, Candidates, Scenario, SelfRefiner
from phyrefine.errors import InvalidInputError, PhyrefineError, VideoError
from phyrefine.refine.convergence import MaxLoops
from phyrefine.testing import MovingDot, moving_clip
from phyrefine.types import Prompt, Shot
from phyrefine.video import Clip, deliver

CLIP = moving_clip(8, (16, 16), 8.0)
IMAGE = Image.fromarray(CLIP.frames[0])
NAN = float("nan")

VIDEO = {
    "ragged": lambda: Clip.from_array([[1, 2], [3]], 8),
    "objects": lambda: Clip.from_array(np.array([None] * 4, object), 8),
    "booleans": lambda: Clip.from_array(np.zeros((4, 8, 8, 3), bool), 8),
    "no array": lambda: Clip.from_array(None, 8),
    "a path as frames": lambda: Clip.from_array("x.mp4", 8),
    "a mapping": lambda: Clip.from_array({}, 8),
    "letters": lambda: Clip.from_array(np.array(["a"]), 8),
    "fps None": lambda: Clip(CLIP.frames, None),
    "fps text": lambda: Clip(CLIP.frames, "abc"),
    "fps yes": lambda: Clip(CLIP.frames, True),
    "fps complex": lambda: Clip(CLIP.frames, 1j),
    "fps several": lambda: Clip(CLIP.frames, np.array([1, 2])),
    "images None": lambda: Clip.from_images(None, 8),
    "images paths": lambda: Clip.from_images(["a"], 8),
    "images clip": lambda: Clip.from_images(CLIP, 8),
    "resize nan": lambda: CLIP.resize(NAN, 8),
    "resize text": lambda: CLIP.resize("a", 8),
    "resize None": lambda: CLIP.resize(None, 8),
    "resize huge": lambda: CLIP.resize(10**9, 10**9),
    "resize mode": lambda: CLIP.resize(8, 8, mode=3),
    "resize modes": lambda: CLIP.resize(8, 8, mode=["fit"]),
    "resample nan": lambda: CLIP.resample(NAN),
    "resample text": lambda: CLIP.resample("a"),
    "resample count": lambda: CLIP.resample(8, count="x"),
    "resample nothing": lambda: CLIP.resample(8, count=0),
    "seconds text": lambda: CLIP.seconds("a"),
    "seconds nan": lambda: CLIP.seconds(NAN),
    "seconds None": lambda: CLIP.seconds(None),
    "seconds inf": lambda: CLIP.seconds(0, float("inf")),
    "take beyond": lambda: CLIP.take([8]),
    "take before": lambda: CLIP.take([-9]),
    "take text": lambda: CLIP.take("a"),
    "write None": lambda: CLIP.write(None),
    "write number": lambda: CLIP.write(3),
    "write nothing": lambda: CLIP.write(""),
    "write NUL": lambda: CLIP.write("x\0.mp4"),
    "write surrogate": lambda: CLIP.write("x\ud800.mp4"),
    "write suffix only": lambda: CLIP.write(".mp4"),
    "write dot": lambda: CLIP.write("x."),
    "quality text": lambda: CLIP.to_bytes("mp4", quality="a"),
    "quality None": lambda: CLIP.to_bytes("mp4", quality=None),
    "quality low": lambda: CLIP.to_bytes("mp4", quality=-1),
    "quality high": lambda: CLIP.to_bytes("webm", quality=64),
    "format None": lambda: CLIP.to_bytes(None),
    "format": lambda: CLIP.to_bytes("exe"),
    "read None": lambda: Clip.read(None),
    "read bytes": lambda: Clip.read(b"x"),
    "read device": lambda: Clip.read("/dev/null"),
    "read address": lambda: Clip.read("http://127.0.0.1/y.mp4"),
    "read NUL": lambda: Clip.read("a\0"),
    "read limit": lambda: Clip.read("a.mp4", max_bytes="x"),
    "read size": lambda: Clip.read("a.mp4", size=(1, 2, 3)),
    "bytes text": lambda: Clip.from_bytes("x"),
    "bytes None": lambda: Clip.from_bytes(None),
    "deliver nothing": lambda: deliver(CLIP, frames=0, fps=8, size=None),
    "deliver rate": lambda: deliver(CLIP, frames=8, fps=0, size=None),
}


@pytest.mark.parametrize("name", VIDEO)
def test_clips(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoError):
        VIDEO[name]()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.mp4", "x.mkv", "x.gif", "frames"])
def test_a_place_that_cannot_be_written_is_named_as_it_was_asked_for(name, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file") as caught:
        CLIP.write(tmp_path / "file" / name)
    assert "part" not in str(caught.value)


def test_channels_are_the_last_axis_where_both_readings_fit():
    tall = np.zeros((8, 4, 16, 3), np.uint8)
    assert Clip.from_array(tall, 8).size == (4, 16)
    assert Clip.from_array(tall.transpose(0, 3, 1, 2), 8).size == (4, 16)
    with pytest.raises(VideoError, match="channels"):  # [C, T, H, W]
        Clip.from_array(np.zeros((3, 8, 16, 16), np.uint8), 8)


def test_tensors_without_dense_values():
    torch = pytest.importorskip("torch")
    zeros = torch.zeros(4, 8, 8, 3)
    for tensor in (torch.empty(4, 8, 8, 3, device="meta"), zeros.to_sparse(),
                   zeros.to(torch.complex64)):  # fmt: skip
        with pytest.raises(VideoError):
            Clip.from_array(tensor, 8)


VALUES = {
    "no description": lambda: Scenario(""),
    "spaces": lambda: Scenario("   "),
    "a number": lambda: Scenario(3),
    "seconds": lambda: Scenario("a", seconds=-1),
    "seconds text": lambda: Scenario("a", seconds="x"),
    "seconds inf": lambda: Scenario("a", seconds=float("inf")),
    "seconds of no frame": lambda: Scenario("a", CLIP, seconds=0.0001),
    "seconds yes": lambda: Scenario("a", seconds=True),
    "fps": lambda: Scenario("a", CLIP, fps=NAN),
    "prefix path": lambda: Scenario("a", "clip.mp4"),
    "prefix array": lambda: Scenario("a", CLIP.frames),
    "size 0": lambda: Scenario("a", CLIP, size=(0, 1)),
    "size number": lambda: Scenario("a", CLIP, size=3),
    "size text": lambda: Scenario("a", CLIP, size="ab"),
    "name": lambda: Scenario("a", CLIP, name=3),
    "loops 0": lambda: MaxLoops(0),
    "loops text": lambda: MaxLoops("x"),
    "loops 1.5": lambda: MaxLoops(1.5),
    "loops None": lambda: MaxLoops(None),
    "loops yes": lambda: MaxLoops(True),
    "steps 0": lambda: Candidates(steps=(0,)),
    "steps text": lambda: Candidates(steps=("a",)),
    "no seeds": lambda: Candidates(seeds=()),
    "seeds text": lambda: Candidates(seeds="a"),
    "seeds number": lambda: Candidates(seeds=3),
    "seeds 1.5": lambda: Candidates(seeds=(1.5,)),
    "chain": lambda: Candidates(chain="x"),
    "watch": lambda: Candidates(watch="x"),
    "usd": lambda: Budget(usd=-1),
    "usd text": lambda: Budget(usd="x"),
    "usd nan": lambda: Budget(usd=NAN),
    "prompt None": lambda: Prompt(None),
    "prompt number": lambda: Prompt(3),
    "negative": lambda: Prompt("a", 3),
    "shot text": lambda: Shot("a"),
    "shot seconds": lambda: Shot(Prompt("a"), seconds=-1),
    "shot fps": lambda: Shot(Prompt("a"), fps="x"),
    "shot prefix": lambda: Shot(Prompt("a"), "clip.mp4"),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    with pytest.raises(InvalidInputError, match=r"\w{4}"):
        VALUES[name]()


def test_lists_and_ranges_are_taken_as_they_are_meant():
    assert Candidates(steps=[16, 32], seeds=range(2)) == Candidates((16, 32), (0, 1))
    assert hash(Candidates(seeds=[0, 1])) == hash(Candidates(seeds=(0, 1)))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("convergence", 3), ("convergence", MaxLoops), ("ensemble", 3), ("candidates", (0, 1)),
        ("budget", 3), ("prices", 3), ("listeners", 3), ("listeners", "x"), ("scorers", 3),
        ("scorers", [3]), ("enough", 3), ("method", "paper"), ("draft", 4), ("run_dir", 3),
        ("max_concurrency", 0), ("max_concurrency", "x"), ("call_timeout", -1),
        ("clip_timeout", "x"), ("clip_timeout", NAN),
    ],
)  # fmt: skip
def test_a_refiner_names_the_argument(name, wrong):
    with pytest.raises(InvalidInputError, match=name):
        SelfRefiner("world", "world", MovingDot(), **{name: wrong})


@pytest.mark.parametrize("wrong", [0, -1, "x", 1.5, None])
def test_best_of_takes_a_number(wrong):
    with pytest.raises(InvalidInputError, match="best_of"):
        SelfRefiner.best_of("world", "world", MovingDot(), wrong)


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ("x.mp4", r"Clip\.read"),
        (type("Output", (), {"frames": [[IMAGE] * 8]})(), r"output\.frames\[0\]"),
        ({"frames": [1]}, "return"),
        (None, "return"),
        (3, "return"),
        ([[IMAGE] * 4], r"frames|return"),
        ((clip for clip in [CLIP]), r"return|frames"),
    ],
    ids=["path", "pipeline output", "mapping", "nothing", "number", "batch", "generator"],
)
def test_what_a_generator_returned_is_named_with_the_remedy(given, remedy):
    refiner = SelfRefiner("world", "world", lambda shot: given)
    with pytest.raises(PhyrefineError, match=remedy):
        refiner.refine(Scenario("A dot moves.", CLIP, seconds=1))
