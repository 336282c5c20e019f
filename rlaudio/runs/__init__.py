"""Run folders: the one writer and reader of what a run leaves behind."""
