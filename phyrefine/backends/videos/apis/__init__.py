"""The services, one file each; ``table`` names them. May import ``videos.api``."""
