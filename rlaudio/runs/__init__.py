"""Run folders: their only writer and reader."""
