"""Code that model families share: attention, adapters, caches, checkpoint files, chat format, sizes."""
