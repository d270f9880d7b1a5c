"""What calls cost and when to stop: meters, prices, budgets. May import ``run.journal``."""
