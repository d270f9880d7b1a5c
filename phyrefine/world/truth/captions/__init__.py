"""Captions of true scenes, for training and for testing. May import ``truth.physics``."""
