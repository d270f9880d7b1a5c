"""What the clips of a pool move like, and how far they agree. NumPy alone."""
