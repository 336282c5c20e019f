"""What every format shares: the files of a data set, its rows to questions, labels beside it, bad rows.

A format is a function of `Fields` that gives a `Question`; `load` does the rest.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rlaudio.data import stored_texts
from rlaudio.data.audio_paths import AudioRoot
from rlaudio.data.bad_rows import BadRow, refuse_or_list
from rlaudio.data.fields import Fields, Sharing
from rlaudio.data.hub import fetched, is_hub_name
from rlaudio.data.labels_file import LabelsFile, read_labels
from rlaudio.data.rows import JsonRow, scan_rows
from rlaudio.runs.places import LABEL_ROWS
from rlaudio.types import Contribution, Dataset, Question
from rlaudio.utils.messages import printable, shown

SUFFIXES = (".jsonl", ".json", ".parquet")

ToQuestion = Callable[[Fields], Question]
ToContribution = Callable[[Fields, Question], Contribution | None]


def local(path: Path, revision: str | None = None) -> Path:
    """The file or folder of a data set; that of a name of the Hugging Face hub is fetched first.

    Raises FileNotFoundError where there is neither, ValueError for a revision of what is here, and what
    `rlaudio.data.hub.fetched` raises.
    """
    path = Path(path)
    if path.exists() and revision is not None:
        raise ValueError(
            f"{printable(str(path))}: is here and has no revisions; delete revision ({shown(revision)}), "
            "which only data sets of the hub have"
        )
    if path.exists():
        return path
    if is_hub_name(str(path)):
        return fetched(str(path), revision)
    raise FileNotFoundError(f"{printable(str(path))}: no such file or folder; expected a data set's")


def find_files(path: Path, *patterns: str, only_named: bool = False) -> list[Path]:
    """The data files of a data set: the file itself, or in a folder all that the first fitting pattern finds.

    Where no pattern fits, the only file of questions in the folder is it, unless `only_named`: that file may
    hold another split. Raises ValueError for a file of another kind, FileNotFoundError that lists what there
    is.
    """
    if not path.is_dir():
        if path.suffix not in SUFFIXES:
            raise ValueError(
                f'{printable(str(path))}: ends in "{path.suffix}"; expected .jsonl, .json, .parquet or a '
                "folder of such files"
            )
        return [path]
    for pattern in patterns:
        if files := _data_files(path, pattern):
            return files
    here = _data_files(path, "*")
    if len(here) == 1 and not only_named:
        return here
    names = (
        ", ".join(file.name for file in here[:8]) or f"no {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} at all"
    )
    raise FileNotFoundError(
        f"{printable(str(path))}: no {', '.join(patterns)}; name one file (here: {names})"
    )


def load(
    path: Path,
    files: Sequence[Path],
    question: ToQuestion,
    *,
    audio_root: Path | None = None,
    outside_root: bool = False,
    limit: int | None = None,
    stated: ToContribution | None = None,
    keep: Callable[[Question], bool] | None = None,
    one_object: bool = False,
) -> Dataset:
    """The first `limit` questions of the files, in their order, that `keep` keeps, and their contributions.

    `path` is the file or folder of the data set, which audio paths are relative to without `audio_root`.
    `stated` says what a row states of its question's contribution; a `labels.jsonl` beside a file replaces
    that. With `one_object` a .json file may hold one row.

    Raises ValueError that counts the bad rows and names the first few; within
    `rlaudio.data.bad_rows.listing_bad_rows` they are listed instead. Raises ValueError where there are no
    rows at all.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}; expected at least 1, or nothing for all questions")
    questions: list[Question] = []
    contributions: dict[str, Contribution] = {}
    bad_rows: list[BadRow] = []
    folder = Path(audio_root) if audio_root else path if path.is_dir() else path.parent
    sharing = Sharing(AudioRoot(folder, outside=outside_root))
    found_any = False
    with _no_garbage_collection():
        for row_or_bad in _scan(files, one_object, sharing):
            found_any = True
            if isinstance(row_or_bad, BadRow):
                bad_rows.append(row_or_bad)
                continue
            row = Fields(row_or_bad, sharing)
            asked = question(row)
            contribution = stated(row, asked) if stated else None
            if row.faults:
                bad_rows += (bad for error in row.faults for bad in row_or_bad.bad([error.fault], error.kind))
                continue
            if keep is not None and not keep(asked):
                continue
            questions.append(asked)
            if sharing.labels.by_question:
                contribution = _measured(asked, contribution, sharing.labels)
            if contribution is not None:
                contributions[asked.id] = contribution
            if len(questions) == limit:
                break
    name = printable(str(path))
    refuse_or_list(bad_rows, name, any_good=bool(questions))
    if not found_any:
        raise ValueError(f"{name}: no questions, it is empty; expected rows of questions")
    return Dataset(tuple(questions), contributions)


def _data_files(folder: Path, pattern: str) -> list[Path]:
    return [
        file
        for file in sorted(folder.glob(pattern))
        if file.suffix in SUFFIXES
        and file.name != LABEL_ROWS
        and not file.is_dir()
        and not is_hidden(file.relative_to(folder))
    ]


def is_hidden(path: Path) -> bool:
    """Whether a system or an editor put a file there: copies of rows, or what belongs to another file."""
    return any(part.startswith(".") for part in path.parts)


def _scan(files: Sequence[Path], one_object: bool, sharing: Sharing) -> Iterator[JsonRow | BadRow]:
    """Every row of the data, and the bad rows of the labels; `sharing` has what goes with the row's file."""
    by_file: dict[Path, LabelsFile] = {}
    for file in files:
        beside = file.parent / LABEL_ROWS
        if beside not in by_file:
            by_file[beside] = read_labels(beside)
            yield from by_file[beside].bad_rows
        sharing.labels = by_file[beside]
        is_large = file.is_file() and file.stat().st_size >= stored_texts.LARGE
        sharing.large_file = file if is_large else None
        yield from scan_rows(file, one_object=one_object)
    for beside, labels in by_file.items():
        labels.log_use(beside)


def _measured(question: Question, stated: Contribution | None, labels: LabelsFile) -> Contribution | None:
    """What is known of a question's contribution: what was measured goes before what the data states."""
    measured = labels.of(question)
    if stated is not None:
        return replace(stated, **measured)
    return Contribution(question.id, **measured) if "label" in measured else None


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Nothing that is read has circles, and looking for them in ever more objects doubles the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # What was read goes to the oldest generation, which is seldom looked at, and not at once.
        if gc.get_freeze_count() == 0:
            gc.freeze()
            gc.unfreeze()
        if was_on:
            gc.enable()
