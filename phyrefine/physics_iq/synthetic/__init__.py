"""Small data sets in the official layout, made here. May import ``data`` and ``metrics``."""
