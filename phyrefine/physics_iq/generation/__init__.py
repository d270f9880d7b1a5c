"""Generating all clips of a benchmark. May import ``physics_iq.data`` alone: it sees no truth."""
