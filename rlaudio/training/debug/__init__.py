"""A step that came upon NaN or infinity: stop, dump, compute it again."""
