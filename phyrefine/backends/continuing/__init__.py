"""Continuing a prefix chunk by chunk: shared by every generator that works in passes.

Pure functions on arrays and clips. May import errors, types and video, never an adapter.
"""
