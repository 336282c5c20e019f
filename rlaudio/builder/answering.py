"""Models that answer: voters, the model of an evaluation, their workers, prompts and settings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from rlaudio.audio.reading import open_clip
from rlaudio.config.finding import is_path
from rlaudio.config.plugins import Bound
from rlaudio.config.recipe import Recipe
from rlaudio.contribution.voters import LabelSettings, Voter, folder_digest
from rlaudio.evaluation.asking import EvaluationSettings
from rlaudio.models.family import ModelFamily
from rlaudio.models.shared import lora
from rlaudio.models.shared.checkpoint_files import local_folder
from rlaudio.models.shared.model_paths import resolve_model_path
from rlaudio.prompts.builder import PromptBuilder, PromptMaker
from rlaudio.rollout.endpoint_worker import EndpointModel, EndpointWorker
from rlaudio.rollout.reopening_worker import ReopeningWorker, open_engine
from rlaudio.rollout.transformers import Transformers
from rlaudio.rollout.worker import RolloutWorker
from rlaudio.scorers.calling import TimedScorer
from rlaudio.types import Clip, Control, Scorer
from rlaudio.utils.endpoint.address import is_endpoint
from rlaudio.utils.endpoint.client import Asking
from rlaudio.utils.number_format import counted
from rlaudio.utils.processes import ALONE, Processes

logger = logging.getLogger(__name__)


def model_that_answers(recipe: Recipe, path: str) -> ModelFamily | EndpointModel:
    """A model that does not train, without a new adapter: it would only cost time."""
    if is_endpoint(path):
        return EndpointModel(path)
    return recipe.model(path=path, **({"lora_rank": 0} if "lora_rank" in recipe.model.options else {}))


def worker_that_answers(
    recipe: Recipe,
    model: ModelFamily | EndpointModel,
    processes: Processes = ALONE,
    asking: Asking | None = None,
) -> RolloutWorker:
    """The recipe's rollout worker on a model, or one that asks the model's endpoint."""
    if isinstance(model, EndpointModel):
        return EndpointWorker(model, asking)
    return open_engine(recipe.rollout, model, processes)


def model_folders(recipe: Recipe) -> dict[str, Path]:
    """The folders of the recipe's models by the key that names them; an adapter's base comes after it.

    A model whose family has no option `path`, or that is behind an endpoint, is left out.
    """
    named = {f"contribution.voters.{n}": path for n, path in enumerate(recipe.contribution.voters)}
    named |= {"model.path": path} if (path := recipe.model.options.get("path")) else {}
    folders = {
        key: Path(local_folder(resolve_model_path(path)))
        for key, path in named.items()
        if not is_endpoint(path)
    }
    bases = {key: lora.base_of(folder) for key, folder in folders.items() if lora.is_adapter(folder)}
    return folders | {
        f"{key}, its base": Path(local_folder(resolve_model_path(base))) for key, base in bases.items()
    }


def prompt_builder(recipe: Recipe, family: PromptMaker) -> PromptBuilder:
    """The recipe's prompt builder for one model."""
    return PromptBuilder(
        family,
        system=recipe.prompt.system,
        max_seconds=recipe.audio.max_seconds,
        too_long=recipe.audio.too_long,
    )


def clip_opener(recipe: Recipe) -> Callable[[Path | Clip], Clip]:
    """Opens a clip as the recipe's models hear it."""
    audio = recipe.audio
    return partial(open_clip, max_seconds=audio.max_seconds, too_long=audio.too_long)


def evaluation_settings(recipe: Recipe, controls: Sequence[Control] | None = None) -> EvaluationSettings:
    """The recipe's evaluation settings; `controls` replaces the recipe's controls."""
    return EvaluationSettings(
        controls=recipe.evaluation.controls if controls is None else controls,
        scorers=within_time(recipe, recipe.evaluation_scorers()),
        batch_questions=recipe.evaluation.batch_questions,
        max_new_tokens=recipe.sampling.max_new_tokens,
        seed=recipe.seed,
        orders=recipe.evaluation.orders if controls is None else 1,
    )


def label_settings(recipe: Recipe, folder: Path) -> LabelSettings:
    """How the recipe's voters are asked; answers and labels go into the folder."""
    settings = recipe.contribution
    [scorer] = within_time(recipe, {recipe.voting_scorer().label: recipe.voting_scorer()}).values()
    return LabelSettings(
        folder=folder,
        silence=settings.silence,
        orders=settings.orders,
        scorer=scorer,
        batch_questions=settings.batch_questions,
        max_new_tokens=recipe.sampling.max_new_tokens,
    )


def within_time(recipe: Recipe, scorers: Mapping[str, Bound]) -> dict[str, Scorer]:
    """The scorers, those of the user's files within the recipe's time limit."""
    return {
        name: TimedScorer(name, scorer.function, str(scorer.path), recipe.reward_timeout)
        if is_path(scorer.use)
        else scorer.function
        for name, scorer in scorers.items()
    }


def open_voters(
    recipe: Recipe, processes: Processes = ALONE, asking: Asking | None = None
) -> dict[str, Voter]:
    """The recipe's voters by name; weights are loaded at the first request.

    They answer through the recipe's rollout worker, or behind their endpoints. In a run of several processes
    each asks a share when it comes to it, and some engines open only in all processes together; so there the
    transformers worker answers.

    Raises ValueError for one model under two names, by its weights or by its endpoint.
    """
    voters: dict[str, Voter] = {}
    paths = recipe.contribution.voters
    logger.info("opening %s", counted(len(paths), "voter"))
    names = [Path(path.partition("#")[2] if is_endpoint(path) else path).name for path in paths]
    for name, path in zip(names if len(set(names)) == len(names) else paths, paths, strict=True):
        family = model_that_answers(recipe, path)
        voters[name] = Voter(
            prompts=prompt_builder(recipe, family),
            open_worker=_opens_voter(recipe, family, processes, asking),
            digest=family.digest
            if isinstance(family, EndpointModel)
            else folder_digest(Path(resolve_model_path(path))),
        )
    _refuse_twins({path: voter.digest for path, voter in zip(paths, voters.values(), strict=True)})
    return voters


def _refuse_twins(digests: Mapping[str, str]) -> None:
    first: dict[str, str] = {}
    for path, digest in digests.items():
        if first.setdefault(digest, path) != path:
            raise ValueError(
                f"voters {first[digest]} and {path} are one model, and the same model twice is one vote; "
                "leave one out"
            )


def _opens_voter(
    recipe: Recipe, model: ModelFamily | EndpointModel, processes: Processes, asking: Asking | None
) -> Callable[[], RolloutWorker]:
    if isinstance(model, EndpointModel):
        return partial(EndpointWorker, model, asking)
    return (
        partial(ReopeningWorker, recipe.rollout, model)
        if processes.size == 1
        else partial(Transformers, model)
    )
