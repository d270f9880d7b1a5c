"""What the words of a question say: the parts it marks, the objects it names, what to expect."""

from __future__ import annotations

import re

from attrs import frozen

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (210.0, 45.0, 40.0),
    "orange": (240.0, 140.0, 35.0),
    "yellow": (235.0, 215.0, 70.0),
    "green": (40.0, 150.0, 65.0),
    "blue": (40.0, 80.0, 215.0),
    "purple": (130.0, 55.0, 165.0),
    "pink": (235.0, 140.0, 175.0),
    "brown": (130.0, 90.0, 55.0),
    "black": (32.0, 32.0, 36.0),
    "grey": (125.0, 125.0, 130.0),
    "white": (240.0, 240.0, 240.0),
}
_SPELLING = {"gray": "grey", "violet": "purple"}
_NOUNS = (
    "ball|bob|sphere|marble|block|cube|box|brick|disc|disk|coin|ring|egg|apple|car|cart|"
    "lamp|magnet|stone|rock|bottle|cup|puck|stack|tower|pendulum|stain|ink|dye|smoke|object"
)
_NAMED = re.compile(rf"\b((?:[a-z]+\s+){{0,3}}?)({_NOUNS})s?\b")
_ADJECTIVES = frozenset(
    (*COLOURS, *_SPELLING, "rubber", "wooden", "clay", "iron", "steel", "metal", "glass", "tennis",
     "bouncy", "plastic", "heavy", "light", "small", "large", "big", "little", "hot", "cold")
)  # fmt: skip

_KINDS: tuple[tuple[str, str], ...] = (
    ("swing", r"pendulum|swing|swings|swinging|on (?:a|its|the) string|bob"),
    ("topple", r"stack|tower|dominoe?s?|pile of|blocks"),
    ("spread", r"ink|dye|stain|smoke|steam|milk|diffus\w+"),
    ("shadow", r"shadow"),
    ("warm", r"hot|glow\w*|cold|ice|melt\w*|heat\w*|candle|flame|burn\w*"),
    ("attract", r"magnet\w*"),
    ("ramp", r"ramp|slope|incline\w*|hill|slide"),
    ("collide", r"towards? (?:an?|the|another)|colli[ds]\w+|crash\w*|at an?\w* \w+ ball"),
    ("throw", r"throw\w*|thrown|launch\w*|toss\w*|pedestal|projectile|flies|kick\w*|shoot\w*"),
    ("drop", r"drop\w*|fall\w*|let go|lets go|releas\w+|above (?:a|the)"),
    ("roll", r"roll\w*"),
)  # fmt: skip
_STARTS = re.compile(
    r"\b(?:let go|lets go|releas\w+|drop\w*|thrown|throw\w*|launch\w*|push\w*|roll\w*|falls?|"
    r"swings?|toss\w*|leaves|flies|moves|travels|moving)\b"
)
_SOFT = re.compile(r"\b(?:clay|putty|mud|dough|plasticine|bean ?bag|sand|wet|egg|soft|snow)\b")
_LIVELY = re.compile(r"\b(?:rubber|bouncy|basketball|tennis|ping[- ]pong|superball|inflated)\b")
_MIDDLING = re.compile(r"\b(?:wood|wooden|golf|plastic|glass marble|steel|metal)\b")


def part(text: str, tag: str) -> str:
    """What stands between ``<tag>`` and ``</tag>``, stripped; empty if there is none."""
    found = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return found.group(1).strip() if found else ""


def part_seconds(text: str) -> float:
    """Length of the continuation that a question asks about; 5 s if it does not say."""
    found = re.search(r"\b(?:next|in the) (\d+(?:\.\d+)?) s\b", text)
    return float(found.group(1)) if found else 5.0


@frozen
class Named:
    """An object that the words name.

    Attributes:
        name: With its article, such as ``"the red ball"``.
        noun: ``"ball"``.
        colour: A key of ``COLOURS``, or ``None``.
    """

    name: str
    noun: str
    colour: str | None


@frozen
class Cues:
    """What a description leads one to expect.

    Attributes:
        objects: In the order they are named.
        kinds: What goes on, likeliest first: swing, topple, spread, shadow, warm, attract, ramp,
            collide, throw, drop, roll.
        starts: Whether something is set in motion.
        material: ``"soft"``, ``"lively"``, ``"middling"`` or ``""``.
    """

    objects: tuple[Named, ...] = ()
    kinds: tuple[str, ...] = ()
    starts: bool = False
    material: str = ""

    @property
    def kind(self) -> str:
        """The likeliest kind, or an empty string."""
        return self.kinds[0] if self.kinds else ""


def read_cues(description: str) -> Cues:
    """Expectations from one line about a scene; everything empty for an empty line."""
    text = " ".join(description.lower().split())
    kinds = tuple(kind for kind, words in _KINDS if re.search(rf"\b(?:{words})\b", text))
    material = "soft" if _SOFT.search(text) else ""
    if not material:
        material = "lively" if _LIVELY.search(text) else ""
    if not material:
        material = "middling" if _MIDDLING.search(text) else ""
    return Cues(_objects(text), kinds, bool(_STARTS.search(text)), material)


def _objects(text: str) -> tuple[Named, ...]:
    found: list[Named] = []
    for before, noun in _NAMED.findall(text):
        words = [_SPELLING.get(word, word) for word in before.split() if word in _ADJECTIVES]
        colour = next((word for word in words if word in COLOURS), None)
        label = f"{colour} {noun}" if colour else noun
        if label not in (named.name.removeprefix("the ") for named in found):
            found.append(Named(f"the {label}", noun, colour))
    return tuple(found)


def colour_name(rgb: tuple[float, float, float]) -> str:
    """The everyday name nearest to an RGB colour in 0..255, by hue before brightness."""
    return min(COLOURS, key=lambda name: colour_distance(rgb, COLOURS[name]))


def colour_distance(one: tuple[float, float, float], two: tuple[float, float, float]) -> float:
    """How differently two RGB colours look: chroma counts double."""
    light_one, light_two = sum(one) / 3, sum(two) / 3
    chroma = sum(((a - light_one) - (b - light_two)) ** 2 for a, b in zip(one, two, strict=True))
    return float((4.0 * chroma + (light_one - light_two) ** 2) ** 0.5)
