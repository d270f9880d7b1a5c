"""What a run would take: measured or stated rates times the calls it makes at the most."""
