"""Algorithms against numbers worked out by hand, properties, a second implementation and TRL."""
