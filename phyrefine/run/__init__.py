"""Durability: store, journal, budget, locks."""
