"""Benchmarks by name: prompts from the user's download, clips, and the judges that score them.

A benchmark is one file in ``suites``. Nothing of any benchmark's data is in this package.
"""
