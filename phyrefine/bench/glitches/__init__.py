"""How well the times of a critic meet the times that people annotated."""
