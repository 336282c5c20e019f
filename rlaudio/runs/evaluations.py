"""The files of an evaluation: tables, single answers, and what a benchmark's own script reads.

evaluation/SET.jsonl                every single answer
evaluation/orders/SET.jsonl         answers to the same questions in other orders of their options
evaluation/predictions/SET.json     answers with audio to a benchmark, in the form that its script reads
evaluation/disagreements/SET.jsonl  answers about which another scorer says otherwise
evaluation.json                     the tables, by held-out set; written last: they imply all answers

In a run folder they stand below `evaluation/WHEN` and in `evaluation/WHEN.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlaudio.runs import shapes
from rlaudio.runs.files import Json, write_json, write_rows, write_text
from rlaudio.runs.places import ANSWERS, EVALUATION
from rlaudio.runs.stored_files import StoredFiles


@dataclass(frozen=True)
class PredictionFile:
    """Answers to a benchmark in the form that its script reads: rows, or the text of a whole file."""

    suffix: str  # of the file, such as ".json"
    content: Sequence[Json] | str


@dataclass(frozen=True)
class EvaluatedSet:
    """What is written of the evaluation on one held-out set, in JSON's types."""

    tables: Json
    answers: Iterable[Json]  # these and the next are written one by one
    reordered: Iterable[Json] | None = None
    predictions: PredictionFile | None = None  # where the set is of a benchmark
    disagreements: Iterable[Json] | None = None


def write_sets(sets: Iterable[tuple[str, EvaluatedSet]], folder: Path, name: str = ANSWERS) -> None:
    """Write evaluations, each with the name of its held-out set, into a folder, under a name.

    A set is written before the next is made.
    """
    tables: dict[str, Json] = {}
    for held_out, of in sets:
        tables[held_out] = of.tables
        if of.predictions:
            _write_predictions(folder / name / "predictions", held_out, of.predictions)
        if of.disagreements is not None:
            write_rows(folder / name / "disagreements" / f"{held_out}.jsonl", of.disagreements)
        if of.reordered is not None:
            write_rows(folder / name / "orders" / f"{held_out}.jsonl", of.reordered)
        write_rows(folder / name / f"{held_out}.jsonl", of.answers)
    write_json(folder / f"{name}.json", tables)


@dataclass(frozen=True)
class StoredEvaluation:
    """What the folder of an evaluation holds, by held-out set; what is damaged is left out."""

    files: StoredFiles
    tables: Mapping[str, Json]
    answers: Mapping[str, Sequence[Json]]


def open_evaluation(folder: Path) -> StoredEvaluation:
    """Everything in the folder of an evaluation. Raises FileNotFoundError where it holds none."""
    if not (folder / EVALUATION).exists():
        raise FileNotFoundError(f"{folder}: no {EVALUATION}; expected the folder of rlaudio evaluate --out")
    files = StoredFiles(folder, leave_out=True)
    tables = files.json(EVALUATION, shapes.EVALUATIONS) or {}
    answers = {name: files.answers(f"{ANSWERS}/{name}.jsonl", table) for name, table in tables.items()}
    return StoredEvaluation(files, tables, answers)


def answered_sets(folder: Path) -> list[str]:
    """Names of the sets to which a folder holds single answers.

    The folder is what an evaluation was written to, or the `evaluation/WHEN` of a run. Raises
    FileNotFoundError where it holds none.
    """
    names = sorted(file.stem for file in _answers_folder(folder).glob("*.jsonl"))
    if not names:
        raise FileNotFoundError(
            f"{folder}: found no single answers ({ANSWERS}/SET.jsonl); expected a folder that "
            "rlaudio evaluate --out or rlaudio score --out wrote"
        )
    return names


def read_answers(folder: Path, held_out: str) -> list[Json]:
    """The single answers to a set in such a folder. Raises ValueError with file, line and key of damage."""
    answers = _answers_folder(folder)
    tables = StoredFiles(answers.parent).json(f"{answers.name}.json", shapes.EVALUATIONS) or {}
    return StoredFiles(answers).answers(f"{held_out}.jsonl", tables.get(held_out))


def _answers_folder(folder: Path) -> Path:
    return folder / ANSWERS if (folder / ANSWERS).is_dir() else folder


def _write_predictions(folder: Path, held_out: str, predictions: PredictionFile) -> None:
    path = folder / f"{held_out}{predictions.suffix}"
    if isinstance(predictions.content, str):
        write_text(path, predictions.content)
    elif predictions.suffix == ".json":
        write_json(path, predictions.content)
    else:
        write_rows(path, predictions.content)
