"""What moves in a clip, and how: measured from pixels. May import ``world.wordings``."""
