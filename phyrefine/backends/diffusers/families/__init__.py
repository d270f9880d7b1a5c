"""What each family of diffusers pipelines takes and gives, one file per family.

May import errors, types and video, and nothing else of ``backends.diffusers``.
"""
