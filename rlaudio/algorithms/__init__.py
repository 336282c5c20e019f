"""Algorithms: from rewards to advantages, from token log-probs to a loss. One small file each."""
