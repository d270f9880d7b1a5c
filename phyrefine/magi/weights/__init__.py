"""Checkpoints and where weights live. May import ``magi.model``, ``vae`` and ``sampling``."""
