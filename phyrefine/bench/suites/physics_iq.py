"""Physics-IQ: scored against filmed truth by its own programs, not by a judge."""

from phyrefine.bench.benchmark import Benchmark

BENCHMARK = Benchmark(
    "physics-iq",
    "Physics-IQ",
    "198 filmed scenes to continue, Original and Verified; scored by motion against the truth",
    mode="v2v",
    own_scores="The official scores, equal to the official programs on stored cases.",
    command="phyrefine.physics_iq.commands.bench:bench",
    verified="See docs/physics-iq.",
    sources=("https://github.com/google-deepmind/physics-IQ-benchmark",),
)
