"""Comparisons of several recipes that differ in a few keys, each run with several seeds."""
