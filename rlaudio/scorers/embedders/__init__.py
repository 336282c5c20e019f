"""Embedders that ship: texts as vectors."""
