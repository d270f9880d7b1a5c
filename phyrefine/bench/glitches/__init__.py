"""How well the times that a critic gives meet the times of glitches that people annotated."""
