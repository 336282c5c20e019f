"""What model families share: branching attention, adapters, caches, checkpoint files, chat format, sizes."""
