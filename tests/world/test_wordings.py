"""What words say: tagged parts, objects by colour, kinds of scene, materials."""

import pytest

from phyrefine.world.truth.captions.captions import describe
from phyrefine.world.truth.scenes import sample_scene
from phyrefine.world.wordings import COLOURS, colour_name, part, read_cues


def test_parts_are_what_stands_between_tags():
    text = "Before <limit>30 words</limit> and <motion>\nThe ball falls.\n</motion> after"
    assert part(text, "limit") == "30 words"
    assert part(text, "motion") == "The ball falls."
    assert part(text, "violations") == ""
    assert part("<motion>never closed", "motion") == ""


def test_objects_are_named_by_colour_and_noun():
    cues = read_cues("A small red rubber ball rolls towards the Blue ball near a grey box.")
    assert [item.name for item in cues.objects] == ["the red ball", "the blue ball", "the grey box"]
    assert [item.colour for item in cues.objects] == ["red", "blue", "grey"]
    assert cues.objects[0].noun == "ball"


def test_spellings_and_repetitions_are_one_object():
    cues = read_cues("A gray ball and a violet ball. The grey ball rolls.")
    assert [item.name for item in cues.objects] == ["the grey ball", "the purple ball"]


@pytest.mark.parametrize(
    ("text", "kind", "starts"),
    [
        ("A red ball is let go above the floor.", "drop", True),
        ("A blue ball is thrown over a table.", "throw", True),
        ("A green bob on a string is released.", "swing", True),
        ("A ball rolls down a ramp.", "ramp", True),
        ("A red ball rolls towards a blue one.", "collide", True),
        ("A tower of blocks is hit by a ball.", "topple", False),
        ("Blue ink in clear water.", "spread", False),
        ("A glowing hot block touches a cold one.", "warm", False),
        ("A magnet and an iron ball.", "attract", False),
        ("", "", False),
    ],
)
def test_kinds_of_scene(text, kind, starts):
    cues = read_cues(text)
    assert cues.kind == kind
    assert cues.starts is starts


@pytest.mark.parametrize(
    ("text", "material"),
    [("a rubber ball", "lively"), ("a wooden ball", "middling"), ("a ball of clay", "soft"),
     ("a wet rubber ball", "soft"), ("a ball", "")],
)  # fmt: skip
def test_materials(text, material):
    assert read_cues(text).material == material


@pytest.mark.parametrize(
    ("scene", "kind"),
    [("drop", "drop"), ("projectile", "throw"), ("collision", "collide"), ("incline", "ramp"),
     ("pendulum", "swing"), ("stack", "topple"), ("stain", "spread"), ("shadow", "shadow"),
     ("cooling", "warm"), ("magnet", "attract")],
)  # fmt: skip
def test_the_worlds_own_descriptions_are_understood(scene, kind):
    for seed in range(5):
        described = sample_scene(scene, seed)
        cues = read_cues(describe(described))
        assert cues.kind == kind
        said = [word for word in COLOURS if word in describe(described).split()]
        understood = {item.colour for item in cues.objects} - {None}
        assert understood <= set(said)
        # "A red one" and the colour of a bystander are passed over.
        assert scene in ("stack", "shadow") or understood == set(said)


def test_colours_have_everyday_names():
    for name, rgb in COLOURS.items():
        assert colour_name(rgb) == name
        # In the shade it is still the same colour.
        dimmed = tuple(0.92 * value for value in rgb)
        assert colour_name(dimmed) == name
