"""Records as the files and the `--json` output have them, which call a number of questions `questions`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

_KEYS = {"question_count": "questions", "question_counts": "questions"}


def as_stored(record: Any) -> dict[str, Any]:
    """The fields of a dataclass, and of those within it, by the keys that are stored."""
    return asdict(record, dict_factory=_by_stored_key)


def _by_stored_key(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {_KEYS.get(name, name): value for name, value in fields}
