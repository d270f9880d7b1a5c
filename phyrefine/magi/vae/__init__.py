"""The autoencoder between pixels and latents. May import ``magi.model``."""
