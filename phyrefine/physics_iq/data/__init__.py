"""What a model may see of the benchmark, and how its files are decoded.

May import nothing else of ``physics_iq``.
"""
