"""What is asked of a single call of a backend: the right form, and in time."""
