"""The method: stages, replies, convergence (arXiv 2511.20280)."""
