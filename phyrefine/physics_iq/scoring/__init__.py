"""Ground truth and the official scores. May import ``data`` and ``metrics``.

Generation never imports this package: an import contract holds it.
"""
