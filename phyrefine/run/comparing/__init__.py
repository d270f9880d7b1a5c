"""Finished runs side by side, and as rows of a table."""
