"""Captions are true, may leave things out, and keep some wording for tests."""

import itertools
import re

import numpy as np
import pytest

from phyrefine.world.eye.describing import phrases
from phyrefine.world.truth.captions.captions import (
    all_cues,
    describe,
    filler_only,
    sample_caption,
    topics_of,
)
from phyrefine.world.truth.captions.openings import DESCRIPTIONS, FILLER
from phyrefine.world.truth.captions.wording import TOPICS
from phyrefine.world.truth.physics.mistakes import MISTAKES
from phyrefine.world.truth.scenes import KINDS, sample_scene, simulate

EVERY = {**TOPICS, **{f"describe {name}": topic for name, topic in DESCRIPTIONS.items()}}


@pytest.mark.parametrize("name", EVERY)
def test_held_out_wording_is_never_trained_on(name):
    topic = EVERY[name]
    assert topic.held_out
    assert not set(topic.training) & set(topic.held_out)


def test_held_out_fillers_are_apart():
    assert not set(FILLER.training) & set(FILLER.held_out)


@pytest.mark.parametrize("kind", KINDS)
def test_training_captions_hold_no_held_out_sentence(kind):
    rng = np.random.default_rng(0)
    scene = sample_scene(kind, 3)
    secret = [all_cues(scene, "held_out", rng).split(". ") for _ in range(4)]
    sentences = {part.strip(". ") for text in secret for part in text}
    for _ in range(60):
        said = sample_caption(scene, rng).text
        assert not [part for part in said.split(". ") if part.strip(". ") in sentences]


@pytest.mark.parametrize("kind", KINDS)
def test_captions_state_true_topics_only(kind):
    rng = np.random.default_rng(1)
    for seed in range(5):
        scene = sample_scene(kind, seed)
        for _ in range(20):
            said = sample_caption(scene, rng)
            assert set(said.topics) <= set(topics_of(scene))
            assert "{" not in said.text
            assert "  " not in said.text


def test_rebound_words_match_the_motion():
    seen = set()
    for seed in range(40):
        scene = sample_scene("drop", seed)
        share = scene.number("restitution") ** 2
        topics = topics_of(scene)
        if "rebound high" in topics:
            assert 0.55 < share < 0.72
        elif "rebound low" in topics:
            assert 0.28 < share < 0.40
        else:
            assert "no rebound" in topics
            assert share < 0.01
        seen.add(scene.params["material"])
    assert seen == {"rubber", "wooden", "clay"}


def test_coming_to_rest_is_said_only_when_it_happens():
    for seed in range(30):
        scene = sample_scene("drop", seed)
        if "rest" in topics_of(scene):
            centre = simulate(scene, fps=24).body("ball").centre
            assert np.ptp(centre[-8:, 1]) < 0.02


@pytest.mark.parametrize("kind", MISTAKES)
def test_unsaid_topics_are_left_out(kind):
    rng = np.random.default_rng(2)
    scene = sample_scene(kind, 7)
    for mistake in MISTAKES[kind]:
        for _ in range(30):
            assert not set(sample_caption(scene, rng, mistake.unsaid).topics) & mistake.unsaid


def test_length_alone_means_nothing():
    rng = np.random.default_rng(3)
    scene = sample_scene("drop", 2)
    said = [sample_caption(scene, rng) for _ in range(300)]
    plain = [len(caption.text.split()) for caption in said if not caption.topics]
    full = [len(caption.text.split()) for caption in said if len(caption.topics) > 4]
    assert max(plain) > np.median(full)


def test_description_is_plain_and_cues_add_to_it():
    scene = sample_scene("drop", 1)
    assert all_cues(scene).startswith(describe(scene))
    assert len(all_cues(scene).split()) > 3 * len(describe(scene).split())
    assert "  " not in filler_only(scene, 5, np.random.default_rng(0))


def test_articles_fit():
    rng = np.random.default_rng(5)
    for seed in range(40):
        for kind in ("drop", "collision", "magnet"):
            text = sample_caption(sample_scene(kind, seed), rng).text.lower()
            assert " a orange" not in f" {text}"
            assert " a iron" not in f" {text}"


def test_the_eye_has_no_sentence_of_the_training_captions():
    """Else an experiment's prompts would not be apart from training."""

    def bare(sentence):
        return re.sub(r"\{\w+\}|\bit\b", "#", sentence.lower()).strip(" .")

    taught = {bare(sentence) for topic in TOPICS.values() for sentence in topic.training}
    said = [*phrases.PLAIN.values(), *itertools.chain(*phrases.STRESSED.values()),
            *itertools.chain(*phrases.STRESSED_THROW.values())]  # fmt: skip
    assert [sentence for sentence in said if bare(sentence) in taught] == []
