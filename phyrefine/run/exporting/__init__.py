"""Finished runs for elsewhere: tables, a data set, a bundle with checksums."""
