"""The fields of a class, with the comments behind them, are a table in the reference of the site.

The code describes a field where it stands, `seconds: float | None  # as heard`. An extension of griffe, which
reads the code for mkdocstrings; named in .mkdocs.yml.
"""

from __future__ import annotations

from typing import Any

import griffe


class FieldComments(griffe.Extension):
    """Adds a section "Attributes" to the docstring of every class with fields."""

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        fields = [member for member in cls.members.values() if _is_field(member)]
        if fields and cls.docstring and not cls.name.startswith("_"):
            rows = "\n".join(f"    {field.name}: {_comment(field)}" for field in fields)
            cls.docstring.value += f"\n\nAttributes:\n{rows}"


def _is_field(member: Any) -> bool:
    """Whether it is written in the class, by name, and no property."""
    return (
        isinstance(member, griffe.Attribute)
        and not member.name.startswith("_")
        and "property" not in member.labels
    )


def _comment(field: griffe.Attribute) -> str:
    """The comments that end the lines of a field; else its value, of a member of an enumeration."""
    if field.lineno is None or field.endlineno is None:
        return ""
    source = field.lines_collection[field.filepath][field.lineno - 1 : field.endlineno]
    comments = [comment.strip() for _, mark, comment in (line.partition("  # ") for line in source) if mark]
    return " ".join(comments) or ("" if field.annotation else f"`{field.value}`")
