"""Physical laws checked on measured motion. May import ``eye.measuring``."""
