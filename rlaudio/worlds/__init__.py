"""Questions that are made, with a known truth, and the small models that are trained on them from nothing."""
