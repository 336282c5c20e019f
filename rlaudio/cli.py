"""The command line. Every command reads its arguments, calls one function of the library and prints.

A command checks what it was given, and then imports the libraries that compute with it, which takes seconds.
Above the commands is imported only what their help and `list` need.
"""

from __future__ import annotations

import functools
import json
import logging
import math
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_args

import click
from click.exceptions import Exit

from rlaudio import __version__
from rlaudio.audio.length_policy import SILENCE_SECONDS
from rlaudio.config.names import plain_name
from rlaudio.config.shipped import KINDS, PACKAGE, available, shipped_comparisons, shipped_recipes
from rlaudio.contribution import THRESHOLD
from rlaudio.data.hub import is_hub_name
from rlaudio.runs.parts import StopAfter
from rlaudio.runs.places import RECIPE, check_run, check_run_to_resume, check_step
from rlaudio.utils import launcher
from rlaudio.utils.interrupts import refuse_ends
from rlaudio.utils.messages import described, printable
from rlaudio.utils.number_format import counted
from rlaudio.utils.peak_memory import keep_freed_memory
from rlaudio.utils.threads import wait_asleep

if TYPE_CHECKING:
    from rlaudio.config.recipe import Recipe
    from rlaudio.evaluation.accuracy import Evaluation
    from rlaudio.rollout.endpoint.client import Asking

_USER_ERRORS = (ValueError, OSError, ImportError, FloatingPointError)  # any other exception is a bug
_NO_PLUGINS = "rlaudio.no_plugins"  # key of what click hands on within a command
_INTERRUPTED = 130  # the shell's exit status for Ctrl-C


class _Commands(click.Group):
    """Commands whose errors about the user's input are one message; `--debug` shows the traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:  # commands that have something to continue say so themselves
            _say("interrupted", err=True)
            raise Exit(_INTERRUPTED) from error
        except BaseException as error:
            if isinstance(error, BrokenPipeError) or _is_of_a_command(error):
                raise
            message = _message(error)
            if isinstance(error, SystemExit) and ctx.params["debug"]:
                raise RuntimeError(message) from error  # shows the traceback
            if message is None or ctx.params["debug"]:
                raise
            where = f"process {launcher.rank()}: " if launcher.rank() else ""
            raise click.ClickException(f"{where}{printable(message)}") from error


def _is_of_a_command(error: BaseException) -> bool:
    """Whether a command ends itself so, and no plug-in ends it by what click offers."""
    from rlaudio.config.plugin_files import plugin_that_raised

    return isinstance(error, click.ClickException | Exit | click.Abort) and plugin_that_raised(error) is None


def _message(error: BaseException) -> str | None:
    """What to tell the user of an error in data, recipe or plug-ins; None of other ones, which are bugs."""
    from rlaudio.config.plugin_files import innermost, plugin_that_raised

    plugin = plugin_that_raised(error)
    if isinstance(error, _USER_ERRORS):
        return f"{plugin}: {error}" if plugin and str(plugin.path) not in str(error) else str(error)
    if plugin:
        return f"{plugin} raised {described(error)}; fix the file, or see more with rlaudio --debug"
    if isinstance(error, SystemExit):  # commands end by click's Exit
        return f"a library ended the command by SystemExit({error.code!r}), at {innermost(error)}"
    return None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Log more, and show the traceback of an error.")
@click.option("--local_rank", type=int, hidden=True, help="Added by deepspeed; LOCAL_RANK says the same.")
def main(debug: bool, local_rank: int | None) -> None:
    """Post-training of large audio language models where listening matters."""
    keep_freed_memory()
    wait_asleep()  # before torch is imported
    refuse_ends()
    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=logging.WARNING)
    quiet = logging.ERROR if launcher.rank() else logging.INFO  # of several processes one logs
    logging.getLogger("rlaudio").setLevel(logging.DEBUG if debug else quiet)


def _each_once(context: click.Context, option: click.Parameter, given: Sequence[str]) -> Sequence[str]:
    """The overrides, refused where two are of one key: which of them counts should not be a guess."""
    by_key: dict[str, str] = {}
    for text in given:
        key = text.partition("=")[0].strip()
        if key in by_key:
            raise click.UsageError(f"-o {by_key[key]} and -o {text} set the same key; leave one out")
        by_key[key] = text
    return given


def _recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every command that reads a recipe."""
    overrides = click.option(
        "-o",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        callback=_each_once,
        help="Change a key: optimizer.lr=2e-6",
    )
    no_plugins = click.option(
        "--no-plugins",
        is_flag=True,
        expose_value=False,
        callback=lambda context, option, given: context.meta.update({_NO_PLUGINS: given}),
        help="Refuse a recipe that names Python files of its own: they run with your rights.",
    )
    return overrides(no_plugins(command))


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


