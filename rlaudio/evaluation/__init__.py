"""Greedy accuracy with controls, baselines, and the statistics of both."""
