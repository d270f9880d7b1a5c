"""Commands for experiments: own prompts, and sweeps over settings."""
