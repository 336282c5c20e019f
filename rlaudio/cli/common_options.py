"""Options that several commands have."""

from __future__ import annotations

import functools
import inspect
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from rlaudio.data.named_sets import NamedSet, data_set

NO_PLUGINS = "rlaudio.no_plugins"  # key of what click hands on within a command


class Command(click.Command):
    """Refuses two values of an option that has one: which of them counts should not be a guess."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does. Raises UsageError for an option that is given twice."""
        if ctx.resilient_parsing or {"-h", "--help"} & set(args):  # the shell completes, or help is shown
            return super().parse_args(ctx, args)
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for option, times in Counter(given).items():
            is_single = isinstance(option, click.Option) and not (option.multiple or option.is_flag)
            if is_single and times > 1:
                raise click.UsageError(f"{option.opts[0]} is given {times} times; expected once", ctx)
        return super().parse_args(ctx, args)


class CommandGroup(click.Group):
    """Commands that are a `Command` each."""

    command_class = Command


command = functools.partial(click.command, cls=Command)
path_type = functools.partial(click.Path, path_type=Path)


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def gathered(name: str, make: Callable[..., Any], *options: Decorator) -> Decorator:
    """Options that a command takes as the one parameter `name`: what `make` gives for all their values."""
    keys = inspect.signature(make).parameters

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def gathering(**given: Any) -> Any:
            value = make(**{key: given.pop(key) for key in keys})
            return command(**{name: value}, **given)

        gatherer: Callable[..., Any] = gathering
        for option in reversed(options):
            gatherer = option(gatherer)
        return gatherer

    return decorate


class _Seconds(click.FloatRange):
    """Above 0, and no more than a day: click's own range takes nan, and a socket no 1e300."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        seconds = super().convert(value, param, ctx)
        return self.fail(f"{value} is not a number.", param, ctx) if math.isnan(seconds) else seconds


seconds_type = _Seconds(min=0, max=86400, min_open=True)


class FileEndingIn(click.Path):
    """The path of a file that is written, and replaced if it is there: so what else is there stays."""

    def __init__(self, suffix: str):
        super().__init__(dir_okay=False, path_type=Path)
        self._suffix = suffix

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path. Fails where it has another ending."""
        path: Any = super().convert(value, param, ctx)
        if path.suffix != self._suffix:
            self.fail(f"found {value!r}; expected a file that ends in {self._suffix}", param, ctx)
        return path


def complete_recipes(context: click.Context, option: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of recipes, or of comparisons, that ship, and files."""
    from rlaudio.config.shipped import shipped_comparisons, shipped_recipes

    shipped = shipped_comparisons() if option.name == "comparison" else shipped_recipes()
    names = [CompletionItem(name) for name in shipped if name.startswith(begun)]
    return [*names, CompletionItem(begun, type="file")]


recipe_argument = functools.partial(click.argument, shell_complete=complete_recipes)


def named_set(text: str, *, or_path: bool = True) -> NamedSet:
    """As `rlaudio.data.named_sets.data_set`, with errors of the command line."""
    try:
        return data_set(text, or_path=or_path)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def existing_path(context: click.Context, option: click.Parameter, given: str | None) -> str | None:
    """NAME=PATH as it is; a path alone, refused where nothing is there."""
    if given is None or ("=" in given and not Path(given).exists()):
        return given
    return str(path_type(exists=True).convert(given, option, context))


def each_once(context: click.Context, option: click.Parameter, given: Sequence[str]) -> Sequence[str]:
    """The overrides, refused where two are of one key: which of them counts should not be a guess."""
    by_key: dict[str, str] = {}
    for text in given:
        key = text.partition("=")[0].strip()
        if key in by_key:
            raise click.UsageError(f"-o {by_key[key]} and -o {text} set the same key; leave one out")
        by_key[key] = text
    if len(given) > 1:
        from rlaudio.utils.yaml_layers import read_override, refuse_twice  # imports YAML

        try:
            refuse_twice(read_override(text, Path.cwd()) for text in given if "=" in text)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    return given


decode_option = click.option("--decode", is_flag=True, help="Decode every clip, which finds damaged audio.")
tables_option = click.option(
    "--out", type=path_type(file_okay=False), help="Folder of the tables.  [default: print only]"
)
no_plugins_option = click.option(
    "--no-plugins",
    is_flag=True,
    expose_value=False,
    callback=lambda context, option, given: context.meta.update({NO_PLUGINS: given}),
    help="Refuse to run Python files that are named by path: they run with your rights.",
)


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every command that reads a recipe."""
    overrides = click.option(
        "-o",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        callback=each_once,
        help="Change a key: optimizer.lr=2e-6",
    )
    return overrides(no_plugins_option(command))


def _price(context: click.Context, option: click.Parameter, given: str | None) -> tuple[float, float] | None:
    """The two prices in `IN,OUT`."""
    if given is None:
        return None
    try:
        prompt, completion = map(float, given.split(","))
        if 0 <= prompt < math.inf and 0 <= completion < math.inf:
            return prompt, completion
    except ValueError:
        pass
    raise click.BadParameter(f"found {given!r}; expected two prices such as 2.5,10")


class EndpointOptions(NamedTuple):
    """How a command asks models behind endpoints."""

    concurrency: int
    timeout: float  # seconds
    price: tuple[float, float] | None


endpoint_options = gathered(
    "endpoint_settings",
    EndpointOptions,
    click.option(
        "--concurrency",
        type=click.IntRange(1, 1000),
        default=8,
        show_default=True,
        help="Of an endpoint: requests at a time.",
    ),
    click.option(
        "--timeout",
        type=seconds_type,
        default=120,
        show_default=True,
        help="Of an endpoint: seconds in which a request must be answered.",
    ),
    click.option(
        "--price",
        metavar="IN,OUT",
        callback=_price,
        help="Of an endpoint: money per million prompt and completion tokens, for the table of costs.",
    ),
)


changed_plugins_option = click.option(
    "--changed-plugins",
    is_flag=True,
    help="With --resume: accept plug-in files that have changed since what is done was computed.",
)
