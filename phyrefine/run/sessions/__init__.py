"""One use of a run: what it is made of, shared between threads, stopped, and asked from asyncio."""
