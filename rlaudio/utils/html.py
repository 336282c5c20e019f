"""HTML pages from Jinja templates: one self-contained file each, with the shared style and number formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rlaudio.utils import number_format


def render(template: Path, **values: Any) -> str:
    """The page of a template, which may include `page.css`; every value is escaped unless it is Markup.

    Raises jinja2.UndefinedError for a name that the template uses and `values` lacks.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, Path(__file__).parent]),  # the latter for page.css
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number_format.FILTERS)
    return environment.get_template(template.name).render(values)
