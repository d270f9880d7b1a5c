"""How the clips of a pool move, and how well they agree. NumPy alone."""
