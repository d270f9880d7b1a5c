"""The arms, by subject. Importing a module registers its arms."""

from benchmarks.world.arms import controls, dialects, loops, rules, search, selectors
from benchmarks.world.arms.registry import ARMS, Arm, Case, Cost, Made, Picked, arm

__all__ = [
    "ARMS",
    "Arm",
    "Case",
    "Cost",
    "Made",
    "Picked",
    "arm",
    "controls",
    "dialects",
    "loops",
    "rules",
    "search",
    "selectors",
]
