"""Commands that ask a model or score its answers: `label`, `evaluate`, `score`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import click
from click.exceptions import Exit

from rlaudio.audio.length_policy import MOST_SILENCE_SECONDS, SILENCE_SECONDS
from rlaudio.cli.audio_roots import AudioRoots, audio_root_options
from rlaudio.cli.common_options import (
    EndpointOptions,
    FileEndingIn,
    command,
    each_once,
    endpoint_options,
    existing_path,
    gathered,
    named_set,
    no_plugins_option,
    path_type,
    recipe_options,
    tables_option,
)
from rlaudio.cli.first_reads import announce_files, announcement, load_pipeline, refuse_absent_models
from rlaudio.cli.output import json_option, print_json
from rlaudio.config.shipped import is_recipe
from rlaudio.contribution import THRESHOLD
from rlaudio.data.named_sets import Spec, existing
from rlaudio.runs.places import PAGE
from rlaudio.utils import launcher
from rlaudio.utils.literals import Style
from rlaudio.utils.number_format import counted

if TYPE_CHECKING:
    from rlaudio.config.recipe import Recipe
    from rlaudio.contribution.label_summary import LabelSummary
    from rlaudio.contribution.labelling import OtherAsking
    from rlaudio.contribution.voters import Silence
    from rlaudio.evaluation.accuracy import Evaluation
    from rlaudio.utils.endpoint.client import Asking


class _OtherAskings(NamedTuple):
    """How the voters are asked besides, to say how many labels that flips."""

    other_silences: Sequence[Silence]
    other_styles: Sequence[Style]

    def each(self) -> list[OtherAsking]:
        """One after the other."""
        from rlaudio.contribution.labelling import OtherAsking

        silences = [OtherAsking(silence=silence) for silence in self.other_silences]
        return [*silences, *(OtherAsking(style=style) for style in self.other_styles)]


def _silences(context: click.Context, option: click.Parameter, given: Sequence[str]) -> list[Any]:
    """Each as `clip`, or as seconds."""
    return [_silence(text) for text in given]


def _settings(
    use: str | None, voters: Sequence[str], threshold: int | None, silence: str | None, orders: int | None
) -> dict[str, Any]:
    """Keys of a recipe's section `contribution`; None: as there."""
    return {
        "use": use,
        "voters": list(voters),
        "threshold": threshold,
        "silence": silence,
        "orders": orders,
    }


_contribution_options = gathered(
    "settings",
    _settings,
    click.option(
        "--voter",
        "voters",
        multiple=True,
        required=True,
        metavar="MODEL",
        help="One or more; endpoint:URL#NAME is a model behind an OpenAI-compatible server.",
    ),
    click.option(
        "--threshold",
        type=click.IntRange(min=1),
        help=f"Voters right in silence that make it weak.  [default: {THRESHOLD}]",
    ),
    click.option(
        "--silence",
        help=f"Seconds of silence, or clip for the clip's length.  [default: {SILENCE_SECONDS:g}]",
    ),
    click.option(
        "--use",
        type=click.Choice(["vote", "options", "letters"]),
        help="Greedy answers, probabilities of the options with their audio gain, or letters of endpoints "
        "that tell log-probs.  [default: vote]",
    ),
    click.option(
        "--orders",
        type=click.IntRange(min=1),
        help="Option orders.  [default: 1 for vote, else all cyclic ones]",
    ),
)

_other_askings_options = gathered(
    "others",
    _OtherAskings,
    click.option(
        "--also-silence",
        "other_silences",
        multiple=True,
        callback=_silences,
        help="Ask on this silence too, and say how many labels it flips.",
    ),
    click.option(
        "--also-style",
        "other_styles",
        multiple=True,
        type=click.Choice(get_args(Style)),
        help="Ask in this prompt.style too, and say how many labels it flips.",
    ),
)


@command()
@click.argument("data", metavar="[NAME=]DATA")
@_contribution_options
@_other_askings_options
@click.option("--parquet", type=FileEndingIn(".parquet"), help="Write the labels as Parquet as well.")
@audio_root_options
@click.option("--out", type=path_type(file_okay=False), help="Folder of the labels.  [default: beside DATA]")
@json_option
@endpoint_options
@recipe_options
def label(
    data: str,
    settings: Mapping[str, Any],
    others: _OtherAskings,
    parquet: Path | None,
    audio_roots: AudioRoots,
    out: Path | None,
    as_json: bool,
    overrides: Sequence[str],
    endpoint_settings: EndpointOptions,
) -> None:
    """Measure the audio contribution of DATA: questions that voters answer without audio are weak.

    DATA is a file of questions, or a benchmark: mmau=FOLDER. The labels stand beside it, where whatever reads
    the data finds them. In several processes, on one machine or on some that share the folder: torchrun
    --nproc_per_node 8 -m rlaudio label DATA ...
    """
    if settings["use"] in (None, "vote"):
        _check_voters(settings["threshold"], settings["voters"], overrides)
    spec = existing(named_set(data).spec)
    audio_roots.refuse_others([spec["use"]])
    spec = audio_roots.laid_over(spec, spec["use"])
    from rlaudio.interface import folder_of, recipe_to_label

    recipe = recipe_to_label(spec, settings, overrides)
    announcement()(recipe)
    refuse_absent_models(recipe)
    place = out or folder_of(spec)
    summary = _labelled(recipe, place, _asking(out, endpoint_settings), others)
    if launcher.rank():  # the first tells
        return
    if as_json:
        print_json(summary.to_dict())
    else:
        click.echo(summary.table())
    if parquet:
        from rlaudio.data.labels_file import labels_to_parquet
        from rlaudio.runs.places import LABEL_ROWS

        labels_to_parquet(place / LABEL_ROWS, parquet)


