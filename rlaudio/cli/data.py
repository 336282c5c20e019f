"""The commands `rlaudio data ...`.

DATA is NAME=PATH, where NAME is a data plug-in such as mmau, or a path alone, which audiomcq reads. What
reads files and audio is imported when a command runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from rlaudio.cli.audio_roots import AudioRoots, audio_root_options
from rlaudio.cli.common_options import (
    CommandGroup,
    FileEndingIn,
    decode_option,
    named_set,
    path_type,
    seconds_type,
)
from rlaudio.cli.output import json_option, print_json
from rlaudio.utils.number_format import counted, thousands

if TYPE_CHECKING:
    from rlaudio.data.audit import Audit
    from rlaudio.data.leakage import Leaks, Shared
    from rlaudio.types import Dataset

_BAD_ROWS = 20  # that are shown
_LEAKS = 5  # that are shown of each pair of sets
_BY: Mapping[str, tuple[Shared, ...]] = {
    "any": ("audio and text", "audio", "text"),
    "audio": ("audio and text", "audio"),
    "both": ("audio and text",),
}

_at_least_1 = click.IntRange(min=1)
_drop = click.option("--drop-bad-rows", is_flag=True, help="Leave out rows that cannot be read.")
_max_seconds = click.option("--max-seconds", type=seconds_type, default=30.0, show_default=True)
_no_audio = click.option("--no-audio", is_flag=True, help="Look at no audio file.")
_file = click.option("--out", type=FileEndingIn(".jsonl"), required=True, help="A new .jsonl file.")
_seed = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
_folder = partial(click.option, "--out", type=path_type(file_okay=False))


def _reads_data(command: Callable[..., Any]) -> Callable[..., Any]:
    """Argument and options of a command that reads one set."""
    return click.argument("data")(audio_root_options(command))


@click.group(cls=CommandGroup)
def data() -> None:
    """Make data, look at it, and divide, compare and convert it."""


@data.command()
@_reads_data
@_no_audio
@decode_option
@_max_seconds
@json_option
def audit(
    data: str,
    audio_roots: AudioRoots,
    no_audio: bool,
    decode: bool,
    max_seconds: float,
    as_json: bool,
) -> None:
    """Everything that is wrong or odd in DATA, by group; exit status 1 where a row cannot be used.

    Equal and empty options are wrong in data to train on, and odd in a benchmark, whose published figures
    count them.
    """
    from rlaudio.data.audit import problems_by_group
    from rlaudio.data.counts_table import audit_table

    if no_audio and decode:
        raise click.UsageError("--no-audio and --decode exclude each other; leave one out")
    questions, result = _audited(
        data, audio_roots, audio=not no_audio, decode=decode, max_seconds=max_seconds
    )
    if as_json:
        print_json(result.as_json())
    else:
        problems = problems_by_group(questions, result.bad_rows)
        click.echo(audit_table(result.counts, problems, heard=result.heard))
        for line in _findings(result):
            click.echo(line)
    if not result.usable:
        raise Exit(1)


@data.command()
@_reads_data
@_no_audio
@json_option
def stats(data: str, audio_roots: AudioRoots, no_audio: bool, as_json: bool) -> None:
    """Numbers of DATA by group: questions, options, lengths of clips, audio contribution."""
    from rlaudio.data.counts_table import stats_table
    from rlaudio.utils.stored_keys import as_stored

    _, result = _audited(data, audio_roots, audio=not no_audio)
    if as_json:
        print_json([as_stored(counts) for counts in result.counts])
    else:
        click.echo(stats_table(result.counts, heard=result.heard))


@data.command()
@_reads_data
@_drop
@_no_audio
@click.option("--out", type=FileEndingIn(".html"), help="The page.  [default: NAME.html in this folder]")
def view(data: str, audio_roots: AudioRoots, drop_bad_rows: bool, no_audio: bool, out: Path | None) -> None:
    """Write a page of DATA to look through and listen to: questions, answers, labels, clips."""
    from rlaudio.report.questions_page import write_questions_page

    [name] = _named([data])
    questions = _load(data, audio_roots, drop_bad_rows)
    click.echo(write_questions_page(out or Path(f"{name}.html"), name, questions, audio=not no_audio))


@data.command()
@_reads_data
@_drop
@click.option("--by", type=click.Choice(["source", "clip"]), default="clip", show_default=True)
@click.option("--share", type=float, default=0.02, show_default=True, help="Of the questions to hold out.")
@_seed
@_folder(required=True, help="Folder of train.jsonl and held_out.jsonl.")
def split(
    data: str,
    audio_roots: AudioRoots,
    drop_bad_rows: bool,
    by: Any,
    share: float,
    seed: int,
    out: Path,
) -> None:
    """Divide DATA into a set to train on and a held-out one without a clip, or a source, in common."""
    from rlaudio.data.converting import refuse_existing, write_questions
    from rlaudio.data.splitting import split as split_questions

    files = {name: out / f"{name}.jsonl" for name in ("train", "held_out")}
    refuse_existing(*files.values())
    questions = _load(data, audio_roots, drop_bad_rows)
    parts = split_questions(questions, by=by, share=share, seed=seed)
    for (name, file), part in zip(files.items(), parts, strict=True):
        written = write_questions(part, file)
        click.echo(f"{name}: {counted(written.question_count, 'question')}, {written.spec}")


@data.command()
@click.argument("train", metavar="TRAIN")
@click.argument("others", metavar="BENCHMARK...", nargs=-1, required=True)
@audio_root_options
@_drop
@_max_seconds
@click.option(
    "--by",
    type=click.Choice(list(_BY)),
    default="any",
    show_default=True,
    help="What makes a question a leak: shared audio or text, audio, or both at once.",
)
@_folder(help="Folder of the leaks, of ids to leave out, and of TRAIN without leaks.  [default: print only]")
@json_option
def dedupe(
    train: str,
    others: Sequence[str],
    audio_roots: AudioRoots,
    drop_bad_rows: bool,
    max_seconds: float,
    by: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """List the questions that stand in two sets, by decoded audio and by text.

    With --out they are masked: NAME.leave_out.txt has the ids of each set that stand in another one, and
    NAME.clean.jsonl the questions of TRAIN that stand in none. Exit status 1 where leaks are found and not
    masked.
    """
    from rlaudio.data.converting import refuse_existing
    from rlaudio.data.leakage import find_leaks

    named = _named([train, *others])
    audio_roots.refuse_others(named)
    if out:
        refuse_existing(*_mask_files(out, list(named)))
    sets = {name: _load(text, audio_roots, drop_bad_rows, name) for name, text in named.items()}
    leaks = find_leaks(sets, max_seconds=max_seconds)
    if as_json:
        shared = [asdict(leak) for leak in leaks.leaks if leak.shared in _BY[by]]
        print_json({"leaks": shared, "unreadable": leaks.unreadable})
    else:
        click.echo(_leaks_table(sets, leaks))
        for line in _leak_lines(leaks, _BY[by]):
            click.echo(line)
    if out:
        _write_masks(out, sets, leaks, _BY[by], quiet=as_json)
    elif any(leak.shared in _BY[by] for leak in leaks.leaks):
        raise Exit(1)


@data.command()
@_reads_data
@_drop
@_file
def permute(data: str, audio_roots: AudioRoots, drop_bad_rows: bool, out: Path) -> None:
    """Write each question of DATA with its gold option in every position, ids ID#1, ID#2, ..."""
    from rlaudio.data.converting import write_questions
    from rlaudio.data.option_orders import refers_to_places
    from rlaudio.data.permuting import with_gold_everywhere

    questions = _load(data, audio_roots, drop_bad_rows)
    permuted = with_gold_everywhere(questions)
    if not permuted:
        raise ValueError(
            f"{data}: no question has a known gold option and options that stand in any order; expected one "
            "to move"
        )
    written = write_questions(permuted, out)
    click.echo(f"{counted(written.question_count, 'question')}, {written.spec}")
    referring = [question.id for question in questions if refers_to_places(question.choices)]
    if referring:
        kind = 'with an option that refers to others by their places, such as "all of the above"'
        click.echo(f"{counted(len(referring), 'question')} left out, {kind}; first: {referring[0]}", err=True)
    asked = {question.id.rpartition("#")[0] for question in permuted}
    if unknown := len(questions) - len(asked) - len(referring):
        click.echo(f"{counted(unknown, 'question')} without a known gold option left out", err=True)


