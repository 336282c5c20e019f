"""HTML pages from Jinja templates: each one file with the shared style, scripts, formats."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rlaudio.utils import number_format
from rlaudio.viewer.assets import assets
from rlaudio.viewer.payload import json_script


def render(template: Path, **values: Any) -> str:
    """The page of a template, which may include files beside this one; values are escaped, but Markup.

    Every page gets `assets`, the scripts with their policy, and `json_script`, which writes what they read.
    Raises jinja2.UndefinedError for a name that the template uses and `values` lacks.
    """
    shared = {"assets": assets(), "json_script": json_script}
    return _environment(template.parent).get_template(template.name).render(values | shared)


@cache
def _environment(folder: Path) -> Environment:
    """What compiles the templates of a folder: once, for it takes longer than to fill them."""
    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number_format.FILTERS)
    return environment
