"""Table 1 from stored attempts. May import ``data``, ``generation`` and ``scoring``."""
