"""The embedded world: a tiny learned video generator with its ground truth kept apart."""
