"""The rules of published benchmarks, as their scripts have them: `NAME_rule.py` is the scorer `NAME`."""
