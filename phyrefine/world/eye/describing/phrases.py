"""The eye's sentences: what physics will do, what is wrong with a clip, what it should show.

``{a}`` is the moving thing, ``{b}`` the other one. A topic is one statement; ``PLAIN`` has it for
predictions, ``STRESSED`` for each fault that broke it, milder first and more concrete second.
"""

from __future__ import annotations

import re

# What happens in each kind of scene, in order of time. "rebound" stands for the wording that
# fits the material.
STORIES: dict[str, tuple[str, ...]] = {
    "drop": ("fall", "land", "rebound", "decay", "whole", "settle"),
    # Landing, heights and shrinking bounces are words of a drop: with them a thrown ball falls
    # straight down. What tells a throw apart is that it keeps going sideways.
    "throw": ("arc", "forward", "bounce on", "onward", "whole"),
    "collide": ("approach", "contact", "transfer", "slowing", "whole"),
    "ramp": ("down ramp", "surface", "run out", "slowing", "whole"),
    "swing": ("swing", "fastest", "height", "string", "whole"),
    "topple": ("topple", "heap", "whole"),
    "spread": ("spread", "paler"),
    "shadow": ("lamp", "shadow"),
    "warm": ("equalise",),
    "attract": ("attract", "held", "whole"),
    "roll": ("roll on", "slowing", "whole"),
    "": ("go on", "whole"),
}

PLAIN: dict[str, str] = {
    "fall": "{a} falls straight down and becomes faster and faster under gravity.",
    "land": "{a} meets the floor and does not sink into it.",
    "rebound": "{a} bounces off the floor and goes up again.",
    "rebound lively": "{a} bounces back up to about two thirds of the height it fell from.",
    "rebound middling": "{a} bounces back up to only about a third of the height it fell from.",
    "rebound soft": "{a} lands without a rebound and stays where it lands.",
    "decay": "Each bounce is lower than the one before because every impact takes energy.",
    "whole": "{a} stays visible the whole time and keeps its shape, size and colour.",
    "settle": "Finally {a} comes to rest and lies still on the floor.",
    "arc": "{a} flies along a curved arc: it rises, slows, turns over and falls ever faster.",
    "forward": "{a} moves sideways at the same speed all the way, in the air and after it.",
    "bounce on": "{a} bounces off the floor and goes up again.",
    "bounce on soft": "{a} lands without a rebound and stays where it lands.",
    "onward": "{a} keeps moving sideways in the same direction with every bounce.",
    "approach": "{a} rolls straight on until it reaches {b}.",
    "contact": "{a} hits {b}; they touch at their edges and do not pass through each other.",
    "transfer": "{b} rolls away with nearly the same speed and {a} almost stops.",
    "slowing": "Friction slows the rolling little by little, without sudden jumps.",
    "down ramp": "{a} rolls down the ramp and gains speed on the way.",
    "surface": "{a} stays in contact with the ramp and does not sink into it.",
    "run out": "At the bottom {a} leaves the ramp and rolls on along the floor.",
    "swing": "{a} keeps swinging back and forth with a constant period.",
    "fastest": "{a} is fastest at the lowest point and slows towards each end.",
    "height": "{a} rises nearly as high on the other side, never higher than where it was let go.",
    "string": "The string stays straight and its length the same.",
    "topple": "{a} hits {b}, and the blocks tip over and fall to the floor.",
    "heap": "The blocks come to rest in a heap on the floor.",
    "spread": "{a} spreads slowly in all directions and grows wider with time.",
    "paler": "{a} becomes paler while it spreads.",
    "lamp": "The lamp goes on steadily in a straight line.",
    "shadow": "The shadow points away from the lamp and changes its length as the lamp moves.",
    "equalise": "Heat flows from the hot object to the cold one until both are equally warm.",
    "attract": "The magnet pulls {a} towards it, faster and faster.",
    "held": "{a} touches the magnet and stays there without bouncing away.",
    "roll on": "{a} keeps rolling in the same direction along the floor.",
    "go on": "{a} keeps moving in the same direction without sudden jumps.",
}  # fmt: skip