def _labelled(recipe: Recipe, place: Path, asking: Asking, others: _OtherAskings) -> LabelSummary:
    """The labels of a recipe's data, written to `place` by as many processes as there are."""
    pipeline = load_pipeline()
    from rlaudio.utils.processes import PeerFailed, leave, outlast_first

    try:
        summary = pipeline.label_data(recipe, place, asking, others.each())
        leave()
    except PeerFailed as error:
        if launcher.rank():  # the first tells what happened
            outlast_first()
            raise Exit(1) from error
        raise
    return summary


_benchmarks = click.option(
    "--benchmark",
    "benchmarks",
    multiple=True,
    metavar="NAME=PATH",
    help="A data set by its name, and the folder or file of it: mmau=/data/MMAU.",
)


_against = click.option(
    "--against",
    type=path_type(exists=True, file_okay=False),
    help="Folder of another evaluation (--out), to be compared with on the same questions.",
)


@command()
@click.argument("target", metavar="[RECIPE|MODEL]", required=False)
@click.option(
    "--data",
    metavar="[NAME=]PATH",
    callback=existing_path,
    help="Questions for a MODEL; a RECIPE names its own.",
)
@_benchmarks
@audio_root_options
@click.option(
    "--endpoint", metavar="URL", help="Instead of MODEL: an OpenAI-compatible server's address, or several."
)
@click.option("--model", metavar="NAME", help="What the server calls the model.")
@tables_option
@click.option("--inspect", is_flag=True, help="Also write logs of Inspect (.eval), with clips, into --out.")
@_against
@json_option
@endpoint_options
@recipe_options
def evaluate(
    target: str | None,
    data: str | None,
    benchmarks: Sequence[str],
    audio_roots: AudioRoots,
    endpoint: str | None,
    model: str | None,
    out: Path | None,
    inspect: bool,
    against: Path | None,
    as_json: bool,
    overrides: Sequence[str],
    endpoint_settings: EndpointOptions,
) -> None:
    """Accuracy with audio, in silence and with other audio, of a RECIPE's model or of a MODEL."""
    target = _target(target, endpoint, model)
    if inspect and out is None:
        raise click.UsageError("--inspect writes into the folder of --out; name one")
    _check_against(against, out)
    sets = data_sets(data, benchmarks)
    if is_recipe(target) and data is not None:
        raise click.UsageError("--data goes with a MODEL; a RECIPE has data.evaluate")
    if not is_recipe(target) and not sets:
        raise click.UsageError(f"{target} is no recipe; to evaluate a model add --data FILE or --benchmark")
    if not sets and audio_roots:
        raise click.UsageError("--audio-root goes with --data or --benchmark; a RECIPE's sets have their own")
    audio_roots.refuse_others(sets)
    sets = {name: audio_roots.laid_over(spec, name) for name, spec in sets.items()}
    from rlaudio.interface import recipe_to_evaluate

    recipe = recipe_to_evaluate(target, sets, overrides)
    announcement()(recipe)
    refuse_absent_models(recipe)
    results = load_pipeline().evaluate_recipe(recipe, out, _asking(out, endpoint_settings), inspect=inspect)
    _tell_evaluations(results, against, out, as_json)


@command()
@click.argument("predictions", type=path_type(exists=True, dir_okay=False))
@_benchmarks
@click.option("--key", help="Key of the predictions.  [default: the benchmark's, or one that is known]")
@click.option(
    "--scorer", default="robust", show_default=True, help="The strict rule: NAME, FILE or {use: NAME, ...}."
)
@click.option(
    "-o",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    callback=each_once,
    help="An option of the benchmark: judge=endpoint:http://localhost:8000#NAME, embedder=./mine.py.",
)
@no_plugins_option
@tables_option
@_against
@json_option
def score(
    predictions: Path,
    benchmarks: Sequence[str],
    key: str | None,
    scorer: str,
    options: Sequence[str],
    out: Path | None,
    against: Path | None,
    as_json: bool,
) -> None:
    """Score PREDICTIONS that something else made: by a benchmark's official rule and by a strict one.

    By the strict rule every question counts, and what is missing or names no option is wrong.
    """
    _check_against(against, out)
    if len(benchmarks) != 1:
        raise click.UsageError(f"--benchmark NAME=PATH is given {len(benchmarks)} times; expected once")
    [(name, spec)] = data_sets(None, benchmarks).items()
    from rlaudio.config.plugins import bind
    from rlaudio.interface import score_file

    data = bind("data", {**spec, **_options(options)})
    strict = bind("scorer", _options([f"use={scorer}"])["use"])
    announce_files("command", sorted({*data.user_files, *strict.user_files}))
    notes, result = score_file(predictions, name, data, key=key, scorer=strict, out=out)
    click.echo("\n".join(notes), err=as_json)
    _tell_evaluations({name: result}, against, out, as_json)


