"""Runs in an experiment tracker: Weights & Biases, Trackio, MLflow, TensorBoard.

May import ``run``, ``types`` and ``video``; each tracker's package is imported on use.
"""

from phyrefine.tracking.tracker import Tracker

__all__ = ["Tracker"]
