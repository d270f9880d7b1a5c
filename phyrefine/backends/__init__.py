"""Thin adapters, one file each; every one is reached through the registry."""