# Fault: (law, what one sees, topic it breaks).
FAULTS: dict[str, tuple[str, str, str]] = {
    "frozen": ("motion goes on", "Nothing moves: {a} stands still although it should move.", ""),
    "vanish": ("object permanence", "{a} vanishes.", "whole"),
    "fade": ("object permanence", "{a} fades away.", "whole"),
    "appear": ("object permanence", "{a} appears out of nothing.", "whole"),
    "split": ("object permanence", "{a} splits into two.", "whole"),
    "size": ("objects keep their size", "{a} changes its size.", "whole"),
    "colour": ("objects keep their colour", "{a} changes its colour.", "whole"),
    "jump": ("motion is continuous", "{a} jumps suddenly to another place.", ""),
    "hover": ("gravity", "{a} hangs in the air and does not fall.", "fall"),
    "slow fall": ("gravity", "{a} falls too slowly, as if it floated.", "fall"),
    "fast fall": ("gravity", "{a} falls faster than gravity pulls.", "fall"),
    "sideways": ("inertia", "{a} is pushed sideways in the air although nothing pushes it.", ""),
    "stick": ("elastic rebound", "{a} sticks to the floor without a rebound.", "rebound"),
    "weak bounce": ("elastic rebound", "{a} bounces too low.", "rebound"),
    "strong bounce": ("elastic rebound", "{a} bounces too high.", "rebound"),
    "soft bounce": ("elastic rebound", "{a} bounces although it is soft.", "rebound"),
    "gain": ("energy", "{a} bounces higher than before, out of nothing.", "decay"),
    "sink": ("solidity", "{a} sinks through the floor.", "land"),
    "stop": ("inertia", "{a} stops suddenly although nothing is in its way.", ""),
    "start": ("inertia", "{a} sets off by itself although nothing touches it.", ""),
    "slope stop": ("gravity", "{a} stops on the ramp and stays there.", "down ramp"),
    "pass through": ("solidity", "{a} passes through {b}.", "contact"),
    "no transfer": ("momentum", "{a} stops at {b}, and {b} does not move.", "transfer"),
    "push gain": ("momentum", "{b} sets {a} moving faster than it came.", "transfer"),
    "swing stop": ("gravity", "{a} stops in mid-swing and stays there.", "swing"),
    "swing gain": ("energy", "{a} swings higher than before, out of nothing.", "height"),
    "string": ("rigid length", "{a} leaves its circle: the string changes its length.", "string"),
    "period": ("constant period", "{a} swings unevenly, now fast and now slow.", "swing"),
    "gather": ("diffusion", "{a} draws together and becomes darker.", "spread"),
}

