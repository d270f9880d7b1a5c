"""``phyrefine bench NAME``, ``benchmarks``, ``judges`` and ``glitches``."""
