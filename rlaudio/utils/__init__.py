"""Helpers that depend on nothing else of rlaudio."""
