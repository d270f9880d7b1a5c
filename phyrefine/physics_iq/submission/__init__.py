"""Submission packs for the leaderboards. May import everything but ``commands``."""
