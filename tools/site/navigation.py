"""The navigation of the documentation's site is that of its start page, docs/README.md.

Every `## Heading` there is a section, every page that a table row or list item below it begins with is an
entry, in this order. So a page that is added to the start page, which a test demands, is in the navigation.
A hook of MkDocs, named in .mkdocs.yml.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

Entry = str | dict[str, Any]  # as in MkDocs' `nav`

_HEADING = re.compile(r"^## (.+)$")
_ENTRY = re.compile(r"^(?:\| |- )\[([^\]]+)\]\(([^)#:]+\.md)\)")


def on_config(config: Any) -> Any:
    """Give MkDocs its `nav`."""
    start = Path(config["docs_dir"]) / "README.md"
    config["nav"] = navigation(start.read_text(encoding="utf-8"))
    return config


def navigation(start_page: str) -> list[Entry]:
    """The start page, then its sections that list pages, each `{title: [{page's title: its path}, ...]}`."""
    sections: list[Entry] = []
    entries: list[Entry] = []
    for line in start_page.splitlines():
        if heading := _HEADING.match(line):
            entries = []
            sections.append({heading[1]: entries})
        elif entry := _ENTRY.match(line):
            entries.append({entry[1]: entry[2]})
    listed = [section for section in sections if isinstance(section, dict) and any(section.values())]
    return [{"Start": "README.md"}, *listed]


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Tables as GitHub reads them: `\\|` in code is a bar; Python-Markdown would show the backslash."""
    lines = markdown.splitlines()
    return "\n".join(_bars(line) if line.startswith("|") else line for line in lines) + "\n"


def _bars(row: str) -> str:
    return re.sub(r"`[^`]+`", lambda code: code[0].replace(r"\|", "|"), row)
