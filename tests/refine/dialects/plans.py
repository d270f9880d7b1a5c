"""Three fixed plans, and rewrites of them with and without seeded faults."""

import random
import re

from phyrefine.refine.dialects.assembling import sentence
from phyrefine.types import Plan, PlanEvent, PlanObject

SHORT = Plan(
    description="A red ball falls onto a wooden floor.",
    camera="The camera is fixed.",
    objects=(PlanObject("the red ball", "rubber", "high in the middle", "moving down"),),
    events=(
        PlanEvent("The red ball falls straight down, faster and faster.", 0.0, 0.6),
        PlanEvent("The red ball hits the floor and bounces to half its height.", 0.6, 1.8),
    ),
    end="The red ball rests on the floor.",
    unchanged=("The floor stays bare and level.",),
    laws=("gravity", "elastic rebound"),
)
CROWDED = Plan(
    description="A blue block slides towards a glass, a cup and a stack of coins on a table.",
    scene="A bright kitchen with a long wooden table and a window behind it.",
    camera="The camera is fixed and looks along the table.",
    objects=(
        PlanObject("the blue block", "wood", "at the left", "sliding right"),
        PlanObject("the glass", "glass", "in the middle", "at rest"),
        PlanObject("the cup", "porcelain", "behind the glass", "at rest"),
        PlanObject("the stack", "copper", "at the right end", "at rest"),
    ),
    events=(
        PlanEvent("The blue block slides right along the table and slows down.", 0.0, 1.5),
        PlanEvent("The blue block touches the glass and pushes it to the right.", 1.5, 2.4, 1),
        PlanEvent("The blue block and the glass stop side by side.", 2.4, 5.0),
    ),
    end="The glass stands upright beside the blue block.",
    unchanged=("The cup stays where it is.", "The stack of coins stays upright.",
               "The light stays the same."),
    laws=("friction", "inertia"),
    avoid=("The glass slides away before it is touched.",),
)  # fmt: skip
FIVE = Plan(
    description="A steel ball rolls down a ramp into a row of dominoes.",
    camera="The camera is fixed.",
    objects=(PlanObject("the steel ball", "steel", "at the top of the ramp", "rolling right"),),
    events=(
        PlanEvent("The steel ball rolls down the ramp and gains speed.", 0.0, 1.2),
        PlanEvent("The steel ball leaves the ramp and rolls right along the floor.", 1.2, 2.0),
        PlanEvent("The steel ball strikes the first domino.", 2.0, 2.1),
        PlanEvent("The dominoes topple one after the other towards the right.", 2.1, 3.8),
        PlanEvent("The last domino lands on the floor and lies still.", 3.8, 5.0),
    ),
    end="All dominoes lie on the floor.",
    unchanged=("The ramp stays where it is.",),
    laws=("gravity", "momentum"),
)
PLANS = {"short": SHORT, "crowded": CROWDED, "five": FIVE}

# Other words for the same, as a rewriter chooses them.
SWAPS = (
    ("falls straight down", "drops straight down"),
    ("faster and faster", "gaining speed all the way"),
    ("hits the floor", "strikes the floor"),
    ("bounces to half its height", "rebounds to half its height"),
    ("rests on the floor", "lies still on the floor"),
    ("The camera is fixed", "The camera stays fixed"),
    ("slides right along the table", "glides right along the table"),
    ("slows down", "loses speed"),
    ("touches the glass", "makes contact with the glass"),
    ("pushes it to the right", "moves it to the right"),
    ("stop side by side", "come to rest side by side"),
    ("gains speed", "becomes faster"),
    ("rolls right along the floor", "goes on rolling right along the floor"),
    ("strikes the first domino", "hits the first domino"),
    ("topple one after the other", "tip over one after the other"),
    ("lies still", "comes to rest"),
    ("stays where it is", "remains where it is"),
)
FAULTS = ("lost contact", "flipped direction", "invented hand", "leaked law", "over-long")
_CONTACT = re.compile(r"\b(?:hits|touches|strikes|lands|contact)\b")
_FLIPS = {"right": "left", "down": "up", "left": "right"}


def rewrite(plan: Plan, seed: int) -> list[str]:
    """The plan's statements in prose, some in other words; a right rewrite."""
    rng = random.Random(seed)
    said = [sentence(item.text) for item in plan.statements() if item.kind != "law"]
    for index, text in enumerate(said):
        for old, new in SWAPS:
            if old in text and rng.random() < 0.5:
                text = text.replace(old, new)
        said[index] = text
    if rng.random() < 0.3:  # two sentences in one
        at = rng.randrange(len(said) - 1)
        first, second = said[at : at + 2]
        said[at : at + 2] = [f"{first[:-1]}, and {second[0].lower()}{second[1:]}"]
    return said


def seeded(plan: Plan, seed: int, fault: str) -> str:
    """A rewrite with one fault."""
    rng = random.Random(seed)
    said = rewrite(plan, seed)
    if fault == "lost contact":
        at = [index for index, text in enumerate(said) if _CONTACT.search(text)]
        del said[rng.choice(at)]
    elif fault == "flipped direction":
        at = [index for index, text in enumerate(said) if re.search(r"\b(?:right|down)\b", text)]
        index = rng.choice([i for i in at if "slows down" not in said[i]] or at)
        said[index] = re.sub(
            r"\b(right|down)\b", lambda found: _FLIPS[found.group()], said[index], count=1
        )
    elif fault == "invented hand":
        said.insert(rng.randrange(1, len(said)), rng.choice(
            ("A hand reaches in and takes it away.", "A person's fingers hold it.",
             "Two hands catch it.")))  # fmt: skip
    elif fault == "leaked law":
        said.insert(rng.randrange(1, len(said)), rng.choice(
            ("By Newton's second law it speeds up.", "Conservation of momentum holds.",
             "The previous video was physically incorrect.")))  # fmt: skip
    else:
        said += [f"{said[0][:-1]} in a calm and steady way." for _ in range(30)]
    return " ".join(said)
