"""One network on several devices: this process leads, one process per further device follows.

May import ``magi.model``, ``magi.weights`` and the loading above them.
"""
