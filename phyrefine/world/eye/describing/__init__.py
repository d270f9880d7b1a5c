"""From measurements to sentences. May import ``eye.measuring`` and ``eye.checking``."""
