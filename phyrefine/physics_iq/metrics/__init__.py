"""The metrics as functions of frames and masks. May import ``physics_iq.data``."""
