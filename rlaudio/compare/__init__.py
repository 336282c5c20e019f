"""Comparisons: several recipes that differ in a few keys, each with several seeds, and what they show."""