def _endpoint_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every command that may ask a model behind an endpoint."""
    for option in (
        click.option(
            "--price",
            metavar="IN,OUT",
            callback=_price,
            help="Of an endpoint: money per million prompt and completion tokens, for the table of costs.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=120,
            show_default=True,
            help="Of an endpoint: seconds in which a request must be answered.",
        ),
        click.option(
            "--concurrency",
            type=click.IntRange(1, 1000),
            default=8,
            show_default=True,
            help="Of an endpoint: requests at a time.",
        ),
    ):
        command = option(command)
    return command


_changed_plugins = click.option(
    "--changed-plugins",
    is_flag=True,
    help="With --resume: accept plug-in files that have changed since what is done was computed.",
)
_at_least_1 = click.IntRange(min=1)
_path = functools.partial(click.Path, path_type=Path)


@main.command()
@click.argument("recipe")
@_recipe_options
@click.option("--out", type=_path(file_okay=False), help="Folder of the run.  [default: runs/NAME]")
@click.option("--resume", is_flag=True, help="Continue the run in that folder where it stopped.")
@click.option(
    "--until",
    type=click.Choice(get_args(StopAfter)),
    help="Stop after the labels, the evaluation of the base, or SFT; --resume continues from there.",
)
@_changed_plugins
def run(
    recipe: str,
    overrides: Sequence[str],
    out: Path | None,
    resume: bool,
    until: StopAfter | None,
    changed_plugins: bool,
) -> None:
    """Run RECIPE from labels to report: a YAML file, or the name of one that ships.

    In several processes: torchrun --nproc_per_node 8 -m rlaudio run RECIPE, or
    deepspeed --num_gpus 8 --module rlaudio run RECIPE.
    """
    resolved = _load(recipe, overrides)
    folder = out or Path("runs") / resolved.name
    _say(f"{resolved.name} into {folder}: {', '.join(_phases(resolved))}", err=True)
    if launcher.size() == 1:  # of several processes the first would be seen by the others as it begins
        _check_folder(folder, resume=resume)
    pipeline = _pipeline()
    from rlaudio.rollout.canary import CanaryError
    from rlaudio.rollout.worker import EngineDied
    from rlaudio.runs.occupancy import computed_nothing
    from rlaudio.runs.resuming import accept_plugins
    from rlaudio.scoring import RewardError
    from rlaudio.training.loop import BrokenTraining, StopRequested
    from rlaudio.utils.processes import PeerFailed, leave, outlast_first

    def again(*more: str) -> str:
        """The command that goes on with the run."""
        nothing = computed_nothing(folder)
        words = ["rlaudio", "run", f"{folder / 'recipe.yaml'}", "--out", f"{folder}"]
        words += [] if nothing else ["--resume", *more]
        words += ["--until", until] if until else []
        by = f" (by the launcher, in {launcher.size()} processes)" if launcher.size() > 1 else ""
        what = "start again, since nothing is computed yet, with" if nothing else "continue with"
        return f"{what}: {shlex.join(words)}{by}"

    try:
        if changed_plugins and resume and launcher.rank() == 0:
            accept_plugins(folder)
        _say(pipeline.run(resolved, folder, resume=resume, until=until))
        leave()
    except StopRequested as stop:
        _say(f"{stop}, all of it saved; {again()}", err=True)
        outlast_first()
        raise Exit(_INTERRUPTED) from stop
    except KeyboardInterrupt:
        _say(f"interrupted; {again()}", err=True)
        raise Exit(_INTERRUPTED) from None
    except (EngineDied, CanaryError) as stop:
        raise type(stop)(f"{stop}; fix the cause and {again()}") from stop
    except (BrokenTraining, PeerFailed, RewardError) as error:
        if launcher.rank():
            outlast_first()
            raise Exit(1) from error
        if isinstance(error, RewardError):
            raise type(error)(f"{error}; then {again('--changed-plugins')}") from error
        raise


@main.command()
@click.argument("comparison")
@_recipe_options
@click.option("--out", type=_path(file_okay=False), help="Folder of all runs.  [default: runs/NAME]")
@click.option("--resume", is_flag=True, help="Continue the comparison in that folder where it stopped.")
@click.option(
    "--devices",
    metavar="0,1",
    help="A run at a time on each, in processes of their own (CUDA_VISIBLE_DEVICES); 0,0: two on one.",
)
@_changed_plugins
def compare(
    comparison: str,
    overrides: Sequence[str],
    out: Path | None,
    resume: bool,
    devices: str | None,
    changed_plugins: bool,
) -> None:
    """Run every arm of COMPARISON with every seed and write one page about them."""
    from rlaudio.compare.grid import read_comparison

    resolved = read_comparison(comparison, overrides, before_use=_announcement())
    folder = out or Path("runs") / resolved.name
    places = [device.strip() for device in devices.split(",")] if devices else []
    if not all(places):
        raise click.UsageError(f"--devices {devices} names an empty device; expected numbers: 0,1")
    pipeline = _pipeline()
    from rlaudio.compare.compare import accept_changed_plugins, compare
    from rlaudio.compare.running import Interrupted
    from rlaudio.compare.table import markdown_table

    try:
        if changed_plugins and resume:
            accept_changed_plugins(resolved, folder)
        done = compare(resolved, folder, pipeline.run, resume=resume, devices=places)
    except (Interrupted, KeyboardInterrupt) as stop:
        same = " ".join(["rlaudio compare", comparison, *(f"-o '{text}'" for text in overrides)])
        again = f"{same} --out {folder} --resume{f' --devices {devices}' if devices else ''}"
        click.echo(f"{stop or 'interrupted'}; what is done is kept; continue with: {again}", err=True)
        raise Exit(_INTERRUPTED) from stop
    click.echo(markdown_table(done.results))
    for warning in done.results.warnings:
        click.echo(warning)
    click.echo(done.page)
    for failure in done.failures:
        click.echo(f"{failure.place} failed: {failure.reason} ({failure.log})", err=True)
    if done.failures:
        raise Exit(1)


@main.command()
@click.argument("recipe", required=False)
@_recipe_options
@click.option("--fields", is_flag=True, help="List every key of a recipe: type, default, meaning.")
def show(recipe: str | None, overrides: Sequence[str], fields: bool) -> None:
    """Print RECIPE resolved: parents and overrides merged, defaults filled in, everything checked."""
    if fields:
        from rlaudio.config.schema import field_table

        for key, kind, default, meaning in field_table():
            click.echo(f"{key:30} {meaning}  [{kind}{f' = {default}' if default else ''}]")
    elif recipe is None:
        raise click.UsageError("name a RECIPE, or ask for --fields")
    else:
        resolved = _read(recipe, overrides)
        _refuse_plugins(resolved)
        click.echo(resolved.to_yaml(), nl=False)


@main.command()
@click.argument("recipe")
@_recipe_options
@click.option("--out", type=_path(file_okay=False), help="Folder of the run.  [default: runs/NAME]")
@click.option("--processes", type=click.IntRange(min=1), default=1, help="How many the run will have.")
@click.option("--decode", is_flag=True, help="Decode every clip, which finds damaged audio.")
def check(recipe: str, overrides: Sequence[str], out: Path | None, processes: int, decode: bool) -> None:
    """Make the checks of a run of RECIPE, and list all that would stop it; nothing is trained or written."""
    resolved = _load(recipe, overrides)
    _quiet_transformers()
    from rlaudio.check import check

    for line in check(resolved, out, decode=decode, processes=processes):
        click.echo(line)
    click.echo("nothing found that would stop a run")


@main.command()
@click.argument("recipe")
@click.option("--hardware", default="h100", show_default=True, help="A device by name; cpu is measured.")
@click.option("--devices", type=int, default=1, show_default=True, help="How many, one process each.")
@click.option("--seconds", type=float, help="Mean length of a clip.  [default: audio.max_seconds]")
@click.option("--completion", type=int, help="Tokens of a completion.  [default: sampling.max_new_tokens]")
@click.option(
    "--text", type=int, help="Tokens of a prompt beside its audio.  [default: a typical question's]"
)
@click.option("--utilisation", type=float, default=0.4, show_default=True, help="Share of peak FLOPS.")
@click.option("--json", "rows", type=_path(dir_okay=False), help="Write the numbers to this file.")
@_recipe_options
def explain(recipe: str, overrides: Sequence[str], hardware: str, rows: Path | None, **assumed: Any) -> None:
    """Parameters, tokens, FLOPs, memory and time of RECIPE, before anything is loaded; no weights needed."""
    from rlaudio.planning.hardware import find_hardware

    resolved = _load(recipe, overrides)
    dtype = str(resolved.model.options.get("dtype", "float32"))
    device = find_hardware(hardware, dtype, resolved.threads)
    _quiet_transformers()
    from rlaudio.planning.plan import Assumptions, plan, savings
    from rlaudio.planning.tables import changes_table, lines
    from rlaudio.planning.tables import rows as plan_rows

    planned = plan(resolved, device, Assumptions(**assumed))
    for line in lines(planned):
        click.echo(line)
    if not planned.fits:
        changes = savings(overrides, lambda given: _read(recipe, given), planned)
        click.echo(f"\n{changes_table(changes)}")
    if rows:
        rows.write_text(json.dumps(plan_rows(planned), indent=2), encoding="utf-8")


@main.command()
@click.argument("data", metavar="[NAME=]DATA")
@click.option(
    "--voter",
    "voters",
    multiple=True,
    required=True,
    metavar="MODEL",
    help="One or more; endpoint:URL#NAME is a model behind an OpenAI-compatible server.",
)
@click.option(
    "--threshold",
    type=click.IntRange(min=1),
    help=f"Voters right in silence that make it weak.  [default: {THRESHOLD}]",
)
@click.option(
    "--silence",
    help=f"Seconds of silence, or clip for the clip's length.  [default: {SILENCE_SECONDS:g}]",
)
@click.option("--out", type=_path(file_okay=False), help="Folder of the labels.  [default: beside DATA]")
@_endpoint_options
@_recipe_options
def label(
    data: str,
    voters: Sequence[str],
    threshold: int | None,
    silence: str | None,
    out: Path | None,
    overrides: Sequence[str],
    **asked: Any,
) -> None:
    """Measure the audio contribution of DATA: questions that voters answer without audio are weak.

    DATA is a file of questions, or a benchmark: mmau=FOLDER. The labels stand beside it, where whatever reads
    the data finds them.
    """
    _check_voters(threshold, voters, overrides)
    settings = {"voters": list(voters), "threshold": threshold, "silence": silence}
    given = [
        f"contribution.{key}={json.dumps(value)}" for key, value in settings.items() if value is not None
    ]
    spec = _data_set(data) if "=" in data and not Path(data).exists() else _data_set(f"audiomcq={data}")
    recipe = _bare_recipe(voters[0], spec, [*given, *overrides])
    path = Path(spec["path"])
    place = out or (path if path.is_dir() else path.parent)
    summary = _pipeline().label_data(recipe, place, _asking(out, **asked))
    click.echo(summary.table())


_benchmarks = click.option(
    "--benchmark",
    "benchmarks",
    multiple=True,
    metavar="NAME=FOLDER",
    help="A data set by its name, and the folder or file of it: mmau=/data/MMAU.",
)
_against = click.option(
    "--against",
    type=_path(exists=True, file_okay=False),
    help="Folder of another evaluation (--out), to be compared with on the same questions.",
)


@main.command()
@click.argument("target", metavar="[RECIPE|MODEL]", required=False)
@click.option("--data", type=_path(exists=True), help="Questions for a MODEL; a RECIPE names its own.")
@_benchmarks
@click.option("--endpoint", metavar="URL", help="Instead of MODEL: an OpenAI-compatible server's address.")
@click.option("--model", metavar="NAME", help="What the server calls the model.")
@click.option("--out", type=_path(file_okay=False), help="Folder of the tables.  [default: print only]")
@_against
@_endpoint_options
@_recipe_options
def evaluate(
    target: str | None,
    data: Path | None,
    benchmarks: Sequence[str],
    endpoint: str | None,
    model: str | None,
    out: Path | None,
    against: Path | None,
    overrides: Sequence[str],
    **asked: Any,
) -> None:
    """Accuracy with audio, in silence and with other audio, of a RECIPE's model or of a MODEL."""
    target = _target(target, endpoint, model)
    _check_against(against, out)
    sets = _sets(data, benchmarks)
    if target in shipped_recipes() or target.endswith((".yaml", ".yml")):
        if data is not None:
            raise click.UsageError("--data goes with a MODEL; a RECIPE has data.evaluate")
        recipe = _load(target, [*_evaluated(sets), *overrides])
    elif not sets:
        raise click.UsageError(f"{target} is no recipe; to evaluate a model add --data FILE or --benchmark")
    else:
        recipe = _bare_recipe(target, next(iter(sets.values())), [*_evaluated(sets), *overrides])
    results = _pipeline().evaluate_recipe(recipe, out, _asking(out, **asked))
    _tell_evaluations(results, against)


