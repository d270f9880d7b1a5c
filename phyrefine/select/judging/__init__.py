"""Whether a judge may choose: spoiled variants of a clip, and who scores the clean one higher."""
