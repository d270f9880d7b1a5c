"""Checks of a clip from its pixels alone: repeated prefix frames, black, frozen, short."""
