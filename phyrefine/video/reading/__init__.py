"""Files into frames as a player shows them: upright, in square pixels, in order, at one rate."""
