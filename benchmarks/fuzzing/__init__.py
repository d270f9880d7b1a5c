"""Parts of ``fuzz_files.py``: command lines, and run folders with damage."""
