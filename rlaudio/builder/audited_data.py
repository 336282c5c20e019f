"""Data sets under the recipe's rules: asked in its style, audited against its audio and its models."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from rlaudio.builder.answering import model_that_answers
from rlaudio.config.recipe import Recipe
from rlaudio.data.audit import Audit, load_audited
from rlaudio.models.family import special_tokens
from rlaudio.types import (
    Dataset,
    Question,
    Style,
)
from rlaudio.worlds.pretraining import blank_model


def load_data_set(
    recipe: Recipe,
    load: Callable[[], Sequence[Question]],
    special_tokens: Collection[str],
    *,
    for_training: bool,
    decode: bool = False,
) -> tuple[Dataset, Audit]:
    """What a data set of the recipe gives, and its audit under the recipe's rules."""
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
