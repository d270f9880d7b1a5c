"""What the generator is taught of physics, and the wording held out for tests.

Each topic is one physical statement with several paraphrases. ``training`` sentences appear in
training captions; ``held_out`` sentences never do. ``{b}`` is the moving object, ``{o}`` the
other one.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Topic:
    """One statement in ``training`` and ``held_out`` wording."""

    training: tuple[str, ...]
    held_out: tuple[str, ...]


TOPICS: dict[str, Topic] = {
    "fall": Topic(
        (
            "{b} falls straight down and speeds up on the way.",
            "{b} falls faster and faster under gravity.",
            "Gravity pulls {b} down, so it accelerates towards the floor.",
            "{b} drops to the floor and gains speed as it falls.",
            "{b} does not float or hang in the air but keeps falling.",
            "Once let go, {b} accelerates downward without stopping in mid-air.",
            "The fall is continuous and its speed increases steadily.",
        ),
        (
            "Pulled by gravity, {b} plunges downward, gaining speed all the way.",
            "{b} must not hover; it keeps accelerating down until the floor.",
        ),
    ),
    "land": Topic(
        (
            "{b} hits the floor and does not sink into it.",
            "{b} reaches the floor and touches its surface.",
            "{b} strikes the ground and does not pass through it.",
            "The floor is solid and stops {b} at its surface.",
            "{b} collides with the floor.",
        ),
        (
            "{b} makes contact with the solid ground and never goes through it.",
            "On impact the floor holds {b} at its surface.",
        ),
    ),
    "rebound high": Topic(
        (
            "{b} bounces back up to about two thirds of its height.",
            "{b} rebounds high, to more than half of the height it fell from.",
            "After the impact {b} bounces up to roughly two thirds of the drop.",
            "{b} springs back upward and rises to more than half its height.",
            "The rebound is strong and reaches about two thirds of the starting height.",
        ),
        (
            "{b} leaps upward again, reaching around two thirds of where it began.",
            "A strong bounce carries {b} back to over half of the original height.",
        ),
    ),
    "rebound low": Topic(
        (
            "{b} bounces back up to about a third of its height.",
            "{b} rebounds low, to less than half of the height it fell from.",
            "After the impact {b} bounces up to roughly a third of the drop.",
            "{b} springs back upward only a little and rises to a third of its height.",
            "The rebound is weak and reaches about a third of the starting height.",
        ),
        (
            "{b} leaps upward again but only to around a third of where it began.",
            "A weak bounce carries {b} back to below half of the original height.",
        ),
    ),
    "rebound": Topic(
        (
            "{b} bounces off the floor and rises again.",
            "{b} does not stick to the floor; it rebounds.",
            "When it hits the floor {b} bounces back up.",
            "The impact reverses the motion and {b} moves upward again.",
            "{b} rebounds from the floor instead of stopping there.",
        ),
        (
            "Upon impact {b} bounces upward rather than sticking to the ground.",
            "Contact with the floor sends {b} up again.",
        ),
    ),
    "no rebound": Topic(
        (
            "{b} lands and does not bounce.",
            "{b} stops dead on the floor without a rebound.",
            "The impact takes all its energy and {b} stays where it lands.",
            "{b} thuds onto the floor and remains there at once.",
        ),
        ("{b} lands dead, with no rebound at all, and remains in place.",),
    ),
    "decay": Topic(
        (
            "Each bounce is lower than the one before.",
            "Every bounce loses energy, so the bounces become lower and shorter.",
            "The bounces get smaller and smaller.",
            "It loses energy at every impact and never rises as high again.",
            "With each impact the rebound height decreases.",
        ),
        (
            "Successive bounces shrink as energy is lost.",
            "Each rebound is smaller and lower than the previous one.",
        ),
    ),
    "solid": Topic(
        (
            "{b} stays visible and keeps its shape, size and colour.",
            "{b} remains in view the whole time and does not disappear.",
            "{b} keeps the same size and shape throughout.",
            "{b} never vanishes, splits or changes its colour.",
            "{b} is the same object from beginning to end.",
            "{b} does not fade, melt or vanish.",
        ),
        (
            "Throughout, {b} remains visible with constant shape and size, never disappearing.",
            "{b} persists unchanged; it neither fades nor vanishes.",
        ),
    ),
    "steady": Topic(
        (
            "{b} moves on smoothly at its natural pace and never jumps to another place.",
            "The motion goes on at its natural pace, neither rushed nor slowed down.",
            "{b} follows one unbroken path and keeps its natural pace.",
            "Nothing leaps or rushes: everything moves on as quickly as before.",
            "The path of {b} has no breaks and its pace stays natural.",
        ),
        ("From start to end {b} moves without leaps, at the same natural pace as before.",),
    ),
    "rest": Topic(
        (
            "Finally {b} comes to rest on the floor.",
            "In the end {b} lies still on the floor.",
            "{b} settles on the floor and stays there.",
            "The motion dies out and {b} remains at rest.",
        ),
        ("Eventually {b} settles and lies at rest on the ground.",),
    ),
    "approach": Topic(
        (
            "{b} rolls towards {o} in a straight line.",
            "{b} moves along the floor and comes closer to {o}.",
            "{b} keeps moving at nearly constant speed until it reaches {o}.",
            "{b} travels across the floor until it meets {o}.",
        ),
        ("{b} keeps rolling along a straight line until it meets {o}.",),
    ),
    "contact": Topic(
        (
            "{b} hits {o}; they touch but do not overlap.",
            "The two balls collide and never pass through each other.",
            "{b} strikes {o} and they are solid, so they do not merge.",
            "They make contact at their edges and do not interpenetrate.",
            "{b} collides with {o}.",
        ),
        ("The balls touch at their edges on impact, without overlapping or merging.",),
    ),
    "transfer": Topic(
        (
            "{b} stops and {o} moves off with nearly its speed.",
            "The momentum passes to {o}, which rolls away while {b} stays behind.",
            "{b} transfers its momentum, so {o} starts to move and {b} almost stops.",
            "After the collision {o} rolls on in the same direction and {b} comes nearly to rest.",
            "{o} is pushed away and {b} slows down abruptly.",
            "{o} does not stay in place: the impact sets it in motion.",
        ),
        (
            "On impact momentum is transferred: {o} rolls off while {b} nearly halts.",
            "{o} takes over the speed and moves away, leaving {b} almost at rest.",
        ),
    ),
    "friction": Topic(
        (
            "Friction slows the rolling gradually.",
            "It rolls slower and slower because of friction.",
            "The speed decreases smoothly without sudden jumps.",
            "Rolling resistance takes away speed little by little.",
        ),
        ("Gradually friction takes away its speed.",),
    ),
    "arc": Topic(
        (
            "{b} flies along a curved arc.",
            "{b} rises, slows, turns over and falls along a parabola.",
            "{b} follows a parabolic path through the air.",
            "Gravity bends the path of {b} into an arc.",
            "{b} goes up, reaches a top and then comes down ever faster.",
        ),
        ("The path through the air is a parabola: up, over the top and down again.",),
    ),
    "forward": Topic(
        (
            "It keeps moving sideways at the same speed.",
            "Its horizontal motion goes on and does not stop at the impact.",
            "It continues forward with every bounce.",
            "It bounces on across the floor in the same direction.",
        ),
        ("Its sideways motion continues at constant speed in the same direction.",),
    ),
    "roll": Topic(
        (
            "{b} rolls down the ramp and speeds up.",
            "{b} accelerates down the slope, rolling faster and faster.",
            "Gravity makes {b} roll down the slope with growing speed.",
            "{b} turns as it rolls down and does not stop on the ramp.",
            "{b} gains speed on the way down the ramp.",
        ),
        ("Rolling down the slope, {b} gains speed steadily and never stops half way.",),
    ),
    "surface": Topic(
        (
            "{b} stays in contact with the surface of the ramp.",
            "{b} does not sink into the ramp or lift off it.",
            "{b} follows the slope and touches it all the way.",
        ),
        ("All the way {b} touches the surface without sinking in.",),
    ),
    "floor": Topic(
        (
            "At the bottom {b} rolls on along the floor.",
            "{b} leaves the ramp and continues across the floor.",
            "{b} keeps rolling on the level floor after the ramp.",
            "{b} reaches the bottom and rolls out over the floor.",
        ),
        ("After the bottom {b} continues rolling across the level ground.",),
    ),
    "swing": Topic(
        (
            "{b} swings back and forth.",
            "{b} keeps swinging from side to side on its string.",
            "The pendulum swings through its lowest point to the other side and returns.",
            "{b} does not stop in mid-swing but keeps oscillating.",
            "The swing repeats with a constant period.",
        ),
        ("From side to side the pendulum keeps oscillating with a constant period.",),
    ),
    "fastest": Topic(
        (
            "{b} is fastest at the lowest point and slows towards the ends.",
            "{b} speeds up on the way down and slows on the way up.",
            "It pauses briefly at each end and is fastest at the bottom.",
        ),
        ("At the bottom {b} moves fastest, pausing at either end.",),
    ),
    "string": Topic(
        (
            "The string stays straight and keeps its length.",
            "{b} moves on a circle because the string does not stretch.",
            "The string remains attached and does not change its length.",
        ),
        ("Straight and attached, the string never stretches, so {b} stays on a circle.",),
    ),
    "height": Topic(
        (
            "{b} rises nearly as high on the other side.",
            "It reaches almost the same height at each end, a little lower each time.",
            "It never rises higher than where it was let go.",
        ),
        ("On the other side {b} reaches nearly the same height, never higher.",),
    ),
    "topple": Topic(
        (
            "{b} hits the stack and the blocks topple over.",
            "The stack is knocked over and the blocks fall to the floor.",
            "The blocks tip, fall and come to rest in a heap.",
        ),
        ("Struck by {b}, the blocks tip over and end in a heap on the floor.",),
    ),
    "spread": Topic(
        (
            "The stain spreads slowly in all directions.",
            "The ink diffuses outward and its edge becomes blurred.",
            "The stain grows wider with time, quickly at first and then more slowly.",
            "The ink spreads evenly through the water.",
        ),
        ("Evenly in all directions the ink diffuses and the stain becomes wider.",),
    ),
    "paler": Topic(
        (
            "It becomes paler as it spreads.",
            "Its colour fades in the middle because the ink is diluted.",
            "The stain never gathers again or becomes darker.",
        ),
        ("As the ink is diluted the stain becomes paler, never darker.",),
    ),
    "lamp": Topic(
        (
            "The lamp moves on steadily in a straight line.",
            "The lamp travels above the post at constant speed.",
            "The light keeps moving and does not stop.",
        ),
        ("Above the post the light travels steadily on at constant speed.",),
    ),
    "shadow": Topic(
        (
            "The shadow points away from the lamp.",
            "The shadow is shortest under the lamp and then grows on the other side.",
            "As the lamp passes the post the shadow changes sides and becomes longer.",
            "The shadow starts at the foot of the post and moves opposite to the lamp.",
        ),
        ("Opposite to the light, the shadow changes sides and grows longer.",),
    ),
    "equalise": Topic(
        (
            "Heat flows from the hot block to the cold block.",
            "The hot block cools and its glow fades while the cold block warms up.",
            "The two blocks slowly become equally warm.",
            "The glow of the hot block fades quickly at first and then slowly.",
            "The temperatures approach each other and their colours become the same.",
        ),
        ("As heat flows over, the colours of both blocks slowly become the same.",),
    ),
    "attract": Topic(
        (
            "The magnet pulls {b} towards it.",
            "{b} is attracted and moves to the magnet faster and faster.",
            "{b} accelerates towards the magnet as it comes closer.",
            "The magnetic force sets {b} in motion and draws it in.",
        ),
        ("Drawn by the magnetic force, {b} accelerates until it reaches the magnet.",),
    ),
    "stick": Topic(
        (
            "{b} touches the magnet and stays there.",
            "{b} sticks to the magnet and does not bounce away.",
            "{b} is held by the magnet at its face.",
        ),
        ("At the magnet {b} is held and stays, without bouncing away.",),
    ),
}
