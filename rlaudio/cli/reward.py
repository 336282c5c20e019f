"""The commands `rlaudio reward ...`: try a reward on a run, check it, begin a new one.

REWARD is a file, a name that ships, or what a recipe says of one: '{use: ./mine.py, style: trl}'.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.exceptions import Exit

from rlaudio.cli.common_options import CommandGroup, FileEndingIn, path_type, seconds_type
from rlaudio.cli.first_reads import say
from rlaudio.cli.output import json_option, print_json
from rlaudio.utils.messages import printable, shown
from rlaudio.utils.number_format import counted

if TYPE_CHECKING:
    from rlaudio.config.plugins import Bound
    from rlaudio.lab.rescoring import Candidate
    from rlaudio.lab.trial import Trial
    from rlaudio.runs.run import StoredRun

_SECONDS = 60.0
_options = click.option(
    "-o", "options", metavar="KEY=VALUE", multiple=True, help="An option of REWARD, as in a recipe: style=trl"
)
_timeout = click.option(
    "--timeout",
    type=seconds_type,
    default=_SECONDS,
    show_default=True,
    help="Seconds in which the next value must come.",
)
_scorer = click.option("--scorer", help="Says what is right.  [default: the run's, else robust]")


@click.group(cls=CommandGroup)
def reward() -> None:
    """Try rewards on a run's completions, check them, begin a new one."""


@reward.command("try")
@click.argument("tried", metavar="REWARD")
@click.option("--run", type=path_type(exists=True, file_okay=False), required=True, help="A run folder.")
@click.option("--against", metavar="OTHER", help="Another reward in the same place, side by side.")
@_options
@click.option("--weight", type=float, help="In the sum.  [default: that of the reward it replaces, else 1]")
@click.option("--name", help="The run's reward whose place it takes.  [default: that named like REWARD]")
@click.option("--alone", is_flag=True, help="The reward is the whole sum.")
@click.option("--algorithm", help="Makes advantages of it.  [default: the run's, where it ships]")
@_scorer
@click.option("--completions", type=click.IntRange(min=1), help="Most that are scored again.")
@click.option("--page", type=FileEndingIn(".html"), help="Write a page with clips, such as trial.html.")
@_timeout
@json_option
def try_(
    tried: str,
    run: Path,
    against: str | None,
    options: Sequence[str],
    weight: float | None,
    as_json: bool,
    completions: int | None,
    **asked: Any,
) -> None:
    """Score the stored completions of a run again by REWARD: no model is loaded, nothing is trained.

    Tells how its values are distributed and go with being right, which groups it gives something to learn
    from, how advantages change, and how it could be cheated. Exit status 1 where no completion gets a value.
    """
    _check_weight(weight, "--weight")
    given = [_given(tried, options), *([_given(against, ())] if against else [])]
    from rlaudio.config.plugins import bind
    from rlaudio.lab.stored import MOST_COMPLETIONS, read_rollouts
    from rlaudio.lab.trial import Setting, try_rewards
    from rlaudio.lab.trial_text import trial_text, trial_to_json
    from rlaudio.runs.run import open_run

    stored = open_run(run)
    rollouts = read_rollouts(stored, completions or MOST_COMPLETIONS)
    scorer = bind("scorer", _spec(asked["scorer"], "--scorer") or _shipped(stored, "scorer", "robust"))
    algorithm = bind(
        "algorithm", _spec(asked["algorithm"], "--algorithm") or _shipped(stored, "algorithm", "grpo")
    )
    setting = Setting(rollouts, scorer.function, algorithm(), algorithm.label, asked["alone"])
    names = _names(given)
    place = asked["name"] or names[0]
    usual = rollouts.weights.get(place, 1.0) if weight is None else weight
    candidates = [
        replace(_candidate(name, entry, scorer, usual, asked["timeout"]), place=place)
        for name, entry in zip(names, given, strict=True)
    ]
    trial = try_rewards(setting, candidates)
    result = trial_to_json(trial)
    if as_json:
        print_json(result)
    else:
        click.echo(trial_text(result))
    if asked["page"]:
        from rlaudio.lab.trial_page import write_trial_page

        say(write_trial_page(asked["page"], stored, trial, result), err=True)
    _refuse_without_value(trial)


@reward.command()
@click.argument("checked", metavar="REWARD")
@_options
@_scorer
@_timeout
@json_option
def check(checked: str, options: Sequence[str], scorer: str | None, timeout: float, as_json: bool) -> None:
    """Call REWARD with strange completions: empty, unclosed tags, all options, other scripts, 10,000 words.

    Exit status 1 where it raises, gives no finite number, or takes more than a second for one. The first
    call, which may load a model, may take longer.
    """
    given = _given(checked, options)
    from rlaudio.config.plugins import bind
    from rlaudio.lab.examination import examination_text, examine

    rule = bind("scorer", _spec(scorer, "--scorer") or "robust")
    candidate = _candidate(given.bound.path.stem, given, rule, 1.0, timeout)
    examination = examine(candidate, rule.function)
    if as_json:
        print_json(examination.to_json())
    else:
        click.echo(examination_text(examination))
        _tell_printed(candidate)
    if not examination.passed:
        raise Exit(1)


