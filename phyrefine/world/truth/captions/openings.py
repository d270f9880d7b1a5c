"""One-line descriptions that open a caption, and filler that says nothing of physics."""

from __future__ import annotations

from phyrefine.world.truth.captions.wording import Topic

DESCRIPTIONS: dict[str, Topic] = {
    "drop": Topic(
        (
            "A {colour} {material} ball hangs above the floor and is let go.",
            "A {colour} {material} ball is released above a flat floor.",
            "Someone lets go of a {colour} {material} ball above the floor.",
            "A {colour} {material} ball is dropped.",
        ),
        ("Above a level floor a {colour} {material} ball gets released from its holder.",),
    ),
    "projectile": Topic(
        (
            "A {colour} {material} ball is thrown from a pedestal.",
            "A {colour} {material} ball leaves a pedestal and flies over the floor.",
            "A {colour} {material} ball is launched into the air.",
        ),
        ("From the top of a pedestal a {colour} {material} ball gets launched.",),
    ),
    "collision": Topic(
        (
            "A {colour} ball rolls towards a resting {other} ball.",
            "A {colour} ball is pushed at a {other} ball of the same weight.",
            "A moving {colour} ball and a still {other} ball are on a floor.",
        ),
        ("On a floor a {colour} ball gets pushed towards a {other} ball at rest.",),
    ),
    "incline": Topic(
        (
            "A {colour} ball is let go on a ramp.",
            "A {colour} ball is released at the top of a slope.",
            "A {colour} ball lies on a ramp and is let go.",
        ),
        ("High on a slope a {colour} ball gets released.",),
    ),
    "pendulum": Topic(
        (
            "A {colour} ball hangs on a string and is let go from the side.",
            "A pendulum with a {colour} bob is released.",
            "A {colour} ball on a string is pulled aside and let go.",
        ),
        ("On its string a {colour} ball gets released from the side.",),
    ),
    "stack": Topic(
        (
            "A grey ball rolls towards a stack of {colour} and {other} blocks.",
            "A ball is pushed at a stack of {colour} and {other} blocks.",
        ),
        ("At a stack of {colour} and {other} blocks a grey ball gets pushed.",),
    ),
    "stain": Topic(
        (
            "A drop of {colour} ink falls into still water, seen from above.",
            "{colour} ink is dropped into a tray of water.",
        ),
        ("Into a tray of still water falls some {colour} ink.",),
    ),
    "shadow": Topic(
        (
            "A lamp moves above a {colour} post that casts a shadow on the floor.",
            "A {colour} post casts a shadow while a lamp travels above it.",
        ),
        ("While a light travels above, a {colour} post casts its shadow.",),
    ),
    "cooling": Topic(
        (
            "A glowing hot block is pushed against a cold block.",
            "A hot block and a cold block touch on a table.",
        ),
        ("Against a cold block gets pushed a hot, glowing one.",),
    ),
    "magnet": Topic(
        (
            "A {colour} iron ball is let go near a magnet.",
            "A {colour} iron ball lies on the floor next to a magnet and is released.",
        ),
        ("Near a magnet a {colour} iron ball gets released.",),
    ),
}

FILLER = Topic(
    (
        "The camera does not move.",
        "The camera is fixed on a tripod and shows the scene from the side.",
        "The background is plain and evenly lit.",
        "The light is soft and comes from a large window.",
        "The picture is sharp, with natural colours and a little grain.",
        "It is a quiet room with a grey wall.",
        "A realistic video in high quality.",
        "The style is that of a simple laboratory recording.",
        "There is no text and no music in the video.",
        "The wall behind is painted in a pale tone.",
        "It was recorded in the afternoon by a student.",
        "The video shows one continuous take without cuts.",
        "The frame is wide enough to show everything of interest.",
        "Nobody enters the picture.",
        "The recording belongs to a series of simple experiments for a school.",
        "The exposure and the white balance are constant.",
        "Dust in the air is not visible, and the lens is clean.",
        "The viewer sees the scene at eye level, as in a documentary film.",
        "The floor is made of brown boards and was swept in the morning.",
        "Outside it is a calm day in early autumn.",
        "The colours are a little muted, in the manner of old photographs.",
        "The author of the video kept notes in a small book.",
        "Everything was prepared with care the evening before.",
        "The equipment stands on the left and is not shown.",
    ),
    (
        "Shot in one take with a locked-off lens and gentle daylight.",
        "The studio is tidy, its walls pale, and no people appear.",
        "Professional cinematography with muted tones and fine detail.",
        "This footage was archived by the school library some years ago.",
        "The operator wore a blue coat and spoke little that day.",
        "An elegant composition with balanced framing and clean lines.",
    ),
)
