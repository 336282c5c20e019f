"""A page that is mainly completions: that of a reward trial, an evaluation, or a file of questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlaudio import __version__
from rlaudio.runs.files import write_text
from rlaudio.viewer.html import render
from rlaudio.viewer.payload import payload
from rlaudio.viewer.records import Viewed


@dataclass(frozen=True)
class PageTable:
    """A table above the completions; cells are texts, an interval in brackets stands below its number."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class PageHead:
    """What stands above the completions of a page."""

    title: str
    kicker: str  # what kind of page this is
    facts: Sequence[tuple[str, str]] = ()  # name and value
    notices: Sequence[tuple[str, str]] = ()  # head and text of each
    tables: Sequence[PageTable] = ()


def write_viewer_page(path: Path, head: PageHead, viewed: Viewed) -> Path:
    """Write one self-contained HTML file and return its path.

    Clips that find no room, and texts that are too long, are left out and the page says so.
    """
    page = render(
        Path(__file__).with_name("viewer_page.html.j2"),
        head=head,
        viewed=payload(viewed),
        viewer_title="Completions" if any(group.completions for group in viewed.groups) else "Questions",
        version=__version__,
    )
    write_text(path, page)
    return path
