"""Checks on a single backend call: a valid reply, within the time limit."""
