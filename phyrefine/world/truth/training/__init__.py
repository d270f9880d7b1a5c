"""Data, training and evaluation of the embedded generator. May import ``world.generator``."""
