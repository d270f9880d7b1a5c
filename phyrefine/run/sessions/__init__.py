"""One use of a run: setup, sharing between threads, cancellation and asyncio."""
