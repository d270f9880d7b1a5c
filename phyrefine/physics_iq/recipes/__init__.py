"""Leaderboard entries as one file each. May import everything below the commands."""
