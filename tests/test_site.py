"""The documentation builds as a site without a warning, whole, and without anything from the network."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.browser import browser
from tests.tool_scripts import load_tool

ROOT = Path(__file__).parent.parent
START = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", ".mkdocs.yml", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


class Loaded(HTMLParser):
    """Addresses of what a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in ("script", "img", "iframe", "audio", "video", "source"):
            self.addresses.append(values.get("src", ""))
        elif tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.addresses.append(values.get("href", ""))


def test_every_page_is_in_the_site(site):
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    built = {path.relative_to(site) for path in site.rglob("*.html")}
    assert {Path("index.html") if page == Path("README.html") else page for page in pages} <= built


def test_no_page_loads_anything_from_the_network(site):
    for page in site.rglob("*.html"):
        loaded = Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert loaded.addresses
        assert not [address for address in loaded.addresses if re.match(r"(https?:)?//", address)], page


def test_the_reference_has_the_fields_of_a_record_with_their_comments(site):
    page = (site / "reference" / "records.html").read_text(encoding="utf-8")
    assert 'id="rlaudio.types.Completion"' in page
    assert "int64, audio placeholders expanded" in page  # the comment behind Prompt.token_ids


def test_the_reference_has_every_public_name(site):
    import rlaudio

    page = (site / "reference" / "public.html").read_text(encoding="utf-8")
    for name in rlaudio.__all__:
        assert re.search(rf'id="rlaudio\.[\w.]*\b{name}"', page), name


def test_a_bar_inside_of_code_in_a_table_is_a_bar(site):
    page = (site / "recipe.html").read_text(encoding="utf-8")
    assert "<code>Name</code>" in page and r"\|" not in page


def test_on_a_phone_tables_scroll_with_a_shadow_and_break_no_name(site, tmp_path):
    broken = (
        "[...document.querySelectorAll('td code')].filter(node => "
        "/^[\\w.]+$/.test(node.textContent) && node.getClientRects().length > 1)"
        ".map(node => node.textContent)"
    )
    boxes = "[...document.querySelectorAll('.md-typeset__scrollwrap')]"
    with browser(tmp_path) as tab:
        for name in ("recipe", "scoring"):
            tab.open(site / f"{name}.html", width=360)
            assert tab.run("document.documentElement.scrollWidth") <= 360
            assert tab.run(f"{boxes}.some(box => box.scrollWidth > box.clientWidth)")
            shadow = "getComputedStyle(box).backgroundImage.includes('gradient')"
            assert tab.run(f"{boxes}.every(box => {shadow})")
            assert tab.run(broken) == []


def test_the_navigation_is_that_of_the_start_page():
    navigation = load_tool("site/navigation.py").navigation
    start = "# A\n[x](x.md)\n## B\n| [Page one](one.md) | a |\n- [Page two](sub/two.md): b\n## C\nno page\n"
    assert navigation(start) == [
        {"Start": "README.md"},
        {"B": [{"Page one": "one.md"}, {"Page two": "sub/two.md"}]},
    ]
    sections = [title for entry in navigation(START) for title in entry]
    assert sections == ["Start", "Tutorials", "Method", "Writing parts", "Running", "Reference"]