@main.command()
@click.argument("predictions", type=_path(exists=True, dir_okay=False))
@_benchmarks
@click.option("--key", help="Key of the predictions.  [default: the benchmark's, or one that is known]")
@click.option("--scorer", default="robust", show_default=True, help="The strict rule.")
@click.option(
    "-o", "options", multiple=True, metavar="KEY=VALUE", help="An option of the benchmark: judge=./j.py."
)
@click.option("--out", type=_path(file_okay=False), help="Folder of the tables.  [default: print only]")
@_against
def score(
    predictions: Path,
    benchmarks: Sequence[str],
    key: str | None,
    scorer: str,
    options: Sequence[str],
    out: Path | None,
    against: Path | None,
) -> None:
    """Score PREDICTIONS that something else made: by a benchmark's official rule and by a strict one.

    By the strict rule every question counts, and what is missing or names no option is wrong.
    """
    from rlaudio.config.plugins import bind
    from rlaudio.evaluation.predictions import read_predictions, score
    from rlaudio.evaluation.writing import write_evaluations
    from rlaudio.types import Dataset

    _check_against(against, out)
    if len(benchmarks) != 1:
        raise click.UsageError(f"--benchmark NAME=FOLDER is given {len(benchmarks)} times; expected once")
    [(name, spec)] = _sets(None, benchmarks).items()
    questions = Dataset.of(bind("data", spec | _options(options)).function())
    benchmark = questions.benchmark
    read = read_predictions(predictions, key, benchmark.prediction_key if benchmark else None)
    strict = bind("scorer", scorer)
    results = {name: score(questions, read, {strict.label: strict.function})}
    click.echo("\n".join([f"predictions under {read.key!r}", *read.notes(questions)]))
    if out:
        write_evaluations(results, out, benchmarks={name: benchmark})
    _tell_evaluations(results, against)