@data.command()
@_reads_data
@_drop
@click.option(
    "--only", type=click.Choice(["strong", "weak"]), help="The questions with this audio contribution alone."
)
@_file
def convert(data: str, audio_roots: AudioRoots, drop_bad_rows: bool, only: str | None, out: Path) -> None:
    """Write DATA in rlaudio's own format of JSON lines; --only strong gives the ACstrong subset."""
    from rlaudio.data.converting import only_labelled, write_questions

    questions = _load(data, audio_roots, drop_bad_rows)
    chosen = only_labelled(questions, only) if only else questions
    if not chosen:
        raise ValueError(
            f"{data}: no question is labelled {only}; label it first, with rlaudio label, which leaves its "
            "labels beside the data"
        )
    written = write_questions(chosen, out)
    click.echo(f"{counted(written.question_count, 'question')}, {written.spec}")


@data.command()
@click.option("--clips", type=path_type(exists=True, file_okay=False), required=True, help="The recordings.")
@click.option("--labels", required=True, help="How files are named, such as {label}_{speaker}_{take}.wav.")
@click.option("--out", type=path_type(file_okay=False), required=True, help="Folder of questions and audio.")
@_seed
@click.option("--train", type=_at_least_1, default=4000, show_default=True, help="Questions to train on.")
@click.option("--test", type=_at_least_1, default=800, show_default=True, help="On other recordings.")
@click.option("--new-speakers", type=_at_least_1, default=800, show_default=True, help="On another speaker.")
@click.option(
    "--pretrain",
    type=_at_least_1,
    default=4000,
    show_default=True,
    help="Composed clips of examples; every recording alone, facts and clues come beside them.",
)
@click.option("--kind", "kinds", multiple=True, help="One or more of identify, order, count, sum, compare.")
def questions(clips: Path, labels: str, out: Path, **asked: Any) -> None:
    """Turn a folder of labelled recordings into multiple-choice questions."""
    from rlaudio.worlds.recordings import Wanted, make_questions

    for line in make_questions(clips, labels, out, Wanted(**asked)).lines():
        click.echo(line)


