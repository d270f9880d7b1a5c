"""MAGI-1 (arXiv 2505.13211) in pure PyTorch: loads the original checkpoints, usable alone."""

from __future__ import annotations
