"""The rows of :mod:`phyrefine.backends.families`, one file per kin."""
