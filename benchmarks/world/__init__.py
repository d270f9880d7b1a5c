"""Experiments on the embedded world: pools of clips rendered once, and arms that choose from them.

``python -m benchmarks.world --help``; docs/experiments.md says how to use it.
"""
