"""Calling a service: one retry layer, shared pacing, faults in words, clips as a wire takes them.

May import from outside ``backends`` only errors, types and video; the adapters import it.
"""