def _check_against(against: Path | None, out: Path | None) -> None:
    """Refuse to compare an evaluation with itself."""
    if against and out and against.resolve() == out.resolve():
        raise click.UsageError("--against and --out name one folder; compare with an earlier evaluation")


def _tell_evaluations(results: Mapping[str, Evaluation], against: Path | None) -> None:
    for name, result in results.items():
        click.echo(f"{name}\n{result.table()}")
    if against:
        from rlaudio.evaluation.against import compare_with, paired_table

        click.echo(paired_table(compare_with(results, against), str(against)))


@main.command()
@click.argument("run", type=_path(exists=True, file_okay=False))
def report(run: Path) -> None:
    """Write report.html of the finished or unfinished RUN folder."""
    check_run(run)
    from rlaudio.report.page import write_report

    click.echo(write_report(run))


@main.command()
@click.option("--quick", is_flag=True, help="Leave DeepSpeed and vLLM out, which take a minute.")
def doctor(quick: bool) -> None:
    """Try what is installed: what works here, what is missing, and the command that fixes it.

    Exit status 0 if the base works, whatever else is missing or broken.
    """
    from rlaudio.doctor import examine

    missing = False
    for result in examine(engines=not quick):
        click.echo(f"{result.state:8}{result.name:14}{result.message}")
        if result.fix:
            click.echo(f"{'':8}{'':14}fix: {result.fix}")
        missing |= result.needed and result.state != "works"
    if missing:
        click.echo("rlaudio does not work here; begin with the first that is broken or absent")
        raise Exit(1)
    click.echo("rlaudio works here")


