"""Pools on disk: batches equal single clips, files grow, and travel in parts."""

import numpy as np
import pytest

from benchmarks.world.pool import PoolFile, pack, unpack
from benchmarks.world.prompts import Said
from benchmarks.world.rendering import Renderer
from benchmarks.world.scenes import SceneId, choose_scenes, split_of
from phyrefine.errors import InvalidInputError
from phyrefine.types import Prompt, Shot
from phyrefine.world.generator import WorldGenerator
from phyrefine.world.generator.checkpoint import weights_path

SCENE = SceneId(1_100_000)
# One step: what is tested here does not depend on how good the clips look.
RENDERER = Renderer("truthful", steps=1)


def shot(**changes):
    scenario = SCENE.scenario
    return Shot(Prompt(scenario.description), scenario.prefix, seconds=scenario.seconds,
                fps=scenario.fps, size=scenario.size, **changes)  # fmt: skip


def test_a_batch_is_what_the_generator_makes_of_each_seed():
    said = Said((SCENE.scenario.description,))
    frames = RENDERER.render(SCENE.scenario, said, [3, 5])
    for seed, made in zip([3, 5], frames, strict=True):
        alone = WorldGenerator("truthful", steps=1).generate(shot(seed=seed)).native.frames
        assert alone.shape == made.shape
        # Equal on most machines; a batch may sum in another order on some.
        assert np.abs(alone.astype(int) - made).mean() < 0.5


def test_a_prompt_for_each_chunk_changes_that_chunk_and_those_after():
    text = SCENE.scenario.description
    one = RENDERER.render(SCENE.scenario, Said((text,)), [0])[0]
    per_chunk = Said((text, text, "the ball vanishes and nothing is there", text, text))
    other = RENDERER.render(SCENE.scenario, per_chunk, [0])[0]
    assert np.array_equal(one[:16], other[:16])
    assert not np.array_equal(one[16:24], other[16:24])
    with pytest.raises(SystemExit, match="5 chunks"):
        RENDERER.render(SCENE.scenario, Said((text, text)), [0])


@pytest.mark.slow
def test_more_seeds_keep_the_stored_clips(tmp_path, monkeypatch):
    file = PoolFile.of(tmp_path, SCENE, "plain", RENDERER)
    first = file.clips([0, 1])
    asked = []
    render = Renderer.render
    monkeypatch.setattr(
        Renderer, "render", lambda *args: asked.append(list(args[3])) or render(*args)
    )
    assert file.clips([0, 1, 2])[:2] == first
    assert file.clips([1, 2])[0] == first[1]
    assert asked == [[2]]


def test_other_weights_settings_and_words_have_files_of_their_own(tmp_path):
    changed = [Renderer("priors", steps=1), Renderer("truthful", steps=2),
               Renderer("truthful", steps=1, guidance=2.0)]  # fmt: skip
    paths = {PoolFile.of(tmp_path, SCENE, "plain", one).path for one in [RENDERER, *changed]}
    paths.add(PoolFile(tmp_path, SCENE, "plain", Said(("other words",)), RENDERER).path)
    assert len(paths) == 5


def test_packed_pools_come_back_whole(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    files = []
    for number in range(5):
        path = here / "pool" / f"drop-{number}" / "plain.npz"
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes([number]) * 30_000)
        files.append(path)
    shards = pack(here, tmp_path / "shards", 80_000)
    assert len(shards) == 3
    assert all(shard.stat().st_size <= 80_000 for shard in shards)
    unpack(there, shards)
    for path in files:
        assert (there / path.relative_to(here)).read_bytes() == path.read_bytes()


def test_weights_can_be_named_by_a_path():
    given = weights_path("truthful")
    assert Renderer(str(given)).digest == Renderer("truthful").digest
    assert WorldGenerator(str(given)).profile.name == "world-truthful"
    with pytest.raises(InvalidInputError, match="no weights at"):
        weights_path("elsewhere/none.safetensors")


def test_scenes_of_two_purposes_are_never_mixed():
    assert split_of(1_100_000) == "tuning"
    assert split_of(1_700_000) == "held-out"
    assert [scene.kind for scene in choose_scenes(1_100_000, 2)] == ["drop", "collision"]
    with pytest.raises(SystemExit, match="two splits"):
        choose_scenes(1_199_999, 2)
    with pytest.raises(SystemExit, match="not held apart"):
        split_of(5)
