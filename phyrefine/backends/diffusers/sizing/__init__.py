"""Sizes of a checkpoint from its configuration and file headers; no weight is loaded."""