@main.command()
@click.argument("step", type=_path(exists=True, file_okay=False), metavar="RUN/replay/STEP")
@_recipe_options
def replay(step: Path, overrides: Sequence[str]) -> None:
    """Repeat a step that stopped a run with NaN or infinity: which values are wrong, and where from.

    Overrides repeat it under another recipe; advantages are those of the run. Exit status 1 if it is still
    broken.
    """
    check_step(step)
    recipe = _load((step / RECIPE).resolve(), overrides)
    dump, places = _pipeline().replay_step(step, recipe)
    click.echo(f"it stopped at {dump.error}")
    for quantity, entries in places.items():
        click.echo(f"{quantity}: not finite in {len(entries)} places")
        for entry in entries[:12]:
            click.echo(f"  {entry}")
        if len(entries) > 12:
            click.echo(f"  and {len(entries) - 12} more")
    if places:
        raise Exit(1)
    click.echo("now every number is finite")


class _DataCommands(click.Group):
    """The commands below and those of `rlaudio.data_commands`, which is imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from rlaudio.data_commands import COMMANDS

        return sorted([*super().list_commands(ctx), *COMMANDS])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from rlaudio.data_commands import COMMANDS

        return super().get_command(ctx, cmd_name) or COMMANDS.get(cmd_name)


@main.group(cls=_DataCommands)
def data() -> None:
    """Make data, look at it, and divide, compare and convert it."""


@data.command()
@click.option("--clips", type=_path(exists=True, file_okay=False), required=True, help="The recordings.")
@click.option("--labels", required=True, help="How files are named, such as {label}_{speaker}_{take}.wav.")
@click.option("--out", type=_path(file_okay=False), required=True, help="Folder of questions and audio.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--train", type=_at_least_1, default=4000, show_default=True, help="Questions to train on.")
@click.option("--test", type=_at_least_1, default=800, show_default=True, help="On other recordings.")
@click.option("--new-speakers", type=_at_least_1, default=800, show_default=True, help="On another speaker.")
@click.option("--pretrain", type=_at_least_1, default=4000, show_default=True, help="Clips of examples.")
@click.option("--kind", "kinds", multiple=True, help="One or more of identify, order, count, sum, compare.")
def questions(clips: Path, labels: str, out: Path, **asked: Any) -> None:
    """Turn a folder of labelled recordings into multiple-choice questions."""
    from rlaudio.worlds.recordings import make_questions

    for line in make_questions(clips, labels, out, **asked).lines():
        click.echo(line)


@main.command("list")
def list_() -> None:
    """List what ships: recipes, comparisons, every kind of plug-in with its options, small checkpoints."""
    recipes = shipped_recipes()
    bases = {name: path for name, path in recipes.items() if name.startswith("base/")}
    whole = {name: path for name, path in recipes.items() if name not in bases}
    _list_files("recipes", whole)
    _list_files("\nbases, which recipes extend and complete", bases)
    _list_files("\ncomparisons", shipped_comparisons())
    for kind in KINDS:
        click.echo(f"\n{kind}")
        for name, signature in available(kind).items():
            click.echo(f"  {name:20} {signature.summary}")
            for option in signature.options:
                click.echo(f"    {option}")
    click.echo("\ncheckpoints")
    for name, megabytes in _tiny_checkpoints():
        click.echo(f"  {name:20} {megabytes:.1f} MB")


def _load(recipe: str | Path, overrides: Sequence[str]) -> Recipe:
    """The recipe, for a command that runs its plug-ins: which of the user's files these are is told."""
    resolved = _read(recipe, overrides)
    _announcement()(resolved)
    return resolved


