"""The command line of the benchmark. May import the rest of ``physics_iq``."""
