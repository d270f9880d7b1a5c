"""Judged clips, intervals, and the tables made of them."""
