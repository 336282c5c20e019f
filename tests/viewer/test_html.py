"""Pages from templates."""

import jinja2
import pytest
from markupsafe import Markup

from rlaudio.viewer.html import render


@pytest.fixture
def page(tmp_path):
    def page(template, **values):
        path = tmp_path / "page.html.j2"
        path.write_text(template, encoding="utf-8")
        return render(path, **values)

    return page


def test_values_are_escaped_but_markup(page):
    made = page("{{ text }}|{{ html }}", text="<script>'&\"", html=Markup("<b>x</b>"))
    assert made == "&lt;script&gt;&#39;&amp;&#34;|<b>x</b>"


def test_a_name_that_is_not_given_is_an_error_and_no_empty_text(page):
    with pytest.raises(jinja2.UndefinedError, match="'text' is undefined"):
        page("{{ text }}")


def test_what_scripts_read_closes_no_element(page):
    assert "</script><b>" not in page("{{ json_script('data', value) }}", value={"a": "</script><b>"})
