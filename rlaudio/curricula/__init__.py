"""Curricula: which questions train how. One file each, a function from labelled questions to stages."""
