"""Code that model families share: branching attention, adapters, caches, checkpoint files, sizes."""
