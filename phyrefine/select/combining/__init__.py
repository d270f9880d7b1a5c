"""From scores to a choice: the guard, sums of ranks, halving, and the controls beside them."""
