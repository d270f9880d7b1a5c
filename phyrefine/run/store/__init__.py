"""Results kept by content: the store, what it wraps, keys, disk faults, the folder's lock."""