def _read(recipe: str | Path, overrides: Sequence[str]) -> Recipe:
    from rlaudio.config.recipe import load_recipe

    return load_recipe(recipe, overrides)


def _check_folder(folder: Path, *, resume: bool) -> None:
    """Refuse a folder that no run can begin in, or be resumed in, as the run itself would."""
    if resume:
        check_run_to_resume(folder)
        return
    from rlaudio.runs.occupancy import check_place

    check_place(folder)


def _announcement() -> Callable[[Recipe], None]:
    """What to call before a recipe's plug-ins run: it tells each of the user's files once."""
    told: set[Path] = set()

    def announce(recipe: Recipe) -> None:
        _refuse_plugins(recipe)
        for file in recipe.user_files():
            if file not in told:
                _say(f"the recipe runs {file}", err=True)
        told.update(recipe.user_files())

    return announce


def _refuse_plugins(recipe: Recipe) -> None:
    """With --no-plugins, refuse a recipe that names files of the user's."""
    files = recipe.user_files()
    if files and click.get_current_context().meta.get(_NO_PLUGINS):
        listed = "".join(f"\n  {file}" for file in files)
        raise click.UsageError(
            f"--no-plugins: the recipe would run {counted(len(files), 'file')} of its own:{listed}\n"
            "read them, then leave --no-plugins out"
        )


