"""Lessons: what a small model is taught before it is anybody's base. One file per source of lessons."""