STRESSED: dict[str, tuple[str, str]] = {
    "vanish": (
        "{a} does not disappear: it stays visible with the same size and colour to the end.",
        "{a} never vanishes and remains in view the whole time, also after the impact.",
    ),
    "fade": (
        "{a} does not fade: it keeps its full colour and stays visible to the end.",
        "{a} never fades and is the same object from beginning to end.",
    ),
    "appear": (
        "No new object appears; there are only the objects from the beginning.",
        "{a} is the same object from beginning to end and nothing is added.",
    ),
    "split": (
        "{a} does not split; it stays one object to the end.",
        "{a} remains one solid object with the same shape.",
    ),
    "size": (
        "{a} keeps the same size and shape to the end.",
        "{a} does not grow, shrink or melt; its size stays the same.",
    ),
    "colour": (
        "{a} keeps its colour throughout.",
        "{a} never changes its colour.",
    ),
    "hover": (
        "{a} does not hang or float in the air but keeps falling and speeds up to the floor.",
        "Gravity pulls {a} down without a stop: it falls faster and faster to the floor.",
    ),
    "slow fall": (
        "{a} does not float: it falls faster and faster under gravity.",
        "Gravity pulls {a} down and its speed increases steadily.",
    ),
    "fast fall": (
        "{a} falls with a speed that grows evenly, no faster than gravity makes it.",
        "The fall of {a} is continuous and its speed increases steadily.",
    ),
    "stick": (
        "{a} does not stick to the floor: the impact reverses its motion and it bounces back up.",
        "When it hits the floor {a} bounces off it and rises again instead of staying there.",
    ),
    "weak bounce": (
        "The rebound is strong: {a} bounces back up to about two thirds of its height.",
        "{a} springs back upward and rises to more than half of its height.",
    ),
    "strong bounce": (
        "The rebound is weak: {a} bounces back up to about a third of its height.",
        "{a} springs back only a little and rises to less than half of its height.",
    ),
    "soft bounce": (
        "{a} does not bounce: the impact takes all its energy and it stays where it lands.",
        "{a} lands and stops dead on the floor without a rebound.",
    ),
    "gain": (
        "Each bounce of {a} is lower than the one before; it never rises as high again.",
        "{a} loses energy at every impact, so the bounces get smaller and smaller.",
    ),
    "sink": (
        "The floor is solid: {a} stops at its surface and does not pass through it.",
        "{a} touches the surface of the floor and never sinks into it.",
    ),
    "slope stop": (
        "{a} does not stop on the ramp but rolls down faster and faster.",
        "Gravity makes {a} roll down the slope with growing speed to the bottom.",
    ),
    "pass through": (
        "{a} and {b} are solid: they collide and do not pass through each other.",
        "{a} strikes {b} at its edge and never moves into it.",
    ),
    "no transfer": (
        "The impact sets {b} in motion: {b} rolls away and {a} stays behind.",
        "{b} does not stay in place; the momentum passes to it and it rolls off.",
    ),
    "push gain": (
        "After the collision {a} rolls away no faster than {b} came.",
        "The momentum passes on and nothing becomes faster by the impact.",
    ),
    "swing stop": (
        "{a} does not stop in mid-swing but keeps swinging from side to side.",
        "The pendulum swings past its lowest point to the other side and back.",
    ),
    "swing gain": (
        "{a} never rises higher than where it was let go; each swing is a little lower.",
        "{a} reaches almost the same height at each end and never a greater one.",
    ),
    "string": (
        "The string does not stretch, so {a} moves on a circle.",
        "The string remains attached and straight and keeps its length.",
    ),
    "period": (
        "{a} swings with a constant period, each swing as long as the one before.",
        "The swing repeats evenly and {a} is fastest at the lowest point.",
    ),
    "gather": (
        "{a} spreads outward and never gathers again or becomes darker.",
        "{a} grows wider and paler with time.",
    ),
    "frozen": (
        "{a} does not stand still: it moves from the first moment on.",
        "The motion of {a} continues at once and does not stop.",
    ),
    "jump": (
        "{a} goes on from the very place where it was.",
        "The path of {a} has no gap from beginning to end.",
    ),
    "sideways": (
        "{a} does not drift: its sideways motion stays the same in the air.",
        "Nothing pushes {a} sideways in the air.",
    ),
    "stop": (
        "{a} does not stop by itself but keeps moving in the same direction.",
        "{a} keeps moving and slows down only little by little.",
    ),
    "start": (
        "{a} stays at rest until something hits it.",
        "Nothing moves {a} before it is touched.",
    ),
}

# Faults of a thrown ball, told without the words of a drop (see ``STORIES``).
_FALLING = (
    "{a} does not float at the top of its arc; it turns over and comes down.",
    "{a} follows its arc over the top and down, moving sideways all the way.",
)
_BOUNCING = (
    "{a} rebounds from the floor and keeps moving sideways at the same speed.",
    "With every bounce {a} flies on sideways in another arc.",
)
_LOWER = (
    "{a} loses energy at every impact, so the bounces get smaller and smaller.",
    "{a} keeps moving sideways in lower and lower arcs.",
)
STRESSED_THROW: dict[str, tuple[str, str]] = {
    "hover": _FALLING,
    "slow fall": _FALLING,
    "fast fall": _FALLING,
    "stick": _BOUNCING,
    "weak bounce": _BOUNCING,
    "sink": _BOUNCING,
    "strong bounce": _LOWER,
    "gain": _LOWER,
}


def say(template: str, a: str, b: str = "the other object") -> str:
    """Fill in the names and begin with a capital letter."""
    text = re.sub(r" +", " ", template.format(a=a, b=b)).strip()
    return text[0].upper() + text[1:]