def _say(text: object, *, err: bool = False) -> None:
    """Print in the first process only."""
    if launcher.rank() == 0:
        click.echo(text, err=err)


def _phases(recipe: Recipe) -> Iterator[str]:
    """What a run of the recipe does, in its order, as text."""
    if recipe.pretrain:
        yield f"build a base and {counted(recipe.pretrain.voters, 'voter')}"
    elif recipe.contribution.voters:
        yield f"labels by {counted(len(recipe.contribution.voters), 'voter')}"
    evaluated = ", ".join(recipe.data.evaluate)
    if evaluated:
        yield f"evaluation on {evaluated}"
    yield f"training by {Path(recipe.curriculum.use).stem} and {Path(recipe.algorithm.use).stem}"
    if evaluated:
        yield "evaluation again"
    yield "report"


def _pipeline() -> ModuleType:
    """The pipeline, imported when a command needs it, which takes seconds."""
    _say("loading torch and transformers, then data and checks", err=True)
    _quiet_transformers()
    from rlaudio import pipeline

    return pipeline


def _quiet_transformers() -> None:
    """Turn off transformers' progress bars, and its warnings about unused parts of Qwen2.5-Omni."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()


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
    from rlaudio.rollout.endpoint.address import Address

    return Address.of(endpoint, model).name


def _asking(
    out: Path | None, *, concurrency: int, timeout: float, price: tuple[float, float] | None
) -> Asking:
    """How endpoints are asked; their answers are kept in the folder that the user names, if any."""
    from rlaudio.rollout.endpoint.client import Asking
    from rlaudio.rollout.endpoint.costs import Price

    return Asking(
        concurrency=concurrency,
        timeout_seconds=timeout,
        price=Price(*price) if price else None,
        folder=out / "endpoint_answers" if out else None,
    )


def _check_voters(threshold: int | None, voters: Sequence[str], overrides: Sequence[str]) -> None:
    """Refuse voters that cannot vote, with a message about the command line's options."""
    twice = [voter for number, voter in enumerate(voters) if voter in voters[:number]]
    if twice:
        raise click.UsageError(
            f"--voter {twice[0]} is named twice, and the same model twice is one vote; leave one out"
        )
    asked = THRESHOLD if threshold is None else threshold
    if asked > len(voters) and not any(text.startswith("contribution") for text in overrides):
        raise click.UsageError(
            f"a question is weak if {asked} voters are right, of {counted(len(voters), 'voter')} named; add "
            f"--voter MODEL, or --threshold {len(voters)}"
        )


