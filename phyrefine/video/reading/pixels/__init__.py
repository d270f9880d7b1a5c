"""What a stream codes, as a player shows it: transparency, aperture, shape, colors."""
