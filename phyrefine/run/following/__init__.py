"""What a run, a benchmark or a sweep has done so far, read from its folder while it works."""
