"""Parts that several runs of a comparison share are run once: labels, base evaluation, stages before RL.

A run skips every phase whose result is in its folder. So a folder with the results of a part is copied for
every run in which that part is the same: those whose recipes agree in all keys that the part reads, by a
digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rlaudio.compare.grid import Run, without_keys
from rlaudio.config.schema import Recipe
from rlaudio.runs.copying import begin, go_on_from, is_complete
from rlaudio.runs.parts import StopAfter
from rlaudio.runs.places import is_run
from rlaudio.training.checkpoint import write_folder
from rlaudio.utils.names import plain_name

SHARED = "shared"

# Keys that each part of a run does not read. A key that is listed wrongly would give an arm another arm's
# numbers, so every key that is not listed counts.
_ONLY_RL = (
    "name",
    "algorithm",
    "rewards",
    "reward_failures",
    "scorer",  # the three keys count as the scorers that they and the rewards come to, see `digest`
    "contribution.scorer",
    "evaluation.scorer",
    "mismatch",
    "report",
    "contribution.on_policy",
    "contribution.silent_samples",
    "contribution.success",
    "sampling.questions",
    "sampling.group_size",
    "sampling.temperature",
    "sampling.top_k",
    "sampling.top_p",
    "sampling.rounds",
    "optimizer.warmup",  # SFT has its own
    "training.save_every",
    "training.keep",
    "training.epochs",
    "training.mini_batches",
    "training.max_rollouts",
    "training.max_tokens",
)
_ONLY_TRAINING = (*_ONLY_RL, "curriculum", "sft", "optimizer", "strategy", "training", "evaluation.every")
_ONLY_EVALUATION = (
    *_ONLY_TRAINING,
    "evaluation.controls",
    "evaluation.batch_questions",
)
NOT_READ_BY: Mapping[StopAfter, tuple[str, ...]] = {
    "labels": _ONLY_EVALUATION,
    "base": _ONLY_TRAINING,
    "sft": _ONLY_RL,
}


@dataclass(frozen=True)
class Job:
    """A run folder to be run to its end, or to the end of a part; it starts as a copy of `after`."""

    place: str  # within the comparison's folder
    recipe: Recipe
    until: StopAfter | None = None
    after: str | None = None

    def done(self, folder: Path) -> bool:
        """Whether the folder of the comparison holds its result."""
        return is_complete(folder / self.place, self.until)


def digest(recipe: Recipe, part: StopAfter) -> str:
    """The same for recipes whose runs are the same up to the end of that part."""
    not_read = set(NOT_READ_BY[part])
    if part == "labels" and recipe.pretrain is None:
        not_read.add("seed")  # voters answer greedily; models trained from scratch depend on the seed
    if part == "sft" and recipe.sft.lr is not None:
        not_read.add("optimizer.lr")
    read = without_keys(recipe.model_dump(mode="json"), not_read)
    evaluates = () if part == "labels" else recipe.evaluation_scorers().values()
    read["scorers"] = [scorer.spec() for scorer in (recipe.voting_scorer(), *evaluates)]
    return hashlib.blake2b(json.dumps(read, default=str).encode(), digest_size=5).hexdigest()


def jobs(runs: Sequence[Run], comparison: str) -> list[Job]:
    """All jobs of a comparison, each after the one that it starts from."""
    users: dict[str, list[int]] = {}  # place of a shared folder -> numbers of the runs that could start there
    for number, run in enumerate(runs):
        for part in NOT_READ_BY:
            users.setdefault(_place(run.recipe, part), []).append(number)
    by_place: dict[str, Job] = {}
    for run in runs:
        chain = [(part, _place(run.recipe, part)) for part in NOT_READ_BY]
        after: str | None = None
        for number, (part, place) in enumerate(chain):
            deeper = [users[deeper_place] for _, deeper_place in chain[number + 1 :]]
            if len(users[place]) < 2 or users[place] in deeper:
                continue  # no other run shares it, or all that do share a later part too
            recipe = run.recipe.model_copy(update={"name": plain_name(f"{comparison}-{place}")})
            by_place.setdefault(place, Job(place, recipe, part, after))
            after = place
        by_place[run.place] = Job(run.place, run.recipe, None, after)
    return list(by_place.values())


def prepare(job: Job, folder: Path) -> Path:
    """The job's run folder, made if there is none: empty, or a copy of the one that it starts from."""
    path = folder / job.place
    if not is_run(path):
        write_folder(path, partial(_begin, job, folder))
    return path


def _begin(job: Job, folder: Path, path: Path) -> None:
    recipe, recipe_yaml = job.recipe, job.recipe.to_yaml()
    if job.after is None:
        begin(path, recipe_yaml)
    else:
        go_on_from(folder / job.after, path, recipe.model_dump(mode="json"), recipe_yaml)


def _place(recipe: Recipe, part: StopAfter) -> str:
    return f"{SHARED}/{part}-{digest(recipe, part)}"
