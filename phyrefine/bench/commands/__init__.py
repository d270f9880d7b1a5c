"""``phyrefine bench NAME``, ``benchmarks`` and ``judges``."""
