"""Labels by the voters of a recipe: of a run's data, or of questions alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rlaudio.builder.answering import label_settings, open_voters, within_time
from rlaudio.builder.audited_data import usable
from rlaudio.config.recipe import Recipe
from rlaudio.contribution.asking_options import is_answerable
from rlaudio.contribution.label_summary import LabelSummary, summarise
from rlaudio.contribution.labelling import Labels, OtherAsking, answer_share, asked_otherwise, label
from rlaudio.contribution.voters import Voter
from rlaudio.runs.digests import check_recorded, record
from rlaudio.runs.folder import RunFolder
from rlaudio.runs.occupancy import check_writable
from rlaudio.runs.places import LABEL_TABLES, LABELS
from rlaudio.scorers.calling import try_scorers
from rlaudio.types import Contribution, Dataset, Datasets, Question
from rlaudio.utils.endpoint.client import Asking
from rlaudio.utils.processes import Processes, join

_LABELS = (LABELS, LABEL_TABLES)  # the voters' answers and labels, and the tables about them


def labelled_data(recipe: Recipe, data: Datasets, folder: RunFolder, processes: Processes) -> Datasets:
    """The data with every audio-contribution label that voters can give; every process asks them a share.

    Held-out questions without options or without a known right one stay unlabelled.
    """
    if not recipe.contribution.voters:
        return data
    voters = open_voters(recipe, processes)
    unlabelled = {
        name: questions
        for name, dataset in {"train": data.train, **data.held_out}.items()
        if (questions := _unlabelled(recipe, name, dataset))
    }
    for name, questions in unlabelled.items():
        settings = label_settings(recipe, _labels_place(folder, name))
        answer_share(questions, voters, settings, recipe.contribution.use, processes)

    def vote() -> dict[str, Mapping[str, Contribution]]:
        votes = {
            name: _vote(recipe, voters, questions, _labels_place(folder, name))
            for name, questions in unlabelled.items()
        }
        folder.write_labels({name: summarise(labels).to_dict() for name, labels in votes.items()})
        check_recorded(folder.path, *_LABELS)  # labels that were made again came out as before
        record(folder.path, *_LABELS)
        return {name: labels.contributions for name, labels in votes.items()}

    voted = processes.from_first(vote)

    def labelled(name: str, dataset: Dataset) -> Dataset:
        return replace(dataset, contributions={**dataset.contributions, **voted.get(name, {})})

    return Datasets(
        labelled("train", data.train), {name: labelled(name, held) for name, held in data.held_out.items()}
    )


def label_data(
    recipe: Recipe, out: Path, asking: Asking | None = None, others: Sequence[OtherAsking] = ()
) -> LabelSummary:
    """Label the recipe's training questions by its voters; `labels.jsonl` and the answers go into `out`.

    Under `torchrun` every process asks a share. `asking` says how endpoints are asked; voters are asked
    in the `others` ways as well, for the summary alone. Raises ValueError for rows that cannot be used,
    unless the recipe drops them.
    """
    check_writable(out)
    questions = usable(recipe, {"data": recipe.data.train})["data"]
    try_scorers(within_time(recipe, recipe.scorers()), questions)
    processes = join()
    voters = open_voters(recipe, processes, asking)
    settings, method = label_settings(recipe, out), recipe.contribution.use
    for way in (OtherAsking(), *others):
        share, settings_of_way = way.of(questions, settings)
        answer_share(share, voters, settings_of_way, method, processes)

    def measured() -> LabelSummary:
        labels = _vote(recipe, voters, questions, out)
        return summarise(labels, asked_otherwise(labels, voters, settings, method, others))

    return processes.from_first(measured)


def ask_voters(
    recipe: Recipe, questions: Sequence[Question], place: Path, asking: Asking | None = None
) -> Labels:
    """The recipe's voters' answers and votes; `labels.jsonl` and the answers go into the folder `place`."""
    return _vote(recipe, open_voters(recipe, asking=asking), questions, place)


# --- helpers -------------------------------------------------------------------------------------


def _unlabelled(recipe: Recipe, name: str, dataset: Dataset) -> list[Question]:
    """The questions of a set that voters are to label."""
    relabel = recipe.contribution.on_labelled == "relabel" and name == "train"
    unlabelled = [q for q in dataset if relabel or q.id not in dataset.contributions]
    return unlabelled if name == "train" else [q for q in unlabelled if is_answerable(q)]


def _labels_place(folder: RunFolder, name: str) -> Path:
    return folder.path / LABELS / name


def _vote(recipe: Recipe, voters: Mapping[str, Voter], questions: Sequence[Question], place: Path) -> Labels:
    place.mkdir(parents=True, exist_ok=True)
    return label(questions, voters, label_settings(recipe, place), recipe.contribution.use)