@reward.command()
@click.argument("name")
@click.option("--group", "kind", flag_value="group", help="It compares all completions of a question.")
@click.option("--async", "kind", flag_value="async", help="It waits for a server.")
@click.option("--out", type=path_type(file_okay=False), default=Path(), help="Folder.  [default: this one]")
def new(name: str, kind: str | None, out: Path) -> None:
    """Write NAME.py, a reward with comments, and test_NAME.py, its test."""
    from rlaudio.lab.new_reward import write_reward

    file, test = write_reward(name, kind or "completion", out)
    click.echo(f"{file}\n{test}")
    click.echo(f"try it: pytest {test}; rlaudio reward check {_as_use(file)}")


# --- helpers -------------------------------------------------------------------------------------


class _Given(NamedTuple):
    """A reward as the command line names it."""

    bound: Bound
    weight: float | None


def _spec(text: str | None, what: str) -> Any:
    """What the command line says of a plug-in: a name, a path, or what a recipe says, read."""
    from rlaudio.utils.plain_yaml import parse_plain_yaml

    return parse_plain_yaml(text, what) if text and text.lstrip().startswith("{") else text


def _given(text: str, options: Sequence[str]) -> _Given:
    """The reward that the command line names; which of the user's files it runs is told."""
    from rlaudio.config.plugins import bind, signature_of
    from rlaudio.utils.plain_yaml import parse_plain_yaml

    spec = _spec(text, "REWARD")
    given = dict(spec) if isinstance(spec, Mapping) else {"use": text}
    for option in options:
        key, sign, value = option.partition("=")
        if not key or not sign:
            raise click.UsageError(f"-o {option}: expected KEY=VALUE")
        given[key.strip()] = parse_plain_yaml(value, f"-o {key}")
    weight = given.pop("weight", None)
    if weight is not None and (not isinstance(weight, int | float) or isinstance(weight, bool)):
        raise click.UsageError(f"{text}: weight {shown(weight)}; expected a number")
    _check_weight(weight, f"{text}: weight")
    bound = bind("reward", given)
    if not bound.style and "silent" in signature_of("reward", bound.use).given:
        raise click.UsageError(
            f"{text}: a reward of (group, silent) is given what the policy answers in silence, which is not "
            "stored; expected (question, completion) or (group); try this one in a short run"
        )
    for file in bound.user_files:
        say(f"runs {file}", err=True)
    return _Given(bound, weight)


def _shipped(run: StoredRun, kind: str, otherwise: str) -> Any:
    """What the run's recipe says of its scorer or algorithm; of its own files and parts none is run unasked.

    A part, such as a judge, may be a file or an address that is sent completions and a key.
    """
    from rlaudio.config.finding import is_path
    from rlaudio.config.shipped import NESTED

    spec = run.recipe.get(kind)
    use = spec.get("use") if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping) or not isinstance(use, str):
        return otherwise
    parts = [part for part in NESTED.get(kind, ()) if spec.get(part) is not None]
    if not is_path(use) and not parts:
        return spec
    what = "is a file" if is_path(use) else f"{shown(use)} names its {' and '.join(parts)}"
    say(
        f"the run's {kind} {what}, which reading a run does not start; {otherwise} stands in for it; to use "
        f"it, name it as the recipe does: --{kind}",
        err=True,
    )
    return otherwise


def _check_weight(weight: float | None, what: str) -> None:
    largest = sys.float_info.max
    if weight is not None and not -largest <= weight <= largest:
        raise click.UsageError(f"{what} {shown(weight)}; expected a finite number")


def _names(given: Sequence[_Given]) -> list[str]:
    """Of each reward, to be shown: its file's; those of two differ."""
    first, *others = [entry.bound.path.stem for entry in given]
    return [first, *(f"{other}_2" if other == first else other for other in others)]


def _candidate(name: str, given: _Given, scorer: Bound, weight: float, seconds: float) -> Candidate:
    """The reward, imported; what its file prints is kept."""
    from rlaudio.config import plugins
    from rlaudio.lab.rescoring import Candidate, Printed

    printed = Printed()
    plugins.import_seconds.set(seconds)
    with printed.captured():
        function = given.bound.with_scorer(scorer).function
    return Candidate(name, function, weight if given.weight is None else given.weight, seconds, printed)


def _refuse_without_value(trial: Trial) -> None:
    """Raise where a reward was no reward: no completion got a value."""
    for tried in trial.tried:
        if tried.without_value:
            some = counted(len(tried.values), "completion")
            raise click.ClickException(
                f"reward {printable(tried.name)} gave a value for none of {some}; the first: "
                f"{tried.without_value}; fix the reward"
            )


def _tell_printed(candidate: Candidate) -> None:
    printed = candidate.printed
    if printed.beginning:
        click.echo(
            f"it printed {counted(printed.lines, 'line')}, which begin {shown(printed.beginning, 100)}"
        )


def _as_use(file: Path) -> str:
    return f"./{file}" if file.parent == Path() else str(file)
