"""Strategies: where parameters, gradients and optimizer state live. One file each."""
