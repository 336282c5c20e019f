"""Options that several commands have."""

import click
import pytest
from click.testing import CliRunner

from rlaudio.cli.common_options import command, each_once, gathered


@command()
@click.option("--before")
@gathered(
    "range",
    lambda low, high: (low, high),
    click.option("--low", type=int, default=0, help="The first."),
    click.option("--high", type=int, default=9, help="The last."),
)
@click.option("--after")
def print_range(range, before, after):
    """Print a range."""
    click.echo(f"{range} {before} {after}")


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ([], "(0, 9) None None"),
        (["--high", "3", "--after", "a", "--before", "b", "--low", "1"], "(1, 3) b a"),
    ],
)
def test_gathered_options_come_as_one_value_beside_the_others(given, printed):
    assert CliRunner().invoke(print_range, given).output == f"{printed}\n"


def test_gathered_options_stand_in_the_help_in_their_order():
    said = CliRunner().invoke(print_range, ["--help"]).output
    places = [said.index(text) for text in ("Print a range", "--before", "--low", "--high", "--after")]
    assert places == sorted(places) and print_range.name == "print-range"


def test_an_option_of_one_value_is_refused_twice():
    done = CliRunner().invoke(print_range, ["--low", "1", "--low", "2"])
    assert done.exit_code == 2 and "--low is given 2 times; expected once" in done.output


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        (["a=1", "b=2", "a.b=3"], True),
        (["a=1", " a =2"], True),
        (["a=1", "b=1"], False),
    ],
)
def test_two_overrides_of_one_key_are_refused(given, refused):
    if not refused:
        assert each_once(None, None, given) == given
        return
    with pytest.raises(click.UsageError):
        each_once(None, None, given)
