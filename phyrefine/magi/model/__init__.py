"""The diffusion transformer: blocks, attention, embeddings, linears, its key-value cache.

May import ``magi.config``; knows nothing of sampling, text or files.
"""
