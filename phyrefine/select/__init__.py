"""Ensembles: which of the clips made is the answer."""
