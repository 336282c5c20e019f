"""Clips: reading, resampling, length limits, log-mel features, and what stands in for a clip."""
