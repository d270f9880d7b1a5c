"""Calling a service: one retry layer, shared pacing, readable errors, clips in wire formats.

May import from outside ``backends`` only errors, types and video; the adapters import it.
"""