# --- reading -------------------------------------------------------------------------------------


def _named(given: Sequence[str]) -> dict[str, str]:
    """The sets by name: that of the plug-in, or of the file; a second one of a name gets a number."""
    named: dict[str, str] = {}
    for text in given:
        stem = named_set(text).name
        name, number = stem, 2
        while name in named:
            name, number = f"{stem}-{number}", number + 1
        named[name] = text
    return named


def _loader(text: str, audio_roots: AudioRoots, name: str | None = None) -> Any:
    """The data plug-in with its options, bound."""
    from rlaudio.config.plugins import bind

    spec = named_set(text).spec
    if name is None:
        audio_roots.refuse_others([spec["use"]])
    return bind("data", audio_roots.laid_over(spec, name or spec["use"]))


def _load(text: str, audio_roots: AudioRoots, drop_bad_rows: bool, name: str | None = None) -> Dataset:
    from rlaudio.data.bad_rows import examples, listing_bad_rows
    from rlaudio.types import Dataset

    load = _loader(text, audio_roots, name)
    if not drop_bad_rows:
        return Dataset.of(load())
    with listing_bad_rows() as bad:
        data = Dataset.of(load())
    if bad:
        click.echo(f"{text}: {counted(len(bad), 'bad row')} left out:{examples(bad)}", err=True)
    return data


