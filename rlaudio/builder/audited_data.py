"""Data sets under the recipe's rules: asked in its style, audited against its audio and its models."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rlaudio.builder.answering import model_that_answers
from rlaudio.config.plugins import Bound
from rlaudio.config.recipe import Recipe
from rlaudio.data.audit import Audit, load_audited, odd_lines
from rlaudio.data.splits import check_disjoint
from rlaudio.models.family import special_tokens
from rlaudio.types import Contribution, Dataset, Datasets, Question, Style
from rlaudio.utils.cache_root import cache_root
from rlaudio.utils.number_format import of_all
from rlaudio.worlds.pretraining import blank_model

logger = logging.getLogger(__name__)

_TRAIN = "data.train"  # the set to train on, in messages


def load_data(recipe: Recipe) -> Datasets:
    """The recipe's questions.

    Raises ValueError for rows that cannot be used, those of all sets at once, and for leaking clips.
    """
    sets = usable(recipe, {_TRAIN: recipe.data.train, **_held_out_sets(recipe)}, trained=_TRAIN)
    return _leakless(recipe, sets)


def load_held_out(recipe: Recipe) -> Mapping[str, Dataset]:
    """The questions to evaluate on, where nothing will be trained. Raises as `load_data`."""
    train = {_TRAIN: recipe.data.train} if recipe.data.clips_disjoint else {}
    return _leakless(recipe, usable(recipe, {**train, **_held_out_sets(recipe)})).held_out


def usable(recipe: Recipe, sets: Mapping[str, Bound], *, trained: str | None = None) -> dict[str, Dataset]:
    """The data sets without the rows that cannot be used, which are refused or dropped with their number.

    The one named `trained` is to be trained on. Raises ValueError about the refused rows of all sets.
    """
    of_models, drop = special_tokens_of(recipe), recipe.data.bad_rows == "drop"
    check_system_prompt(recipe, of_models)
    control_tokens = frozenset().union(*of_models.values())
    loaded = {}
    for name, load in sets.items():
        logger.info("%s: reading questions and the headers of clips", name)
        loaded[name] = load_data_set(recipe, name, load, control_tokens, for_training=name == trained)
    refusals = [audit.refusal(name, drop=drop) for name, (_, audit) in loaded.items()]
    if any(refusals):
        raise ValueError("\n".join(filter(None, refusals)))
    for name, (_, audit) in loaded.items():
        if audit.left_out:
            logger.warning(
                "%s: %s rows left out: %s; rlaudio check lists them",
                name,
                of_all(audit.left_out, audit.rows),
                audit.problems(),
            )
    for line in odd_lines({name: audit for name, (_, audit) in loaded.items()}):
        logger.warning("%s", line)
    return {name: audit.without_bad_rows(questions) for name, (questions, audit) in loaded.items()}


def load_data_set(
    recipe: Recipe,
    name: str,
    load: Bound,
    special_tokens: Collection[str],
    *,
    for_training: bool,
    decode: bool = False,
) -> tuple[Dataset, Audit]:
    """What a data set of the recipe gives, and its audit under the recipe's rules.

    Raises what the set raises; where files are not there or a value is wrong, with the set's `name`, such as
    data.train.
    """
    try:
        return _load_audited(recipe, load, special_tokens, for_training=for_training, decode=decode)
    except FileNotFoundError as error:
        places = [f"name its place: -o {name}.path=..."] * ("path" in load.options)
        leave_out = [f"leave it out: -o {name}=null"] * name.startswith("data.evaluate.")
        todo = ", or ".join(places + leave_out) * name.startswith("data.")
        missing = FileNotFoundError("; ".join(filter(None, [f"{name}: {error}", todo])))
        raise missing.with_traceback(error.__traceback__) from error  # which tells a plug-in of the user's
    except OSError as error:
        if not Path(str(error.filename)).is_relative_to(cache_root()):
            raise
        text = f"{name}: {error}; generated data is kept there; name a folder for it in XDG_CACHE_HOME"
        raise OSError(text).with_traceback(error.__traceback__) from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}").with_traceback(error.__traceback__) from error


def _load_audited(
    recipe: Recipe, load: Bound, special_tokens: Collection[str], *, for_training: bool, decode: bool
) -> tuple[Dataset, Audit]:
    return load_audited(
        partial(_asked_in, recipe.prompt.style, load),
        max_seconds=recipe.audio.max_seconds,
        too_long=recipe.audio.too_long,
        min_seconds=getattr(recipe.model.function.func, "min_clip_seconds", 0.0),
        decode=decode,
        for_training=for_training,
        special_tokens=special_tokens,
    )


def _asked_in(style: Style | None, load: Callable[[], Sequence[Question]]) -> Dataset:
    """What a data set gives, all its questions asked in that style; None: in its own."""
    data = Dataset.of(load())
    if style is None:
        return data
    return replace(data, questions=tuple(replace(question, style=style) for question in data))


def special_tokens_of(recipe: Recipe) -> dict[str, frozenset[str]]:
    """The control tokens of the recipe's model and of each voter, by its path; no text may hold one."""
    if recipe.pretrain is not None:  # not built yet
        tokens = {*blank_model.SPECIAL_TOKENS.values(), blank_model.STOP, blank_model.PADDING}
        return {"the model of pretrain": frozenset(tokens)}
    paths = dict.fromkeys([recipe.model.options["path"], *recipe.contribution.voters])
    families = {path: model_that_answers(recipe, path) for path in paths}
    return {path: special_tokens(family.tokenizer) for path, family in families.items()}


def check_system_prompt(recipe: Recipe, special_tokens: Mapping[str, Collection[str]]) -> None:
    """Refuse a system prompt with a control token of one of these models. Raises ValueError."""
    for model, tokens in special_tokens.items():
        if token := next((token for token in sorted(tokens) if token in recipe.prompt.system), None):
            raise ValueError(
                f"prompt.system holds {token!r}, which the tokenizer of {model} reads as a control token; "
                "expected plain text; change its wording"
            )


# --- helpers -------------------------------------------------------------------------------------


def _held_out_sets(recipe: Recipe) -> dict[str, Bound]:
    return {f"data.evaluate.{name}": load for name, load in recipe.data.evaluate.items()}


def _leakless(recipe: Recipe, sets: Mapping[str, Dataset]) -> Datasets:
    """Usable data sets as those to train and to evaluate on. Raises ValueError for leaking clips."""
    train = sets.get(_TRAIN, Dataset(()))
    held_out = {name: _with_known_truth(sets[f"data.evaluate.{name}"]) for name in recipe.data.evaluate}
    for name, questions in held_out.items():
        if recipe.data.clips_disjoint:
            logger.info("%s: looking for clips of %s in it", name, _TRAIN)
            check_disjoint(train, questions, names=(_TRAIN, name), max_seconds=recipe.audio.max_seconds)
    return Datasets(train, held_out)


def _with_known_truth(dataset: Dataset) -> Dataset:
    """Held-out questions labelled by the truth where it is known: weak if text alone suffices."""
    truth = {
        q.id: Contribution(q.id, "weak" if q.text_answerable else "strong", method="truth")
        for q in dataset
        if q.text_answerable is not None
    }
    return replace(dataset, contributions={**dataset.contributions, **truth})
