"""A step with NaN or infinity: stop it, dump it, compute it again."""