def _bare_recipe(model: str, data: Mapping[str, str], overrides: Sequence[str]) -> Recipe:
    """The recipe of commands that do not train, for a model and the questions that a data set names."""
    given = [f"model.path={json.dumps(model)}", f"data.train={json.dumps(data)}"]
    return _load("base/no_training", [*given, *overrides])


def _sets(data: Path | None, benchmarks: Sequence[str]) -> dict[str, dict[str, str]]:
    """Data sets of the command line as a recipe would have them, by name."""
    sets = {plain_name(data.stem): {"use": "audiomcq", "path": str(data)}} if data else {}
    for text in benchmarks:
        spec = _data_set(text)
        name = plain_name(Path(spec["use"]).stem)
        if name in sets:
            raise click.UsageError(f"--benchmark {text}: there is a set {name} already; expected each once")
        sets[name] = spec
    return sets


def _data_set(text: str) -> dict[str, str]:
    """The data set that NAME=FOLDER names, as a recipe would have it."""
    use, sign, path = text.partition("=")
    if not sign or not use or not path:
        raise click.UsageError(f"{text}: expected NAME=FOLDER, such as mmau=/data/MMAU")
    if not Path(path).exists() and not is_hub_name(path):
        raise click.UsageError(f"{text}: {path} does not exist")
    return {"use": use, "path": path}


def _options(given: Sequence[str]) -> dict[str, Any]:
    """Options of a plug-in that were given as KEY=VALUE."""
    pairs = [text.partition("=") for text in given]
    for key, sign, _ in pairs:
        if not key or not sign:
            raise click.UsageError(f"-o {key}: expected KEY=VALUE")
    return {key: value for key, _, value in pairs}


def _evaluated(sets: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Overrides by which a recipe evaluates on these sets."""
    return [f"data.evaluate.{name}={json.dumps(spec)}" for name, spec in sets.items()]


def _list_files(title: str, files: Mapping[str, Path]) -> None:
    click.echo(title)
    for name, path in files.items():
        click.echo(f"  {name:40} {_first_comment(path)}")


def _first_comment(path: Path) -> str:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def _tiny_checkpoints() -> Iterator[tuple[str, float]]:
    for config in sorted((PACKAGE / "models" / "tiny").glob("*/config.json")):
        size = sum(path.stat().st_size for path in config.parent.iterdir())
        yield f"tiny/{config.parent.name}", size / 1e6


if __name__ == "__main__":
    main()
