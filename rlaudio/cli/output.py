"""Results as tables for people, or as JSON for programs."""

from __future__ import annotations

import json
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def print_json(value: Any) -> None:
    """Print `value` as JSON on stdout; numbers that are not finite become null."""
    from rlaudio.runs.files import plain

    click.echo(json.dumps(plain(value), ensure_ascii=False, indent=1, allow_nan=False))
