"""Data sets of the hub by their names."""

from __future__ import annotations

import pytest

from rlaudio.data.hub import is_hub_name


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("owner/name-1.0", True),
        ("data.jsonl", False),
        ("data/train.jsonl", False),
        ("/a/b", False),
        ("a/b/c", False),
    ],
)
def test_names_of_the_hub_are_told_from_paths(text, is_one):
    assert is_hub_name(text) == is_one
