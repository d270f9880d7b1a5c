"""Frames into files that players, browsers and other programs show alike."""
