"""Checks of a generated clip from its pixels alone: repeated prefix frames, black, frozen, short."""
