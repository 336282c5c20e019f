"""Completions that one can filter, search, and hear beside their clips: records in, a part of a page out.

`records` says what is shown, `payload` makes it JSON, `assets` holds the scripts, `viewer_page` writes one.
"""