def _audited(text: str, audio_roots: AudioRoots, **rules: Any) -> tuple[Dataset, Audit]:
    """A set and its audit: by the rules of training, or of evaluation where it is a benchmark."""
    from rlaudio.data.audit import load_audited

    return load_audited(_loader(text, audio_roots), for_training=None, **rules)


# --- printing ------------------------------------------------------------------------------------


def _findings(result: Audit) -> list[str]:
    from rlaudio.data.audit import odd_lines

    lines = odd_lines({"": result})
    lines += [f"bad row {row}" for row in result.bad_rows[:_BAD_ROWS]]
    if len(result.bad_rows) > _BAD_ROWS:
        lines.append(f"and {thousands(len(result.bad_rows) - _BAD_ROWS)} more; --json lists all")
    return [*lines, result.problems() if result.bad_rows else "every row can be used"]


def _leaks_table(sets: Mapping[str, Dataset], leaks: Leaks) -> str:
    from rlaudio.data.leakage import SHARED
    from rlaudio.utils.text_table import text_table

    rows = []
    for name, other in permutations(sets, 2):
        counts = leaks.between(name, other)
        numbers = [len(sets[name]), *(counts[kind] for kind in SHARED)]
        rows.append([f"{name} in {other}", *map(thousands, numbers)])
    return text_table(["questions that stand", "of", *(f"{kind} shared" for kind in SHARED)], rows)


def _leak_lines(leaks: Leaks, by: Sequence[Shared]) -> Iterator[str]:
    """A few leaks of each pair of sets, how many more, and how many clips could not be compared."""
    of_pair: dict[tuple[str, str], list[str]] = {}
    for leak in leaks.leaks:
        pair = (leak.set, leak.other_set)
        if leak.shared in by and pair[::-1] not in of_pair:  # each pair of sets once
            line = f"{leak.shared}: {leak.id} of {leak.set}, {leak.other_id} of {leak.other_set}"
            of_pair.setdefault(pair, []).append(line)
    for (name, other), lines in of_pair.items():
        yield from lines[:_LEAKS]
        if len(lines) > _LEAKS:
            yield f"and {thousands(len(lines) - _LEAKS)} more of {name} and {other}; --json lists all"
    for name, count in leaks.unreadable.items():
        yield f"{name}: {counted(count, 'clip')} could not be compared; rlaudio data audit lists them"


# --- writing -------------------------------------------------------------------------------------


def _mask_files(out: Path, names: Sequence[str]) -> list[Path]:
    """The questions of the first set that leak nowhere, the leaks, and ids to leave out of every set."""
    leave_out = [f"{name}.leave_out.txt" for name in names]
    return [out / name for name in (f"{names[0]}.clean.jsonl", "leaks.jsonl", *leave_out)]


def _write_masks(
    out: Path, sets: Mapping[str, Dataset], leaks: Leaks, by: Sequence[Shared], *, quiet: bool
) -> None:
    """Ids to leave out of every set, the leaks, the first set without its own; `quiet` tells on stderr."""
    from rlaudio.data.converting import write_questions
    from rlaudio.data.splitting import without
    from rlaudio.runs.files import write_rows, write_text

    train, *_ = sets
    clean_file, all_leaks, *leave_out = _mask_files(out, list(sets))
    clean = without(sets[train], leaks.left_out(train, by))
    if clean:
        written = write_questions(clean, clean_file)
        click.echo(
            f"{train} without leaks: {counted(written.question_count, 'question')}, {written.spec}", err=quiet
        )
    else:
        click.echo(f"{train}: every question leaks; {clean_file.name} is not written", err=quiet)
    for (name, data), file in zip(sets.items(), leave_out, strict=True):
        masked = sorted(leaks.left_out(name, by))
        write_text(file, "".join(f"{data[index].id}\n" for index in masked))
        click.echo(f"{name}: {counted(len(masked), 'id')} to leave out in {file}", err=quiet)
    write_rows(all_leaks, map(asdict, leaks.leaks))
