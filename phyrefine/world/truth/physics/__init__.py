"""What truly happens: scenes, mechanics, mistakes on purpose, rendering.

Imports nothing of the other parts of the world.
"""