def _check_against(against: Path | None, out: Path | None) -> None:
    """Refuse to compare an evaluation with itself."""
    if against and out and against.resolve() == out.resolve():
        raise click.UsageError("--against and --out name one folder; compare with an earlier evaluation")


def _tell_evaluations(
    results: Mapping[str, Evaluation], against: Path | None, out: Path | None, as_json: bool
) -> None:
    from rlaudio.evaluation.accuracy_table import accuracy_table
    from rlaudio.evaluation.against import compare_with, paired_table
    from rlaudio.utils.stored_keys import as_stored

    pairs = compare_with(results, against) if against else None
    if out:
        click.echo(out / PAGE, err=True)
    if as_json:
        tables = {name: result.to_dict() for name, result in results.items()}
        print_json({"sets": tables} | ({} if pairs is None else {"against": [as_stored(p) for p in pairs]}))
        return
    for name, result in results.items():
        click.echo(f"{name}\n{accuracy_table(result)}")
    if pairs is not None:
        click.echo(paired_table(pairs, str(against)))


def _target(target: str | None, endpoint: str | None, model: str | None) -> str:
    """What is evaluated: the recipe or model that was named, or `endpoint:URL#NAME`."""
    if (endpoint is None) != (model is None):
        raise click.UsageError("--endpoint URL and --model NAME go together")
    if endpoint is None or model is None:
        if target is None:
            raise click.UsageError("name a RECIPE or a MODEL, or a server by --endpoint URL --model NAME")
        return target
    if target is not None:
        raise click.UsageError(f"{target} and --endpoint name two models; leave one out")
    from rlaudio.utils.endpoint.address import Address

    return Address.of(endpoint, model).name


def _asking(out: Path | None, endpoint_settings: EndpointOptions) -> Asking:
    """How endpoints are asked; their answers are kept in the folder that the user names, if any."""
    from rlaudio.utils.endpoint.client import Asking
    from rlaudio.utils.endpoint.costs import Price

    return Asking(
        concurrency=endpoint_settings.concurrency,
        timeout_seconds=endpoint_settings.timeout,
        price=Price(*endpoint_settings.price) if endpoint_settings.price else None,
        folder=out / "endpoint_answers" if out else None,
    )


def _silence(text: str) -> Any:
    """`clip`, or seconds."""
    try:
        seconds = text if text == "clip" else float(text)
    except ValueError:
        seconds = 0.0
    if seconds != "clip" and not 0.0 < float(seconds) <= MOST_SILENCE_SECONDS:
        expected = f"expected seconds above 0, at most {MOST_SILENCE_SECONDS}, or clip"
        raise click.UsageError(f"--also-silence {text}: {expected}")
    return seconds


def _check_voters(threshold: int | None, voters: Sequence[str], overrides: Sequence[str]) -> None:
    """Refuse voters that cannot vote, with a message about the command line's options."""
    twice = [voter for number, voter in enumerate(voters) if voter in voters[:number]]
    if twice:
        raise click.UsageError(
            f"--voter {twice[0]} is named twice, and the same model twice is one vote; leave one out"
        )
    needed = THRESHOLD if threshold is None else threshold
    if needed > len(voters) and not any(text.startswith("contribution") for text in overrides):
        raise click.UsageError(
            f"a question is weak if {needed} voters are right, of {counted(len(voters), 'voter')} named; add "
            f"--voter MODEL, or --threshold {len(voters)}"
        )


def data_sets(data: str | None, benchmarks: Sequence[str]) -> dict[str, Spec]:
    """Data sets of the command line as a recipe would have them, by name."""
    sets: dict[str, Spec] = {}
    if data:
        name, spec = named_set(data)
        sets[name] = existing(spec)
    for text in benchmarks:
        name, spec = named_set(text, or_path=False)
        if name in sets:
            raise click.UsageError(f"--benchmark {text}: there is a set {name} already; expected each once")
        sets[name] = existing(spec)
    return sets


def _options(given: Sequence[str]) -> dict[str, Any]:
    """Options of a plug-in that were given as KEY=VALUE, the values read as those of a recipe."""
    from rlaudio.config.layers import lay_over
    from rlaudio.utils.yaml_layers import Layer, Origin, read_override

    layer = Layer({}, {(): Origin("the command line", Path.cwd())})
    for text in sorted(given, key=lambda text: text.partition("=")[0].count(".")):  # wide keys first
        layer = lay_over(layer, read_override(text, Path.cwd()))
    return layer.values
