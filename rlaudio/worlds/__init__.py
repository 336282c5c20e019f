"""Generated questions, whose truth is known, and small models that are trained on them from scratch."""
