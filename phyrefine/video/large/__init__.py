"""Clips of which not every frame is in memory. May import the plain modules of ``video`` only."""
