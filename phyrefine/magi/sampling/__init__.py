"""The denoising loop: schedule, guidance, noise, states. May import ``magi.model`` and ``vae``."""
